"""docs/gallery.md out of docs/gallery/: the pictures that the views' own tests took, with their captions.

`make gallery` runs those tests first, with K8SLAB_SHOTS set (tests/widgets/alive.py, `shot`). A picture belongs to
`name.png`; `name-dark.png`, `name-800.png` and the like are the same seen otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# Gallery

Every view and every lesson, as its own browser test saw it: made by `make gallery`, not by hand. Views work with mouse,
keyboard and screen reader, in light and dark, wide and narrow; [gallery.ipynb](../lessons/gallery.ipynb) has them live.
"""
OTHERWISE = {"-dark": "dark", "-800": "800 pixels wide", "-dark-800": "dark, 800 pixels wide"}
FIRST = (
    "board",
    "terminal",
    "traffic",
    "rollout",
    "autoscale",
    "loop",
    "scheduling",
    "journey",
    "diagram",
    "doctor",
    "shop",
)


def main() -> None:
    """Write the page."""
    folder = DOCS / "gallery"
    kept = {f"{path.stem}{ending}.png" for path in folder.glob("*.json") for ending in ("", *OTHERWISE)}
    for path in folder.glob("*.png"):  # pictures that tests took for other eyes
        if path.name not in kept:
            path.unlink()
    names = sorted((path.stem for path in folder.glob("*.json")), key=_order)
    (DOCS / "gallery.md").write_text("\n".join([HEAD, *(_section(folder, name) for name in names)]), encoding="utf-8")


def _section(folder: Path, name: str) -> str:
    caption = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["caption"]
    alt = caption.replace("*", "").replace("`", "")
    there = [(ending, word) for ending, word in OTHERWISE.items() if (folder / f"{name}{ending}.png").exists()]
    links = " · ".join(f"[{word}](gallery/{name}{ending}.png)" for ending, word in there)
    also = f"\nAlso: {links}\n" if links else ""
    return f"## {name.replace('-', ' ').capitalize()}\n\n{caption}\n\n![{alt}](gallery/{name}.png)\n{also}"


def _order(name: str) -> tuple[int, str]:
    at = next((i for i, first in enumerate(FIRST) if name == first or name.startswith(first + "-")), len(FIRST))
    return at + name.startswith("lesson-"), name


if __name__ == "__main__":
    main()
