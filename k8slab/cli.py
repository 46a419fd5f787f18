"""`k8slab up | down | status | reset | kubeconfig | images | doctor | lessons | progress`: what people type.

Everything is done elsewhere (`launch.py`, `client/http.py`, `doctor.py`, `lessons.py`), and imported only when it is
needed: `up` is measured from the first keystroke.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from k8slab import cli_images
from k8slab.settings import LESSONS_FOLDER, LabError, Settings

app = typer.Typer(
    help="Learn containers and Kubernetes by breaking them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

app.add_typer(cli_images.app, name="images")

# typer reads these annotations when the program runs, so they are spelled for Python's eyes.
Name = Annotated[Optional[str], typer.Option("--name", "-n", help="The lab's name.", show_default="default")]  # noqa: UP045
Text = Optional[str]  # noqa: UP045
Whole = Optional[int]  # noqa: UP045
Real = Optional[float]  # noqa: UP045


@app.command()
def up(
    name: Name = None,
    nodes: Annotated[Whole, typer.Option(help="How many nodes.", show_default="3")] = None,
    runtime: Annotated[Text, typer.Option(help="auto, docker, local or simulated.", show_default="auto")] = None,
    speed: Annotated[Real, typer.Option(help="Kubernetes' durations are divided by this.", show_default="1")] = None,
) -> None:
    """Start the lab, or find it running; returns when kubectl is answered."""
    from k8slab import launch

    asked: dict[str, Any] = {"nodes": nodes, "runtime": runtime, "speed": speed}
    settings = Settings.read(name=name, **asked)
    told = launch.start(settings, **asked)
    typer.echo(f"{_title(told)} is up: {_count(told['nodes'], 'node')}, {_reality(told)}.")
    typer.echo("\nIn this terminal:\n")
    typer.echo(f"  export KUBECONFIG={_quoted(told['kubeconfig'])}")
    typer.echo("  kubectl get nodes\n")
    typer.echo(f"Lessons: k8slab lessons    The end: k8slab down{_name_option(settings)}")


@app.command()
def down(
    name: Name = None,
    every: Annotated[bool, typer.Option("--all", help="All your labs.")] = False,
) -> None:
    """Take the lab down: no process, container, port or file of it is left."""
    from dataclasses import replace

    from k8slab import launch

    settings = Settings.read(name=name)
    names = launch.labs(settings) if every else [settings.name]
    ended = [name for name in names if launch.stop(replace(settings, name=name))]
    for name in ended:
        typer.echo(f"Lab {name} is down; nothing of it is left.")
    if not ended:
        typer.echo("There is no lab." if every else f"There is no lab {settings.name!r}; nothing to do.")


@app.command()
def status(name: Name = None) -> None:
    """Say how the lab is: its nodes and pods, and what is real about it. Exit code 3 if none runs."""
    from k8slab import launch

    settings = Settings.read(name=name)
    told = launch.running(settings.folder)
    if told is None:
        others = [other for other in launch.labs(settings) if other != settings.name]
        also = f" (There is: {', '.join(others)}.)" if others else ""
        typer.echo(f"Lab {settings.name} does not run. `k8slab up{_name_option(settings)}` starts it.{also}")
        raise typer.Exit(3)
    _tell(told)


def _tell(told: dict[str, Any]) -> None:
    from k8slab.api.objects import condition_is, is_pod_ready
    from k8slab.client.http import HttpClient

    client = HttpClient.open(told["kubeconfig"])
    try:
        nodes, pods = client.list("Node"), client.list("Pod")
    finally:
        client.close()
    up = sum(condition_is(node, "Ready") for node in nodes)
    ready = sum(map(is_pod_ready, pods))
    typer.echo(f"{_title(told)} runs: {_reality(told)}.")
    typer.echo(f"  nodes       {up} of {len(nodes)} ready")
    typer.echo(f"  pods        {ready} of {len(pods)} ready")
    typer.echo(f"  API         {told['server']} (Kubernetes {told['version']})")
    typer.echo(f"  kubeconfig  {told['kubeconfig']}")
    for fence, why in told["missing"].items():
        typer.echo(f"  without     {fence}: {why}")


@app.command()
def reset(name: Name = None) -> None:
    """Empty the cluster: every object and container goes, the nodes stay."""
    from k8slab.client.http import HttpClient

    client = HttpClient.open(_running(Settings.read(name=name))["kubeconfig"])
    try:
        client.post("/k8slab/reset", {})
    finally:
        client.close()
    typer.echo("The cluster is empty.")


@app.command()
def kubeconfig(name: Name = None) -> None:
    """Print the path of the lab's kubeconfig."""
    typer.echo(_running(Settings.read(name=name))["kubeconfig"])


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Say what this machine can do, what is missing, and how to get it."""
    from k8slab import doctor

    found = doctor.examine()
    typer.echo(doctor.as_json(found) if json else doctor.as_text(found))


@app.command()
def lessons(
    directory: Annotated[Path, typer.Option("--dir", help="Where to put the notebooks.")] = Path(LESSONS_FOLDER),
    port: Annotated[int, typer.Option(help="JupyterLab's port.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open it.", show_default=True)] = True,
) -> None:
    """Copy the lessons into a folder (never over your work) and open the first in JupyterLab; later, their index."""
    from k8slab import lessons

    new, kept = lessons.copy_to(directory)
    typer.echo(f"{directory}: {_count(new, 'file')} copied, {_count(kept, 'file')} of yours left as they are.")
    lessons.open_jupyter(directory, port, browser)


@app.command()
def progress(
    directory: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--dir", help="Where your notebooks are.", show_default="here, then k8slab-lessons"),
    ] = None,
) -> None:
    """Say how far you are in each lesson: guesses, exercises, quiz. It reads one file, and sends nothing anywhere."""
    from k8slab.teach import report

    typer.echo(report.told(directory))


def main() -> None:
    """The program `k8slab`: failures are one sentence on stderr and an exit code, never a traceback."""
    from k8slab.api.errors import ApiError

    try:
        app(prog_name="k8slab")
    except LabError as error:
        sys.exit(f"k8slab: {error}")
    except ApiError as error:
        sys.exit(f"k8slab: the lab's API refused: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `k8slab status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _running(settings: Settings) -> dict[str, Any]:
    from k8slab import launch

    told = launch.running(settings.folder)
    if told is None:
        raise LabError(f"The lab {settings.name!r} does not run. `k8slab up{_name_option(settings)}` starts it.")
    return told


def _title(told: dict[str, Any]) -> str:
    return "The lab" if told["name"] == "default" else f"Lab {told['name']}"


def _reality(told: dict[str, Any]) -> str:
    """What is real, in half a sentence."""
    faster = f", {told['speed']:g} times as fast as Kubernetes" if told["speed"] != 1 else ""
    if not told["real"]:
        return f"simulated (containers are records, no process runs){faster}"
    fences = [fence for fence in told["all_fences"] if fence in told["fences"]]
    if not fences:
        return f"containers are real processes, without fences (`k8slab doctor` says why){faster}"
    return f"containers are real processes with namespaces of their own ({', '.join(fences)}){faster}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _name_option(settings: Settings) -> str:
    return "" if settings.name == "default" else f" --name {settings.name}"


def _quoted(path: str) -> str:
    from shlex import quote

    return quote(path)


if __name__ == "__main__":
    main()
