"""The shim's loop: requests, output and deaths, as they come, never waiting for one of them."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import termios
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from .attach import Listeners, Typing
from .container import Answer, Container, ignore
from .forks import Forks, hold_guilty
from .link import CHUNK, Link
from .reap import kill_marked, leave_cgroups, memory_of
from .spawn import become

WATCH = 100  # milliseconds between looks at containers that no control group limits
IDLE, ORPHANED = 10.0, 3600.0  # seconds without a server after which an empty shim ends; after which any shim does


class Keeper:
    """Holds the containers. `op_*` are the requests it serves."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self.listener = listener
        self.containers: dict[str, Container] = {}
        self.links: dict[int, Link] = {}
        self.starting: list[Container] = []  # behind their fences, which are not all up
        self.ending: Answer | None = None
        self.forks = Forks()
        self.next_look = 0.0
        self.alone_since = time.monotonic()
        self.poll = select.poll()
        self.readers: dict[int, Callable[[], object]] = {}
        self.writers: dict[int, Callable[[], object]] = {}
        self.watch(listener.fileno(), self.accept)

    # the loop

    def run(self) -> None:
        """Until told to end, or nobody is left to work for."""
        wake, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.signal(signal.SIGCHLD, ignore)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.watch(wake, lambda: self.reap(wake))
        while not self.over():
            for fd, link in self.links.items():
                self.poll.modify(fd, select.POLLIN | (select.POLLOUT if link.outbox else 0))
            for fd, happened in self.poll.poll(self.patience()):
                if happened & select.POLLOUT and fd in self.links:
                    self.links[fd].flush()
                elif happened & select.POLLOUT:
                    self.call(self.writers.get(fd, ignore))
                if happened & ~select.POLLOUT:
                    self.call(self.readers.get(fd, ignore))

    def patience(self) -> int | None:
        """Look at what nobody would tell us; then, how long to wait for something to happen, in milliseconds."""
        for container in [container for container in self.starting if container.has_become()]:
            self.starting.remove(container)
            self.runs(container, container.first)
        running = [container for container in self.containers.values() if container.exit_code is None]
        watched = [container for container in running if container.memory or container.tasks]
        now = time.monotonic()
        if watched and now >= self.next_look:
            self.next_look = now + WATCH / 1000
            self.look_at(watched)
        until_look = max(1, int((self.next_look - now) * 1000))
        return 1 if self.starting else until_look if watched else None if self.links else 1000

    def look_at(self, watched: list[Container]) -> None:
        """Keep the limits that no control group keeps."""
        for container in watched:
            if container.memory and container.started and memory_of(container.first) > container.memory:
                container.oom = True
                container.signal(signal.SIGKILL)
        counted = [container for container in watched if container.tasks]
        if counted and self.forks.surged():
            self.defuse(counted)

    def defuse(self, counted: list[Container]) -> None:
        """There are many more processes than a moment ago: all stand still while it is looked whose they are.

        A bomb would otherwise leave us no time to look. A whole process group is stopped, or killed, at once.
        """
        for container in counted:
            container.signal_all(signal.SIGSTOP)
        roots = {pid: container.id for container in counted for pid in (container.child, container.first) if pid}
        guilty = hold_guilty(roots, {container.id: container.tasks for container in counted})
        for container in counted:
            if container.id not in guilty:
                container.signal_all(signal.SIGCONT)
                continue
            container.message = f"it had more than {container.tasks} processes and threads, and was killed"
            container.signal_all(signal.SIGKILL)
            container.signal(signal.SIGKILL)

    def call(self, action: Callable[[], object]) -> None:
        """Something can be read or written. What goes wrong with it must not end every container of the lab."""
        try:
            action()
        except Exception:
            traceback.print_exc()

    def over(self) -> bool:
        """Whether to end. Someone who asked for it is told when all is dead."""
        running = any(container.exit_code is None for container in self.containers.values())
        if self.ending and not running:
            self.ending({"ok": {}})
        if self.ending:
            return not running
        alone = 0.0 if self.links else time.monotonic() - self.alone_since
        if alone > ORPHANED:
            self.op_end({}, ignore)
        return alone > IDLE and not self.containers

    def watch(
        self,
        fd: int,
        reader: Callable[[], object],
        events: int = select.POLLIN,
        writer: Callable[[], object] | None = None,
    ) -> None:
        """Call `reader` whenever there is something to read (or an error), `writer` whenever there is room."""
        self.readers[fd] = reader
        if writer:
            self.writers[fd] = writer
        self.poll.register(fd, events)

    def expect(self, fd: int, events: int) -> None:
        """Call them for other events from now on."""
        self.poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Call them no more."""
        del self.readers[fd]
        self.writers.pop(fd, None)
        self.poll.unregister(fd)

    def unwatch(self, fd: int) -> None:
        """Call them no more, and close."""
        self.forget(fd)
        os.close(fd)

    # servers and their requests

    def accept(self) -> None:
        """A server connects."""
        try:
            link = Link(self.listener.accept()[0])
        except OSError:
            return
        self.links[link.sock.fileno()] = link
        self.watch(link.sock.fileno(), lambda: self.receive(link))

    def receive(self, link: Link) -> None:
        """Serve what a server has asked; or see that it has gone, which changes nothing for the containers."""
        requests = link.receive()
        for line in requests or ():
            self.serve(link, json.loads(line))
        if requests is None:
            link.flush()
            del self.links[link.sock.fileno()]
            self.unwatch(link.sock.detach())
            link.close()
            self.alone_since = time.monotonic()

    def serve(self, link: Link, request: dict[str, Any]) -> None:
        """Carry out one request and see that it is answered."""
        number = request["id"]

        def answer(outcome: dict[str, Any]) -> None:
            link.send({"id": number, **outcome})

        request["streams"], link.fds = link.fds[: request.get("fds", 0)], link.fds[request.get("fds", 0) :]
        try:
            getattr(self, "op_" + request["op"])(request, answer)
        except Exception as failure:
            answer({"error": f"{type(failure).__name__}: {failure}"})

    def op_list(self, request: dict[str, Any], answer: Answer) -> None:
        """Everything that has been started and not forgotten."""
        answer({"ok": [container.state() for container in self.containers.values() if container.started]})

    def op_remove(self, request: dict[str, Any], answer: Answer) -> None:
        """Forget a container that has ended."""
        container = self.containers.get(request["container"])
        if container and container.exit_code is not None:
            del self.containers[container.id]
        answer({"ok": {}})

    def op_signal(self, request: dict[str, Any], answer: Answer) -> None:
        """A signal for a container's first process."""
        container = self.containers.get(request["container"])
        if container and container.exit_code is None:
            container.signal(request["number"])
        answer({"ok": {}})

    def op_attach(self, request: dict[str, Any], answer: Answer) -> None:
        """Carry between a container's own streams and the three pipes that came along."""
        container = self.containers.get(request["container"])
        typed, out, err = request["streams"]
        if container is None or container.exit_code is not None or not container.started:
            for fd in (typed, out, err):
                os.close(fd)
            answer({"error": "the container does not run"})
            return
        container.listeners = container.listeners or Listeners(container.outputs, self)
        container.listeners.add({out: b"stdout", err: b"stderr"})
        if request["stdin"] and container.stdin >= 0 and container.typing is None:
            container.typing = Typing(os.dup(container.stdin), self)
            if not container.spec.get("tty"):  # the one write end must be the one that `once` closes
                os.close(container.stdin)
                container.stdin = -1
        if request["stdin"] and container.typing:
            container.typing.add(typed, once=request["once"])
        else:
            os.close(typed)
        answer({"ok": {}})

    def op_resize(self, request: dict[str, Any], answer: Answer) -> None:
        """A container's terminal has another size."""
        container = self.containers.get(request["container"])
        if container and container.exit_code is None and container.spec.get("tty"):
            termios.tcsetwinsize(container.stdin, (request["rows"], request["columns"]))
        answer({"ok": {}})

    def op_log(self, request: dict[str, Any], answer: Answer) -> None:
        """Answered once the container has ever written more than `seen` bytes, or can write no more."""
        container = self.containers.get(request["container"])
        if container is None:
            answer({"ok": {"written": 0, "ended": True}})
            return
        container.followers.append((request["seen"], answer))
        container.tell_followers()

    def op_end(self, request: dict[str, Any], answer: Answer) -> None:
        """Kill everything; answered, and the shim gone, when all of it is dead."""
        self.ending = answer
        for container in self.containers.values():
            if container.exit_code is None:
                container.signal(signal.SIGKILL)

    def op_start(self, request: dict[str, Any], answer: Answer) -> None:
        """Start a container; answered when its command runs, or cannot."""
        spec = request["container"]
        host = self.containers[spec["join"]].first if "join" in spec else 0
        container = Container(spec, answer)
        streams = container.streams(request["streams"])
        info, info_in = os.pipe() if spec["fenced"] else (-1, -1)
        gate, container.gate = os.pipe() if spec["fenced"] else (-1, -1)
        trouble, trouble_in = os.pipe()
        container.child = os.fork()
        if container.child == 0:
            become(spec, streams, info_in, gate, trouble_in, host)
        for fd in (*streams, info_in, gate, trouble_in):
            if fd >= 0:
                os.close(fd)
        self.containers[container.id] = container
        for fd in container.outputs:
            os.set_blocking(fd, False)
            self.watch(fd, partial(self.carry, container, fd))
        container.trouble, container.info = trouble, info
        self.watch(trouble, lambda: self.begun(container))

    # a container's life

    def begun(self, container: Container) -> None:
        """The command has taken the child's place, and `trouble` is empty; or it says why not."""
        problem = os.read(container.trouble, 4096)
        self.unwatch(container.trouble)
        container.trouble, info = -1, container.info
        if problem:
            container.fail(problem.decode(errors="replace"))
        if info >= 0:
            self.watch(info, lambda: self.fenced(container, info))
        elif not problem:
            self.runs(container, container.child)

    def fenced(self, container: Container, info: int) -> None:
        """bubblewrap tells the pid of the first process, which waits at the gate until its limits are set."""
        part = os.read(info, 4096)
        container.told += part
        if part and b"}" not in part:
            return
        self.unwatch(info)
        if not part:  # it could not put up the fences: its end, on the way, says why
            return
        first = json.loads(container.told)["child-pid"]
        try:
            for name, value in container.spec.get("late_limits", {}).items():
                resource.prlimit(first, getattr(resource, name), (value, value))
        except OSError as failure:  # without its limits it must not run
            container.fail(f"cannot limit the container: {failure}")
            return
        os.close(container.gate)
        container.gate, container.first = -1, first
        self.starting.append(container)

    def runs(self, container: Container, first: int) -> None:
        """Tell everybody, and then the one who waits for it."""
        container.runs(first)
        self.announce("start", container)
        container.answered({"ok": container.state()})

    def announce(self, event: str, container: Container) -> None:
        """Tell every server."""
        for link in self.links.values():
            link.send({"event": event, **container.state()})

    def carry(self, container: Container, fd: int) -> int:
        """Move some of what a container printed into its log; how much it was."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal whose other side has closed
            data = b""
        if not data:
            del container.outputs[fd]
            self.unwatch(fd)
        elif container.log:
            terminal = container.spec.get("tty")
            container.log.take(container.outputs[fd], data.replace(b"\r\n", b"\n") if terminal else data)
            container.tell_followers()
            if container.listeners:
                container.listeners.take(container.outputs[fd], data)
        return len(data)

    def reap(self, wake: int) -> None:
        """Some children have died: containers, or orphans of one that came to us and only want to be buried."""
        os.read(wake, 4096)
        children = {container.child: container for container in self.containers.values() if container.exit_code is None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in children:
                self.end(children[pid], os.waitstatus_to_exitcode(status))

    def end(self, container: Container, code: int) -> None:
        """The first process is gone, and so goes the rest; then, with all of its output in the log, its end is told."""
        if container.trouble >= 0:
            self.begun(container)
        folders = container.spec.get("cgroups", ())
        if not folders and not (container.spec.get("contained") and container.started):
            container.signal_all(signal.SIGKILL)
            kill_marked(container.id)
        if container in self.starting:
            self.starting.remove(container)
        container.oom |= leave_cgroups(folders)
        for fd in list(container.outputs):
            for _ in range(64):  # all a pipe can hold; the dead write no more
                if not self.carry(container, fd):
                    break
            if fd in container.outputs:
                del container.outputs[fd]
                self.unwatch(fd)
        if container.typing:
            container.typing.close()
        if container.listeners:
            container.listeners.close()
        if container.first and not container.started and not container.refused():
            self.runs(container, container.first)  # it was quicker than our look at it
        container.ended(code)
        if not container.started or "join" in container.spec:
            del self.containers[container.id]
        if container.started:
            self.announce("exit", container)
