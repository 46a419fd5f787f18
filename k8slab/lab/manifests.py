"""Manifests as people write them: YAML text or a file, one document or several. Mistakes are named by line.

`lab.py` applies what comes out, through kubectl or the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8slab.api.objects import Obj
from k8slab.settings import LabError


def text_of(source: str | Path | Mapping[str, Any]) -> str:
    """The YAML of a text, a path, or an object. Raises LabError when there is no such file."""
    import yaml

    if isinstance(source, Mapping):
        return str(yaml.safe_dump(dict(source), sort_keys=False))
    if isinstance(source, Path) or _looks_like_path(source):
        path = Path(source).expanduser()
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise LabError(f"{path} cannot be read: {why}. Give the path of a YAML file, or the YAML itself.") from None
    return source


def documents(text: str) -> list[Obj]:
    """The objects in a YAML text; Lists are opened. Raises LabError that names the line of a mistake."""
    import yaml

    try:
        found = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LabError(f"The YAML cannot be read, line {line}: {error.problem}. Look at its indentation.") from None
    except yaml.YAMLError as error:
        raise LabError(f"The YAML cannot be read: {error}.") from None
    objects: list[Obj] = []
    for document in found:
        if not isinstance(document, dict):
            raise LabError("A manifest is an object with `apiVersion`, `kind` and `metadata`, and this is not one.")
        objects += document.get("items") or [] if document.get("kind") == "List" else [document]
    if not objects:
        raise LabError("The manifest is empty: there is nothing to apply.")
    return objects


def _looks_like_path(source: str) -> bool:
    return "\n" not in source and source.strip().endswith((".yaml", ".yml", ".json"))
