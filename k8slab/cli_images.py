"""`k8slab images build | list | save | load | rm`: the lab's images, for people at a terminal.

A part of `cli.py`. It asks the lab's server through `client/images.py`; where no lab runs, it starts one, as
`k8slab up` would, because images are built and kept by a runtime.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from k8slab.settings import LabError, Settings

if TYPE_CHECKING:
    from k8slab.client.images import Images

app = typer.Typer(
    help="Images: build your own, see which there are, carry them to another machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# typer reads these annotations when the program runs, so they are spelled for Python's eyes.
Name = Annotated[Optional[str], typer.Option("--name", "-n", help="The lab's name.", show_default="default")]  # noqa: UP045
Tag = Annotated[str, typer.Argument(metavar="NAME", help="The image's name, such as shop:v1.")]
Names = Annotated[Optional[list[str]], typer.Argument(metavar="[NAME]...", help="None: all you built or loaded.")]  # noqa: UP045


@app.command()
def build(
    image: Tag,
    folder: Annotated[Path, typer.Argument(help="The folder with the Dockerfile.")],
    build_arg: Annotated[Optional[list[str]], typer.Option(metavar="NAME=VALUE", help="For an ARG.")] = None,  # noqa: UP045
    name: Name = None,
) -> None:
    """Build an image from the Dockerfile in a folder. It is kept for all your labs, until `k8slab images rm`."""
    arguments = dict(map(_argument, build_arg or ()))
    with _images(name) as images:
        _show(images.build(image, folder, arguments))
        if built := images.find(image):
            typer.echo(f"{built!r}")


@app.command("list")
def list_(name: Name = None) -> None:
    """The images a pod can use."""
    with _images(name) as images:
        found = images.list()
    rows = [("NAME", "ID", "SIZE", "CREATED")]
    rows += [(image.name, image.short_id, image.said_size or "-", image.said_created or "-") for image in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="The tar file to write.")], images: Names = None, name: Name = None
) -> None:
    """Write images into a file, for another machine."""
    with _images(name) as known:
        known.save(images or [], file)
    typer.echo(f"{file} is written ({file.stat().st_size} bytes). Elsewhere: k8slab images load {file.name}")


@app.command()
def load(file: Annotated[Path, typer.Argument(help="What `save` wrote.")], name: Name = None) -> None:
    """Take in images from a file."""
    with _images(name) as images:
        for loaded in images.load(file):
            typer.echo(f"{loaded} is loaded.")


@app.command()
def rm(
    images: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images you built or loaded.")],
    name: Name = None,
) -> None:
    """Forget images you built or loaded."""
    with _images(name) as known:
        for image in images:
            known.remove(image)
            typer.echo(f"{image} is removed.")


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise LabError(f"--build-arg {text!r} cannot be read: write NAME=VALUE, such as --build-arg VERSION=v2.")
    return name, value


@contextmanager
def _images(name: str | None) -> Iterator[Images]:
    from k8slab import launch
    from k8slab.client.http import HttpClient
    from k8slab.client.images import Images

    settings = Settings.read(name=name)
    if launch.running(settings.folder) is None:
        typer.echo("No lab runs: starting one, as `k8slab up` does.", err=True)
    api = HttpClient.open(launch.start(settings)["kubeconfig"])
    try:
        yield Images(api)
    finally:
        api.close()


def _show(lines: Iterable[str]) -> None:
    """Progress, line by line; in a terminal, with a sign of life while a step works."""
    if not sys.stdout.isatty():
        for line in lines:
            typer.echo(line)
        return
    from rich.console import Console

    console = Console(highlight=False)
    with console.status("building"):
        for line in lines:
            console.print(line, style="dim" if line.startswith("  ") else "", markup=False)
