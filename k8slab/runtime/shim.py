"""The one process that holds a lab's containers and outlives its server: what containerd and its shims are to a node.

Run by `shimclient.py` as `python -I -S -E shim.py <state folder> <lab>`; it imports nothing of k8slab, so that it starts
fast, stays small, and no mistake in the server reaches it. It starts processes, carries their output into log files,
reaps them and remembers how they ended, until it is told to forget. It decides nothing: what fences a container gets
is in the command line that `local.py` hands over.

The wire is a Unix socket in the state folder, one JSON object a line. A request has `id` and `op`; its answer repeats
the `id` with `ok` or `error`. `{"event": "exit", ...}` comes unasked. File descriptors for an exec's streams travel
beside their request (SCM_RIGHTS).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

SOCKET, LOCK = "shim.sock", "shim.lock"
LOG_LIMIT = 10 << 20  # bytes of a log file before it is rotated (a kubelet's containerLogMaxSize is 10Mi, too)
LINE_LIMIT = 16 << 10  # longer lines are cut into pieces tagged P, as containerd does
CHUNK = 64 << 10  # read from one container before the next has its turn
IDLE, ORPHANED = 10.0, 3600.0  # seconds without a server before an empty shim, or any shim, ends
PR_SET_PDEATHSIG, PR_SET_NAME, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 15, 24, 36, 38
NAMESPACES = ("user", "cgroup", "ipc", "uts", "pid", "mnt")  # in the order to join them: user gives the right to the rest

libc = ctypes.CDLL(None, use_errno=True)


class Log:
    """A container's log file in the CRI format: `time stream F|P text`, rotated once it is full."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.written = 0  # bytes in all, rotated ones too: what a follower has not seen
        self.last = b""
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size

    def take(self, stream: bytes, data: bytes) -> None:
        """Write the complete lines; keep the half one until its end comes, or too much of it."""
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        head = stamp() + stream
        out = b"".join([b"%s F %s\n" % (head, line) for line in lines])
        while len(rest) >= LINE_LIMIT:
            out += b"%s P %s\n" % (head, rest[:LINE_LIMIT])
            rest = rest[LINE_LIMIT:]
        self._rest[stream] = rest
        if lines:
            self.last = lines[-1]
        self._write(out)

    def close(self) -> None:
        """Write what never got its newline, too."""
        for stream, rest in self._rest.items():
            if rest:
                self.last = rest
                self._write(b"%s P %s\n" % (stamp() + stream, rest))
        os.close(self._fd)

    def _write(self, out: bytes) -> None:
        try:
            if self._size and self._size + len(out) > LOG_LIMIT:
                os.replace(self.path, self.path + ".1")
                os.close(self._fd)
                self._open()
            self._size += os.write(self._fd, out)
        except OSError:  # a full disk costs lines, not the lab
            return
        self.written += len(out)


class Container:
    """One process tree: how it was asked for, its main process, its output, its end."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.id: str = spec["id"]
        self.spec = spec
        self.pid = 0  # our own child: the container's first process, or the bubblewrap that watches over it
        self.main = 0  # the container's first process
        self.main_fd = -1  # a pidfd of it: its number may be another's by the time a signal comes
        self.gate = -1  # closing it lets a fenced container run
        self.log: Log | None = Log(spec["log"]) if spec.get("log") else None
        self.pipes: dict[int, bytes] = {}
        self.stdin = -1
        self.answer: Callable[[dict[str, Any]], None] = ignore
        self.followers: list[tuple[int, Callable[[dict[str, Any]], None]]] = []
        self.started = self.finished = 0.0
        self.exit_code: int | None = None
        self.oom = False

    def state(self) -> dict[str, Any]:
        """What `list` and events tell."""
        told = {"id": self.id, "pid": self.main, "started": self.started, "finished": self.finished}
        return told | {"exit_code": self.exit_code, "oom": self.oom, "meta": self.spec.get("meta", {})}


class Link:
    """A connected server: its half-read request and half-written answers."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.inbox = b""
        self.outbox = b""
        self.fds: list[int] = []

    def send(self, message: dict[str, Any]) -> None:
        self.outbox += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        try:
            while self.outbox:
                self.outbox = self.outbox[self.sock.send(self.outbox) :]
        except BlockingIOError:
            pass
        except OSError:  # it is gone; reading will say so
            self.outbox = b""


