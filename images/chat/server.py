"""A conversation over TCP, a line at a time: what the server knows of you lives in the connection, and dies with it.

    NAME ada    say who you are          WHO     what it remembers of you
    QUIT        hang up                  any other line is counted, and answered

Answers begin with a number, as FTP's and SMTP's do: 2xx fine, 4xx not now, 5xx not so.
"""

import os
import select
import signal
import socketserver
import threading

NAME = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "?")
LONGEST = 4096  # bytes of a line
stopping = threading.Event()
woken, waking = os.pipe()


class Talk(socketserver.StreamRequestHandler):
    """One connection, and all that is remembered of it: a name and a number."""

    def handle(self):
        self.name, self.lines = "", 0
        self.say(220, f"{NAME} is listening. Who are you? (NAME, WHO, QUIT)")
        try:
            for line in self.heard():
                command, _, rest = line.strip().partition(" ")
                if not self.obey(command.upper(), rest.strip()[:40]):
                    return
            if stopping.is_set():
                self.say(421, f"{NAME} is going down, and forgets {self.name or 'you'}.")
        except OSError:
            return  # it went away

    def heard(self):
        """Line by line, until the other side hangs up or we are to stop."""
        rest = b""
        while self.connection in select.select([self.connection, woken], [], [])[0] and not stopping.is_set():
            data = self.connection.recv(1024)
            if not data:
                return
            *lines, rest = (rest + data)[-LONGEST:].split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)

    def obey(self, command, rest):
        """Answer one line; False when the conversation is over."""
        if command == "QUIT":
            self.say(221, f"Goodbye {self.name or 'stranger'}.")
        elif command == "NAME" and rest:
            self.name = rest
            self.say(250, f"Hello {rest}.")
        elif command == "NAME":
            self.say(501, "NAME needs a name.")
        elif command == "WHO":
            self.say(250, f"You are {self.name or 'nobody I know'}; you said {self.lines} lines to {NAME}.")
        else:
            self.lines += 1
            self.say(250, f"{self.name or 'Stranger'}, that was line {self.lines}.")
        return command != "QUIT"

    def say(self, number, sentence):
        self.wfile.write(f"{number} {sentence}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False  # each conversation is told that we go


def stop(*_):
    stopping.set()
    os.write(waking, b".")  # nobody reads it: the pipe stays readable, and all who wait for it wake


def main():
    address = os.environ.get("POD_IP", ""), int(os.environ.get("PORT", "2323"))
    server = Server(address, Talk)
    signal.signal(signal.SIGTERM, stop)
    print(f"chat on {NAME} listens at {address[0] or '*'}:{address[1]}", flush=True)
    while not stopping.is_set():
        if server in select.select([server, woken], [], [])[0]:
            server.handle_request()
    server.server_close()
    print("stopped", flush=True)


main()
