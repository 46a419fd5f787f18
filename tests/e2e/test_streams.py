"""kubectl's streams against real containers: exec, cp, attach, run -it, port-forward, proxy, debug, drain."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from k8slab.client.http import HttpClient
from k8slab.widgets.terminal import in_pod
from tests.e2e.conftest import lab_of
from tests.requirements import REAL
from tests.waiting import PATIENCE, until

IMAGE = "--image=k8slab/web:v1"


@pytest.fixture(scope="module", params=REAL)
def lab(request, tmp_path_factory):
    """One lab for all of these; each test has pods of its own."""
    with lab_of(request, tmp_path_factory.mktemp("streams") / "state") as world:
        world.kubectl("run", "web", IMAGE)
        world.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=90s")
        yield world


def kubectl(world, *args, stdin=b"", **more):
    config = str(world.state / "default" / "kubeconfig")
    return subprocess.run(
        ["kubectl", "--kubeconfig", config, *args], input=stdin, capture_output=True, timeout=60, **more
    )


@contextmanager
def background(world, *args):
    """kubectl, until the test is through with it."""
    config = str(world.state / "default" / "kubeconfig")
    process = subprocess.Popen(
        ["kubectl", "--kubeconfig", config, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


class Terminal:
    """A person at kubectl."""

    def __init__(self, world, *args, rows=33, columns=99):
        import fcntl
        import struct
        import termios

        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            config = str(world.state / "default" / "kubeconfig")
            os.execvp("kubectl", ["kubectl", "--kubeconfig", config, *args])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.seen = ""

    def sees(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, f"{pattern!r} is not in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096).decode(errors="replace")
                except OSError:  # it has hung up
                    assert re.search(pattern, self.seen), self.seen
        return self

    def types(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())
        return self

    def ends(self):
        end = time.monotonic() + PATIENCE
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, f"kubectl does not end: {self.seen!r}"
            if select.select([self.fd], [], [], 0.05)[0]:
                with suppress(OSError):
                    self.seen += os.read(self.fd, 4096).decode(errors="replace")


# ---- exec and cp -------------------------------------------------------------------------------------------------------


def test_exec_output_errors_and_exit_code(lab):
    done = kubectl(lab, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert done.stderr == b"err\ncommand terminated with exit code 7\n"


def test_exec_of_what_is_not_there(lab):
    done = kubectl(lab, "exec", "web", "--", "nope")
    assert done.returncode == 1
    assert b'exec: "nope": executable file not found in $PATH' in done.stderr
    assert b"container x is not valid for pod web" in kubectl(lab, "exec", "web", "-c", "x", "--", "ls").stderr


def test_what_is_piped_in_arrives_whole_and_ends(lab):
    data = os.urandom(3_000_000)
    assert kubectl(lab, "exec", "-i", "web", "--", "cat", stdin=data).stdout == data


def test_a_shell_on_a_terminal(lab):
    shell = Terminal(lab, "exec", "-it", "web", "--", "sh", "-c", "PS1='at your service: ' exec sh")
    shell.sees("at your service")
    until_size = time.monotonic() + PATIENCE
    while "33 99" not in shell.seen and time.monotonic() < until_size:  # the size comes a moment after the shell
        shell.types("stty size\n").sees(r"\d+ \d+\r\n")
    assert "33 99" in shell.seen
    shell.types("sleep 1000\n").sees("sleep")
    shell.types("\x03").sees("service: ")  # ctrl-C
    shell.types("exit 3\n")
    assert shell.ends() == 3


def test_cp_both_ways(lab, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "big").write_bytes(os.urandom(1_000_000))
    lab.kubectl("cp", str(folder), "web:/tmp/")
    lab.kubectl("cp", "web:/tmp/folder/sub/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (folder / "sub" / "big").read_bytes()


# ---- attach and run ----------------------------------------------------------------------------------------------------


def test_run_with_stdin_attaches_and_ends_with_it(lab):
    done = kubectl(
        lab, "run", "cat", "--rm", "-i", IMAGE, "--restart=Never", "--command", "--", "cat", stdin=b"one\ntwo\n"
    )
    assert b"one\ntwo\n" in done.stdout
    assert done.returncode == 0


def test_run_on_a_terminal_is_a_shell_with_job_control(lab):
    shell = Terminal(lab, "run", "box", "--rm", "-it", IMAGE, "--restart=Never", "--command", "--", "sh")
    shell.sees("try pressing enter|[#$] ")
    shell.types("\n").sees("[#$] ")
    shell.types("echo in $HOSTNAME\n").sees("in box")
    shell.types("sleep 1000\n").sees("sleep")
    shell.types("\x03").sees("[#$] ")
    shell.types("exit 0\n")
    assert shell.ends() == 0
    assert "tty" not in shell.seen


def test_attach_hears_what_comes_and_leaves_it_running(lab):
    lab.kubectl("run", "ticker", IMAGE, "--command", "--", "sh", "-c", "while sleep 0.1; do echo tick; done")
    lab.kubectl("wait", "--for=condition=Ready", "pod/ticker", "--timeout=90s")
    with background(lab, "attach", "ticker") as attached:
        assert [line for line, _ in zip(attached.stdout, range(3), strict=False)].count("tick\n") >= 2
    assert lab.kubectl("get", "pod", "ticker", "-o", "jsonpath={.status.phase}") == "Running"


def test_debug_puts_a_container_beside(lab):
    shell = Terminal(lab, "debug", "-it", "web", IMAGE, "-c", "dbg", "--", "sh")
    shell.sees("try pressing enter|[#$] ")
    shell.types("\n").sees("[#$] ")
    shell.types("echo beside $HOSTNAME\n").sees("beside web")
    shell.types("exit 0\n")
    assert shell.ends() == 0
    pod = json.loads(lab.kubectl("get", "pod", "web", "-o", "json"))
    (status,) = until(
        lambda: json.loads(lab.kubectl("get", "pod", "web", "-o", "json"))["status"].get("ephemeralContainerStatuses")
    )
    assert (status["name"], pod["spec"]["ephemeralContainers"][0]["name"]) == ("dbg", "dbg")
    until(lambda: "beside web" in lab.kubectl("logs", "web", "-c", "dbg"))


# ---- connections ---------------------------------------------------------------------------------------------------------


def page(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode()


def test_port_forward_serves_twenty_at_a_time(lab):
    with background(lab, "port-forward", "pod/web", ":8080") as forward:
        port = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())[1]
        threading.Thread(target=forward.stdout.read, daemon=True).start()
        with ThreadPoolExecutor(20) as pool:
            pages = list(pool.map(lambda _: page(f"http://127.0.0.1:{port}/"), range(100)))
        assert len(pages) == 100
        assert all("pod: web" in text for text in pages)


def test_port_forward_to_nobody_says_so(lab):
    with background(lab, "port-forward", "pod/web", ":9999") as forward:
        port = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())[1]
        with pytest.raises(OSError):
            page(f"http://127.0.0.1:{port}/")
        said = forward.stdout.read()
    assert "error forwarding port 9999 to pod web" in said
    assert "connect: connection refused" in said


def test_proxy_urls(lab):
    lab.kubectl("expose", "pod", "web", "--name=front", "--port=80", "--target-port=8080")
    base = "/api/v1/namespaces/default"
    raw = lambda path: lab.kubectl("get", "--raw", path, check=False)
    assert raw(f"{base}/pods/web:8080/proxy/healthz").strip() == "ok"
    assert until(lambda: "ok" in raw(f"{base}/services/front/proxy/healthz"))
    assert raw(f"{base}/services/http:front:80/proxy/healthz").strip() == "ok"
    assert 'no service port 81 found for service "front"' in raw(f"{base}/services/front:81/proxy/")
    assert "connection refused" in raw(f"{base}/pods/web:1/proxy/")
    assert raw("/api/v1/nodes/node-1/proxy/healthz") == "ok"
    lab.kubectl("create", "service", "clusterip", "lonely", "--tcp=80")
    until(lambda: 'no endpoints available for service "lonely"' in raw(f"{base}/services/lonely/proxy/"))


# ---- drain -----------------------------------------------------------------------------------------------------------------


def test_drain_moves_what_is_managed_and_evicts_the_rest(lab):
    lab.kubectl("create", "deployment", "fleet", IMAGE, "--replicas=6")
    lab.kubectl("rollout", "status", "deployment/fleet", "--timeout=90s")
    done = kubectl(lab, "drain", "node-2", "--ignore-daemonsets", "--force", "--grace-period=1", "--timeout=40s")
    lab.kubectl("uncordon", "node-2")
    assert done.returncode == 0, done.stderr
    assert b"evicting pod default/fleet-" in done.stderr + done.stdout
    assert b"node/node-2 drained" in done.stdout
    until(lambda: len(lab.ready("app=fleet")) == 6)
    lab.kubectl("delete", "deployment", "fleet")


def test_a_client_that_speaks_only_spdy_is_told_what_it_needs(lab, old_kubectl):
    done = kubectl(lab, "exec", "web", "--", "true", executable=old_kubectl)
    assert b"kubectl 1.30 or newer" in done.stderr
    assert done.returncode == 1
    assert b"kubectl 1.30 or newer" in kubectl(lab, "port-forward", "web", ":8080", executable=old_kubectl).stderr


def test_kubectl_of_old_still_does_what_it_knew(lab, old_kubectl, tmp_path):
    def old(*args, stdin=""):
        done = kubectl(lab, *args, stdin=stdin.encode(), executable=old_kubectl)
        return (done.stdout + done.stderr).decode()

    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}\n"
    assert old("apply", "-f", "-", stdin=manifest) == "configmap/old created\n"
    assert old("apply", "-f", "-", stdin=manifest) == "configmap/old unchanged\n"
    assert old("apply", "-f", "-", stdin=manifest.replace("a: b", "a: c")) == "configmap/old configured\n"
    assert 'unknown field "dta"' in old("apply", "-f", "-", stdin=manifest.replace("\ndata", "\ndta"))
    assert 'no matches for kind "Deploiment"' in old(
        "create", "-f", "-", stdin="apiVersion: apps/v9\nkind: Deploiment\nmetadata: {name: x}\n"
    )
    assert "RollingUpdate" in old("explain", "deployment.spec.strategy")
    assert old("create", "deployment", "oldie", IMAGE) == "deployment.apps/oldie created\n"
    assert "successfully rolled out" in old("rollout", "status", "deployment/oldie")
    assert old("scale", "deployment/oldie", "--replicas=2") == "deployment.apps/oldie scaled\n"
    assert "answers at" in old("logs", "web")
    assert old("delete", "deployment", "oldie") == 'deployment.apps "oldie" deleted\n'


# ---- the notebook's terminal -------------------------------------------------------------------------------------------


def test_a_notebooks_terminal_is_a_terminal_in_the_pod(lab):
    api = HttpClient.open(lab.state / "default" / "kubeconfig")
    console = in_pod(api, "web", "default", lambda: None)
    until(lambda: console.text().endswith(("$", "#")), "a prompt")
    console.act({"do": "resize", "columns": 99, "rows": 20})
    console.act({"do": "type", "keys": "stty size; echo $((6 * 7)) on $HOSTNAME\r"})
    until(lambda: "20 99" in console.text() and "42 on web" in console.text(), "the answers")
    console.act({"do": "type", "keys": "exit 3\r"})
    until(lambda: "exit code 3" in console.picture()["ended"], "its end")
    console.close()
    missing = in_pod(api, "nobody", "default", lambda: None)
    assert missing.picture()["ended"] == 'pods "nobody" not found'
    api.close()