class Shim:
    """The loop: requests, output and deaths, one at a time."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.containers: dict[str, Container] = {}
        self.links: dict[int, Link] = {}
        self.readers: dict[int, Callable[[], None]] = {listener.fileno(): self.accept}
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.lonely_since = time.monotonic()
        self.ending: Callable[[dict[str, Any]], None] | None = None

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until told to end, or nobody is left to work for."""
        wake, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.signal(signal.SIGCHLD, ignore)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.watch(wake, lambda: self.reap(wake))
        while not self.finished():
            for link in self.links.values():
                self.poll.modify(link.sock, select.POLLIN | (select.POLLOUT if link.outbox else 0))
            for fd, happened in self.poll.poll(None if self.links else 1000):
                if happened & select.POLLOUT:
                    self.links[fd].flush()
                if happened & ~select.POLLOUT and fd in self.readers:
                    self.readers[fd]()

    def finished(self) -> bool:
        running = any(container.exit_code is None for container in self.containers.values())
        if self.ending:
            if not running:
                self.ending({"ok": {}})
            return not running
        alone = 0.0 if self.links else time.monotonic() - self.lonely_since
        if alone > ORPHANED and running:
            self.op_end({}, ignore)
            return False
        return alone > (ORPHANED if self.containers else IDLE)

    def watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        del self.readers[fd]
        self.poll.unregister(fd)
        os.close(fd)

    # --- servers ----------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        link = Link(self.listener.accept()[0])
        self.links[link.sock.fileno()] = link
        self.watch(link.sock.fileno(), lambda: self.receive(link))

    def receive(self, link: Link) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(link.sock, CHUNK, 8, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, fds = b"", []
        link.fds += fds
        if not data:
            fd = link.sock.detach()
            del self.links[fd]
            self.unwatch(fd)
            self.lonely_since = time.monotonic()
            return
        *requests, link.inbox = (link.inbox + data).split(b"\n")
        for line in requests:
            self.serve(link, json.loads(line))

    def serve(self, link: Link, request: dict[str, Any]) -> None:
        def answer(outcome: dict[str, Any]) -> None:
            link.send({"id": request["id"], **outcome})

        request["stdio"] = [link.fds.pop(0) for _ in range(request.get("fds", 0))]
        try:
            getattr(self, "op_" + request["op"])(request, answer)
        except Exception as failure:  # one bad request must not end every container of the lab
            answer({"error": f"{type(failure).__name__}: {failure}"})

    def op_list(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        answer({"ok": [container.state() for container in self.containers.values() if container.started]})

    def op_remove(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        container = self.containers.get(request["container"])
        if container and container.exit_code is not None:
            del self.containers[container.id]
        answer({"ok": {}})

    def op_signal(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        container = self.containers.get(request["container"])
        if container and container.exit_code is None:
            send_signal(container, request["number"])
        answer({"ok": {}})

    def op_log(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        """Answer once more than `seen` bytes have been written, or no more will be."""
        container = self.containers.get(request["container"])
        if container is None or container.log is None:
            answer({"ok": {"written": 0, "ended": True}})
            return
        container.followers.append((request["seen"], answer))
        self.tell_followers(container)

    def op_end(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        """Kill everything, and end when all of it is dead."""
        self.ending = answer
        for container in self.containers.values():
            if container.exit_code is None:
                send_signal(container, signal.SIGKILL)

    # --- a container's life -----------------------------------------------------------------------------------------

    def op_start(self, request: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        spec = request["container"]
        container = Container(spec)
        container.answer = answer
        child_end, ours = self.streams(container, request["stdio"])
        info, info_in = os.pipe() if spec["fenced"] else (-1, -1)
        gate_out, container.gate = os.pipe() if spec["fenced"] else (-1, -1)
        trouble, trouble_in = os.pipe()
        container.pid = os.fork()
        if container.pid == 0:
            become(spec, child_end, info_in, gate_out, trouble_in, self.joined(spec))
        for fd in {*child_end, info_in, gate_out, trouble_in} - {-1}:
            os.close(fd)
        problem = os.read(trouble, 4096)  # ends empty as soon as the command has replaced our copy
        os.close(trouble)
        self.containers[container.id] = container
        for fd, stream in ours.items():
            container.pipes[fd] = stream
            os.set_blocking(fd, False)
            self.watch(fd, lambda fd=fd: self.carry(container, fd))  # type: ignore[misc]
        if problem:
            container.answer = ignore
            answer({"error": problem.decode(errors="replace")})
        elif spec["fenced"]:
            self.watch(info, lambda: self.fenced(container, info))
        else:
            self.running(container, container.pid)

    def joined(self, spec: dict[str, Any]) -> Container | None:
        if "join" not in spec:
            return None
        host = self.containers.get(spec["join"])
        if host is None or host.exit_code is not None:
            raise ProcessLookupError("the container is not running")
        return host

    def streams(self, container: Container, given: list[int]) -> tuple[list[int], dict[int, bytes]]:
        """What the child gets as 0, 1, 2, and what we read of it."""
        if given:
            return (given * 3)[:3], {}
        if container.spec.get("tty"):
            master, slave = os.openpty()
            container.stdin = os.dup(master)
            return [slave] * 3, {master: b"stdout"}
        if container.spec.get("stdin"):
            stdin, container.stdin = os.pipe()
        else:
            stdin = os.open(os.devnull, os.O_RDONLY)
        (out, out_in), (err, err_in) = os.pipe(), os.pipe()
        return [stdin, out_in, err_in], {out: b"stdout", err: b"stderr"}

    def fenced(self, container: Container, info: int) -> None:
        """bubblewrap says which process is the container's first; it waits at the gate until its limits are set."""
        told = os.read(info, 4096)
        self.unwatch(info)
        if not told:
            return  # it failed, and its end is on the way
        main = json.loads(told)["child-pid"]
        for folder in container.spec.get("cgroups", ()):
            enter_cgroup(folder, main)
        for name, value in container.spec.get("late_limits", {}).items():
            resource.prlimit(main, getattr(resource, name), (value, value))
        os.close(container.gate)
        container.gate = -1
        self.running(container, main)

    def running(self, container: Container, main: int) -> None:
        container.main, container.started = main, time.time()
        try:
            container.main_fd = os.pidfd_open(main)
        except OSError:  # an old kernel, or a short life
            container.main_fd = -1
        container.answer({"ok": container.state()})
        container.answer = ignore

    def carry(self, container: Container, fd: int) -> None:
        """Move what a container printed into its log."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal whose other end is closed
            data = b""
        if not data:
            del container.pipes[fd]
            self.unwatch(fd)
        elif container.log:
            container.log.take(container.pipes[fd], data.replace(b"\r\n", b"\n") if container.spec.get("tty") else data)
            self.tell_followers(container)

    def tell_followers(self, container: Container) -> None:
        assert container.log
        waiting, container.followers = container.followers, []
        ended = container.exit_code is not None
        for seen, answer in waiting:
            if ended or container.log.written > seen:
                answer({"ok": {"written": container.log.written, "ended": ended}})
            else:
                container.followers.append((seen, answer))

    def reap(self, wake: int) -> None:
        os.read(wake, 4096)
        by_pid = {container.pid: container for container in self.containers.values() if container.exit_code is None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:  # the others are orphans of a container: they came to us, and only want to be buried
                self.ended(by_pid[pid], os.waitstatus_to_exitcode(status))

    def ended(self, container: Container, code: int) -> None:
        """Its first process is gone: so goes the rest, and then its end is told, with all of its output in the log."""
        if not container.spec.get("pid_namespace"):
            kill_marked(container.id)
        container.oom = leave_cgroups(container.spec.get("cgroups", ()))
        for fd in list(container.pipes):
            self.drain(container, fd)
        for fd in {container.main_fd, container.gate, container.stdin} - {-1}:
            os.close(fd)
        container.exit_code = code if code >= 0 else 128 - code
        container.finished = time.time()
        if container.log:
            container.log.close()
            self.tell_followers(container)
        if not container.started:
            container.answer({"error": container.log.last.decode(errors="replace") if container.log else "it ended at once"})
        if not container.started or "join" in container.spec:
            del self.containers[container.id]
        if container.started:
            for link in self.links.values():
                link.send({"event": "exit", **container.state()})

    def drain(self, container: Container, fd: int) -> None:
        """Everything it had printed, but not what somebody who got away keeps printing."""
        for _ in range(64):
            before = container.log.written if container.log else 0
            self.carry(container, fd)
            if fd not in container.pipes:
                return
            if container.log is None or container.log.written == before:
                break
        del container.pipes[fd]
        self.unwatch(fd)


# --- what the forked child does before it is the container --------------------------------------------------------------


def become(
    spec: dict[str, Any], streams: list[int], info: int, gate: int, trouble: int, host: Container | None
) -> None:
    """In the fresh child: put on the limits, then become the command. Never returns."""
    try:
        prepare(spec, streams, host)
        argv, path = spec["argv"], spec["argv"][0]
        if spec["fenced"]:
            options = ["--info-fd", str(info), "--block-fd", str(gate), *spec["options"]]
            argv = [spec["title"], "--args", str(readable("\0".join(options))), "--", *argv]
            path = spec["bubblewrap"]
            os.set_inheritable(info, True)
            os.set_inheritable(gate, True)
        os.execvpe(path, argv, spec["env"])
    except BaseException as failure:  # nothing of the parent's code may ever go on in the child
        os.write(trouble, f"{failure.strerror if isinstance(failure, OSError) else failure}".encode())
    finally:
        os._exit(127)


def prepare(spec: dict[str, Any], streams: list[int], host: Container | None) -> None:
    os.setsid()
    for target, fd in enumerate([os.dup(fd) if fd < 3 else fd for fd in streams]):
        os.dup2(fd, target)
    if spec.get("tty"):
        fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY: this terminal is ours to be interrupted from
    for name, value in spec.get("limits", {}).items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))
    for ours in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and ignoring is inherited
        signal.signal(ours, signal.SIG_DFL)
    os.umask(0o022)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not spec["fenced"]:
        for folder in (host.spec if host else spec).get("cgroups", ()):
            enter_cgroup(folder, 0)
        if host:
            join(host.main)
        give_up_privileges()
    os.chdir(spec["cwd"])


def join(main: int) -> None:
    """Enter the namespaces of a container's first process; a process enters a pid namespace by its next child."""
    fds = []
    for name in NAMESPACES:
        path = f"/proc/{main}/ns/{name}"
        if os.path.exists(path) and os.readlink(path) != os.readlink(f"/proc/self/ns/{name}"):
            fds.append(os.open(path, os.O_RDONLY))
    for fd in fds:
        if libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), "cannot enter the container: " + os.strerror(ctypes.get_errno()))
    child = os.fork()
    if child:
        for fd in range(3):
            os.close(fd)
        os.closerange(3, 4096)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def give_up_privileges() -> None:
    """No capability, root or not, and none to be had again: what bubblewrap does for those it fences."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def readable(text: str) -> int:
    """A file descriptor to read the text from."""
    fd = os.memfd_create("arguments", 0)
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


# --- small help -----------------------------------------------------------------------------------------------------------


def ignore(*_: object) -> None:
    """Nobody is waiting for this."""


def stamp() -> bytes:
    """Now, in RFC 3339 with nanoseconds, and a space."""
    now = time.time_ns()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**9))}.{now % 10**9:09d}Z ".encode()


def send_signal(container: Container, number: int) -> None:
    try:
        if container.main_fd >= 0:
            signal.pidfd_send_signal(container.main_fd, number)
        else:
            os.kill(container.main or container.pid, number)
    except ProcessLookupError:
        pass


def enter_cgroup(folder: str, pid: int) -> None:
    with open(f"{folder}/cgroup.procs", "w") as procs:
        procs.write(str(pid))


def leave_cgroups(folders: list[str]) -> bool:
    """Kill who is left in them, remove them, and say whether the kernel had killed anyone for want of memory."""
    oom = False
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            if os.path.exists(f"{folder}/{name}"):
                with open(f"{folder}/{name}") as counts:
                    oom = oom or any(line.split()[0] == "oom_kill" and line.split()[1] != "0" for line in counts)
        for _ in range(100):
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:
                with open(f"{folder}/cgroup.procs") as procs:
                    for pid in procs.read().split():
                        kill(int(pid))
                time.sleep(0.001)
    return oom


def kill_marked(id: str) -> None:
    """Kill every process that carries the container's mark: those that left its session and changed their parent, too."""
    mark = b"\0K8SLAB_CONTAINER=" + id.encode() + b"\0"
    for number in [signal.SIGSTOP, *[signal.SIGKILL] * 100]:  # stopped first, they cannot fork faster than we kill
        found = False
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as environ:
                    if mark in b"\0" + environ.read() + b"\0":
                        found = True
                        kill(int(name), number)
            except OSError:
                continue  # another user's, or gone
        if not found:
            return


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def main(folder: str, lab: str) -> None:
    """Listen, and only then let the one who started us go on; end at once if the lab has a shim already."""
    os.chdir(folder)  # a short, relative socket name: 108 bytes are all a Unix socket's path may have
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)
    os.umask(0o177)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    os.umask(0o077)
    listener.listen(8)
    if os.fork():
        os._exit(0)
    os.setsid()
    libc.prctl(PR_SET_NAME, b"k8slab-shim", 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    many = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (many, many))
    Shim(listener).run()
    os.unlink(SOCKET)


if __name__ == "__main__":
    main(*sys.argv[1:3])
