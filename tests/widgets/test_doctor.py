"""This machine as a picture: what is real, what is missing, and the line that adds it."""

import pytest

from k8slab.doctor import Finding, examine
from k8slab.widgets import doctor
from tests.widgets.alive import shot
from tests.widgets.axe import violations
from tests.widgets.browser import DARK, FAULTS
from tests.widgets.cluster import FakeLab

LOCAL = {"runtime": "local", "version": "1.36", "nodes": 3, "speed": 10}
SYSCTL = "sudo sysctl net.ipv4.ip_unprivileged_port_start=0"


def bare():
    """A laptop without bubblewrap, as an unprivileged user."""
    why = "bubblewrap is not installed: apt install bubblewrap"
    fences = ("user", "pid", "mount", "uts", "ipc", "net", "cgroup")
    return [
        Finding("machine", "Python", True, "3.12.3"),
        Finding("machine", "CPUs", True, "4"),
        Finding("machine", "memory", True, "15.5 GiB"),
        Finding("machine", "ports below 1024", False, "a Service on port 80 is served on another port", SYSCTL),
        Finding("runtime", "docker", False, "no Docker engine was found", "sudo apt install docker.io"),
        Finding("runtime", "local", True, "containers are processes of this machine"),
        Finding("runtime", "simulated", True, "containers are records, for scale and tests"),
        Finding("machine beside it", "virtual machine", True, "boots with a kernel of its own (lesson 01)"),
        Finding("images", "RUN in Dockerfiles", False, f"COPY only: {why}"),
        *(Finding("fence", name, False, why) for name in fences),
        Finding("guard", "files", True, "your files are out of its reach"),
        Finding("guard", "calls", True, "dangerous calls to the kernel are refused (seccomp)"),
        Finding("guard", "privileges", True, "it has no rights of root, and gets none"),
        *(Finding("limit", name, False, "cgroups are not writable here") for name in ("cpu", "memory", "pids")),
        Finding("program", "kubectl", True, "/usr/local/bin/kubectl"),
        Finding("program", "bwrap", False, "namespaces around local containers", "sudo apt install bubblewrap"),
    ]


def usual():
    """The same laptop with bubblewrap: what an unprivileged user has there."""
    why = "pods share this machine's loopback network; a network for each pod needs root"
    here = {
        "net": Finding("fence", "net", False, why),
        "RUN in Dockerfiles": Finding("images", "RUN in Dockerfiles", True, "each in a container of its own"),
        "bwrap": Finding("program", "bwrap", True, "/usr/bin/bwrap"),
    }
    told = [Finding("fence", one.name, True, "its own") if one.group == "fence" else one for one in bare()]
    return [here.get(one.name, one) for one in told]


HEADLINES = {
    "local": (LOCAL, "Containers here are real processes, with 0 of 7 fences, 3 of 3 guards and 0 of 3 limits."),
    "docker": (
        {**LOCAL, "runtime": "docker", "all_fences": ["user", "pid"], "fences": ["pid"], "missing": {"user": "root"}},
        "Containers here are containers of Docker Engine, with 1 of 2 fences.",
    ),
    "records": ({"runtime": "simulated"}, "Containers here are records: nothing runs, and nothing is fenced."),
    "elsewhere": ({"runtime": "cluster"}, "Containers are your cluster's: what fences them is decided there."),
}


@pytest.mark.parametrize("which", HEADLINES)
def test_it_says_first_what_a_container_is_here(which):
    lab, headline = HEADLINES[which]
    machine = doctor.compose(bare(), lab)
    assert machine.headline == headline
    assert bool(machine.around) == (which in ("local", "docker"))


def test_an_engine_s_containers_are_not_told_by_this_machine_s_fences():
    rows = doctor.compose(bare(), HEADLINES["docker"][0]).around[0].rows
    assert [(row.code, row.state, row.text) for row in rows] == [
        ("user", "pending", "root"),
        ("pid", "ready", "it sees its own processes only"),
    ]


def test_every_finding_is_drawn_and_every_fix_has_its_line():
    drawn = doctor.Doctor(bare(), LOCAL)._repr_html_()
    for line in (SYSCTL, "sudo apt install bubblewrap", "sudo apt install docker.io"):
        assert f"<code>{line}</code>" in drawn
    for name in ("Host name", "Rights", "RUN in Dockerfiles", "Virtual machine", "kubectl", "ports below 1024 closed"):
        assert name in drawn
    assert drawn.count('aria-label="missing"') == 1 + 7 + 3 + 1 + 1  # docker, fences, limits, RUN, bwrap
    assert drawn.count('aria-label="in part"') == 2  # nodes, time


def test_a_machine_with_everything_shows_no_fixes():
    found = [Finding(one.group, one.name, True, one.detail) for one in bare()]
    assert "What is missing" not in doctor.Doctor(found, LOCAL)._repr_html_()


def test_its_words_are_those_of_the_command():
    words = repr(doctor.Doctor(bare(), LOCAL))
    assert "bwrap: sudo apt install bubblewrap" in words
    assert "  privileges            yes  it has no rights of root" in words


def test_this_very_machine_can_be_drawn():
    drawn = doctor.show(FakeLab(name="doctor"))
    assert len(drawn.findings) == len(examine())
    assert "This machine" in drawn._repr_html_()


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", [{"width": w} for w in (1280, 800, 460)], indirect=True, ids=lambda o: str(o["width"]))
def test_it_is_for_everybody(page, dark):
    body = f'data-jp-theme-light="{"false" if dark else "true"}" style="margin:0;padding:20px;background:'
    body += f'{"#111" if dark else "#fff"};{DARK if dark else ""}"'
    drawn = doctor.Doctor(usual(), LOCAL)._repr_html_()
    page.set_content(f'<!doctype html><html lang="en"><title>a machine</title><body {body}>{drawn}')
    width = page.viewport_size["width"]
    ending = f"{'-dark' if dark else ''}{'' if width == 1280 else f'-{width}'}"
    caption = "The **doctor**: this machine, the fences around a container, and the line that adds what is missing."
    shot(page, "doctor" + ending, "" if ending else caption)
    assert violations(page) == []
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("details pre").is_visible()
