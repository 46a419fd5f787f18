"""Every view, once: how a test makes it upon a pretended lab, and something that happens there.

`test_contract.py` and `test_contract_browser.py` run each through what all views promise, and take its picture for
docs/gallery.md. A new view adds a Case here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from k8slab.api.objects import Obj
from k8slab.races import Race as Outcome
from k8slab.races import Run
from k8slab.races.looking import Step
from k8slab.widgets import (
    autoscale,
    board,
    handshake,
    isolation,
    journey,
    loop,
    race,
    rollout,
    scheduling,
    shop,
    terminal,
    traffic,
)
from k8slab.widgets.base import View
from tests.widgets import cluster, scheduled, test_autoscale, test_rollout, test_shop_model, test_traffic
from tests.widgets.cluster import FakeLab, pod
from tests.widgets.page import Page
from tests.widgets.recorded import RecordedLab


@dataclass(frozen=True)
class Case:
    """A view under contract. `change` makes something happen in the lab that the picture must show."""

    name: str
    lab: Callable[[], FakeLab]
    show: Callable[[FakeLab], View]
    change: Callable[[FakeLab, View], None]
    caption: str  # what one sees, in a sentence or two: for docs/gallery.md

    def __str__(self) -> str:
        return self.name


def _one_pod_more(lab: FakeLab, view: View) -> None:
    lab.api.becomes(*lab.api.all(), pod(f"more-{len(lab.api.now['Pod'])}"))


def _one_pod_less(lab: FakeLab, view: View) -> None:
    pods = lab.api.now["Pod"]
    lab.api.becomes(*(obj for obj in lab.api.all() if not pods or obj is not pods[-1]))


SAID = (
    "/app $ \x1b[1;36mls\x1b[0m\r\n\x1b[34mapp.py\x1b[0m  \x1b[32mstart.sh\x1b[0m\r\n/app $ wget -qO- localhost:8080\r\n"
    "Hello from \x1b[1mweb-7d5bc-x2j5h\x1b[0m\r\n/app $ cat /etc/shadow\r\n\x1b[31mPermission denied\x1b[0m\r\n/app $ "
)


def _with_prompt(lab: FakeLab) -> View:
    view = terminal.show(lab, "web-7d5bc-x2j5h")
    if "/app" not in str(view._picture):
        Page(view).until(lambda: "/app" in str(view._picture))
    return view


def _something_said(lab: FakeLab, view: View) -> None:
    before = view._console.text().count("denied")
    lab.api.process.say(SAID.removeprefix("/app $ "))
    for _ in range(1000):
        if view._console.text().count("denied") > before:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the terminal has not heard it")


def _served() -> list[Obj]:
    states = ["ready", "ready", "notready", "starting"]
    pods = [test_traffic.mine(f"{state[:2]}{n}", state) for n, state in enumerate(states)]
    return [test_traffic.WEB, test_traffic.RS, cluster.service(), cluster.endpoints(*pods[:2]), *pods]


def _another_behind(lab: FakeLab, view: View) -> None:
    lab.api.becomes(*lab.api.all(), test_traffic.mine(f"x{len(lab.api.now['Pod'])}", "notready"))


def raced(n: int = 3, hear: Callable[[Run], None] = lambda _: None) -> Outcome:
    """A race that was run long ago, on a machine without an engine."""
    mib = 1 << 20
    runs = (
        Run(
            "process", "", "", "done", "6.8.0-31", 0.004, [0.004 + i / 1000 for i in range(n)], 0.02, [mib // 2] * n, 0
        ),
        Run(
            "container",
            "",
            "",
            "done",
            "6.8.0-31",
            0.011,
            [0.011 + i / 500 for i in range(n)],
            0.02,
            [mib] * n,
            2 * mib,
        ),
        Run("docker", "docker is not installed here. To install it: `sudo apt install docker.io`."),
        Run("vm", "", "", "done", "6.1.0-56", 1.3, [1.4 + i / 3 for i in range(n)], 0.3, [150 * mib] * n, 53 * mib),
    )
    for run in runs:
        hear(run)
    return Outcome(n, 2, runs)


def _sent(view: View) -> None:
    """Until the view has drawn what it was told of before."""
    for _ in range(2):  # the second is begun only when what followed the first was sent
        done = threading.Event()
        view.post(done.set)
        assert done.wait(20)


def _another_race(lab: FakeLab, view: View) -> None:
    view.result()
    view.begin(view.n + 1)
    view.result()
    _sent(view)


PLAIN = {"user": "ada", "hostname": "laptop", "pids": "231", "network": "lo eth0 wlan0 docker0", "files": "37"}
PLAIN |= {"memory": "16777216 kB", "kernel": "6.8.0-31"}


def looked(hear: Callable[[Step], None], **more: str) -> list[Step]:
    """What was seen long ago, on a machine that refuses a network of its own."""
    inside, own = PLAIN | {"user": "root"} | more, {"hostname": "inside"}
    steps = [
        Step("process", "a plain process", "fork(), execve()", sees=PLAIN | more),
        Step("user", "users of its own", "unshare(CLONE_NEWUSER)", sees=inside),
        Step("uts", "a host name of its own", "unshare(CLONE_NEWUTS)", sees=inside | own),
        Step("net", "a network of its own", "unshare(CLONE_NEWNET)", False, "unshare failed: Operation not permitted"),
        Step("vm", "a virtual machine", "KVM_RUN", sees=inside | own | {"kernel": "6.1.0-56", "pids": "44"}),
    ]
    for step in steps:
        hear(step)
    return steps


def _looked_at_elsewhere(lab: FakeLab, view: View) -> None:
    view._thread.join()
    again = str(int(view._steps[0].sees["files"]) + 1)
    view._looker = lambda hear: looked(hear, files=again)
    view.look()
    view._thread.join()
    _sent(view)


def _somebody_buys(lab: FakeLab, view: View) -> None:
    presses = ({"do": "login", "with": "ada"}, {"do": "add", "with": "tea"}, {"do": "look"})
    for press in presses:
        view.post(lambda press=press: view.act({"who": "ada", **press}))


def _another_asks(lab: FakeLab, view: View) -> None:
    lab.api.becomes(*lab.api.all(), scheduled.pod(f"cart-6f8d9-{len(lab.api.now['Pod'])}xk2", "node-2", cpu="200m"))


VIEWS = (
    Case(
        "isolation",
        FakeLab,
        lambda lab: isolation.show(lab, looker=looked),
        _looked_at_elsewhere,
        "**Isolation**: what a process sees as one fence after the other is put around it, beside a virtual machine.",
    ),
    Case(
        "race",
        FakeLab,
        lambda lab: race.show(lab, runner=raced),
        _another_race,
        "The **race**: one piece of work as process, container and virtual machine; when each begins, what it takes, "
        "whose kernel it runs on, and which part of the time is getting to work.",
    ),
    Case(
        "board",
        lambda: FakeLab(*cluster.mixed(time.time())),
        board.show,
        _one_pod_more,
        "The **board**: what is wished and what is, pods in every state on their nodes, and the story of what happened.",
    ),
    Case(
        "terminal",
        FakeLab,
        _with_prompt,
        _something_said,
        "The **terminal**: a shell in a pod's container, on a real TTY over the API; without a pod, a shell for kubectl.",
    ),
    Case(
        "traffic",
        lambda: FakeLab(*_served(), name="traffic"),
        lambda lab: traffic.show(lab, "web", 0),
        _another_behind,
        "**Traffic**: a Service, the pods behind it, and why some get no requests.",
    ),
    Case(
        "rollout",
        lambda: FakeLab(*test_rollout.release(), name="rollout"),
        lambda lab: rollout.show(lab, "web"),
        lambda lab, _: lab.api.becomes(*test_rollout.further(lab)),
        "**Rollout**: old and new pods trade places between the two bounds of their Deployment.",
    ),
    Case(
        "shop",
        test_shop_model.ShopLab,
        shop.show,
        _somebody_buys,
        "The **shop**: customers' browsers side by side, what their cookies say, and which pod knew them.",
    ),
    Case(
        "handshake",
        FakeLab,
        handshake.show,
        lambda lab, view: view.post(lambda: view.act({"do": handshake.NEXT[view._done]})),
        "The **handshake**: client and server as two lanes, and every packet that crossed between them.",
    ),
    Case(
        "loop",
        lambda: FakeLab(*cluster.shop(), name="loop"),
        lambda lab: loop.show(lab, "deployment/web", hold=True),
        _one_pod_less,
        "**Loop**: the loops below a Deployment, wish beside reality; in slow motion, a step at a time by hand, or switched "
        "off to see what nobody repairs.",
    ),
    Case(
        "scheduling",
        lambda: scheduled.SchedulingLab(*scheduled.three(), name="scheduling"),
        lambda lab: scheduling.show(lab, "web-7d5bc-x2j5h"),
        _another_asks,
        "**Scheduling**: which filters refused which node, what each score gave the others, by how much the best one "
        "won; below, what if the pod wished for something else.",
    ),
    Case(
        "journey",
        lambda: RecordedLab(known=40, name="journey"),
        lambda lab: journey.show(lab, "deployment/web"),
        RecordedLab.goes_on,
        "The **journey** of one `kubectl apply`: every hop from the API server to the process, with the object as it stood "
        "there and the real time it took, on a bar in true scale.",
    ),
    Case(
        "autoscale",
        lambda: FakeLab(test_autoscale.hpa(percent=84, desired=6), test_autoscale.web(), name="autoscale"),
        lambda lab: autoscale.show(lab, "web"),
        lambda lab, _: lab.api.becomes(*test_autoscale.grown(lab)),
        "**Autoscale**: load, metric and replicas over time, and the formula with its numbers in it.",
    ),
)
