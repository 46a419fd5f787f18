"""The three commands the shop needs of Redis, in its own protocol (RESP2), over a plain socket.

Redis is asked by text: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n` is an array of two strings. Its answer begins with a sign that
says what comes: `+` a word, `-` an error, `:` a number, `$` a string of so many bytes.
"""

import os
import socket
from contextlib import closing

HOST, _, PORT = os.environ.get("REDIS", "redis:6379").partition(":")
PATIENCE = 2  # seconds


class Refused(Exception):
    """Redis answered, with an error."""


def get(key):
    return ask("GET", key)


def put(key, value, seconds):
    ask("SET", key, value, "EX", str(seconds))


def delete(key):
    ask("DEL", key)


def ask(*words):
    """Send one command; a string, a number, or None for what is not there. Raises OSError when nobody answers."""
    message = b"*%d\r\n" % len(words)
    for word in map(str.encode, words):
        message += b"$%d\r\n%s\r\n" % (len(word), word)
    with closing(line_to(HOST, int(PORT or 6379))) as line, line.makefile("rb") as answer:
        line.sendall(message)
        return read(answer)


def line_to(host, port):
    """By the Service's name; where names are not to be had, by the variables that Kubernetes sets in each container."""
    try:
        return socket.create_connection((host, port), PATIENCE)
    except socket.gaierror:
        service = host.upper().replace("-", "_") + "_SERVICE"
        if f"{service}_HOST" not in os.environ:
            raise
        return socket.create_connection((os.environ[f"{service}_HOST"], int(os.environ[f"{service}_PORT"])), PATIENCE)


def read(answer):
    first = answer.readline()
    if not first.endswith(b"\r\n"):
        raise OSError("Redis hung up")
    sign, text = first[:1], first[1:-2].decode()
    if sign == b"-":
        raise Refused(text)
    if sign == b"$":
        return None if text == "-1" else answer.read(int(text) + 2)[:-2].decode()
    return int(text) if sign == b":" else text
