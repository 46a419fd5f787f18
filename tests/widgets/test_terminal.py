"""The terminal in the kernel: a real shell of this machine; a pretended one in a pod."""

import pytest

from k8slab.settings import LabError
from k8slab.widgets import terminal
from tests.widgets.cluster import FakeLab
from tests.widgets.page import Page


@pytest.fixture
def lab():
    return FakeLab()


@pytest.fixture
def shell(lab):
    view = terminal.show(lab)
    yield view
    view.close()


def screen(page):
    return "\n".join("".join(text for text, _ in runs) for runs in page.picture["console"]["rows"].values())


def test_a_shell_that_knows_the_lab(shell):
    page = Page(shell)
    page.press(do="type", keys="echo $((40 + 2)) at $KUBECONFIG; test -t 0 && echo a real terminal\r")
    page.until(lambda: "42 at /the/kubeconfig" in screen(page) and "\na real terminal" in screen(page))


def test_ctrl_c_ends_what_runs_and_not_the_shell(shell):
    page = Page(shell)
    page.press(do="type", keys="echo begun; tail -f /dev/null\r")
    page.until(lambda: "\nbegun" in screen(page))
    page.press(do="type", keys="\x03")
    page.until(lambda: screen(page).endswith("^C\n$ "))
    page.press(do="type", keys="echo still here\r")
    page.until(lambda: "\nstill here" in screen(page))


def test_it_hears_of_its_size(shell):
    page = Page(shell)
    page.press(do="resize", columns=101, rows=33)
    page.press(do="type", keys="stty size\r")
    page.until(lambda: "33 101" in screen(page))
    assert page.press(do="resize", columns="many", rows=None)["ok"]


def test_it_ends_and_can_be_started_again(shell):
    page = Page(shell)
    page.press(do="type", keys="exit 3\r")
    page.until(lambda: page.picture["console"]["ended"] == "It has ended: exit code 3.")
    assert page.picture["console"]["running"] is False
    page.press(do="again")
    page.press(do="type", keys="echo anew\r")
    page.until(lambda: "\nanew" in screen(page))


def test_close_ends_the_shell_and_what_runs_in_it(shell):
    page = Page(shell)
    child = shell._console._process._child
    page.press(do="type", keys="tail -f /dev/null\r")
    shell.close()
    assert child.poll() is not None


def test_in_a_pod(lab):
    view = terminal.show(lab, "web-x")
    page = Page(view)
    assert lab.api.calls[0][:2] == ("execute", "web-x")
    assert page.picture["console"]["same"] == "kubectl exec -it web-x -- sh"
    page.press(do="type", keys="ls\r")
    page.until(lambda: "you typed 'ls\\r'" in screen(page))
    assert "you typed" in view.text()
    view.close()


def test_what_cannot_be_started_says_why(lab):
    lab.api.refuse = LabError('pods "web-x" not found')
    view = terminal.show(lab, "web-x")
    assert "not found" in view._picture["console"]["ended"]
    assert not view._picture["console"]["running"]
    view.close()


def test_one_terminal_for_each_thing(lab):
    one, same, other = terminal.show(lab, "a"), terminal.show(lab, "pod/a"), terminal.show(lab, "b")
    assert one is same is not other
    one.close()
    other.close()
