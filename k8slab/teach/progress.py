"""What a learner has done, in one small JSON file beside the notebooks. Nothing of it leaves the machine.

`lesson.py` writes it with every guess, check and answer, `report.py` tells what is in it. It keeps the best of all
runs: a check that was right once stays right, and only the first guess of a prediction counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8slab.settings import LabError, write_private

NAME = "k8slab-progress.json"


def kept(path: Path) -> dict[str, Any]:
    """What a file holds, by lesson; empty without a file. Raises LabError when it cannot be read."""
    try:
        return _lessons(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError:
        raise LabError(
            f"{path} is damaged. The next guess or check in a lesson puts it aside and begins anew."
        ) from None


def _lessons(whole: Any) -> dict[str, Any]:
    lessons = whole.get("lessons") if isinstance(whole, dict) else None
    return lessons if isinstance(lessons, dict) else {}


class Progress:
    """One lesson's part of the file. `problem` says why nothing is kept, or is empty."""

    def __init__(self, lesson: str, folder: Path | None = None) -> None:
        self._lesson = lesson
        self.path = (folder or Path.cwd()) / NAME
        self.problem = ""
        self._done = _lessons(self._read()).get(lesson, {})

    def of(self, kind: str, key: str) -> Mapping[str, Any]:
        """What is known of one step: `right`, and `guess`, `answers` or `hints`. Empty before it was tried."""
        found: Mapping[str, Any] = self._done.get(kind, {}).get(key, {})
        return found

    def record(self, kind: str, key: str, **facts: Any) -> None:
        """Keep facts of one step. A write that fails is told in `problem`, not raised: the lesson goes on."""
        whole = self._read()
        lessons = _lessons(whole)
        steps = lessons.setdefault(self._lesson, {}).setdefault(kind, {})
        before = steps.get(key, {})
        steps[key] = {**before, **facts, "right": bool(before.get("right") or facts.get("right"))}
        self._done = lessons[self._lesson]
        if before == steps[key]:
            return
        try:
            write_private(self.path, json.dumps({**whole, "version": 1, "lessons": lessons}, indent=1) + "\n")
            self.problem = ""
        except LabError as error:
            self.problem = str(error)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            self._put_aside()
            return {}
        return found if isinstance(found, dict) else {}

    def _put_aside(self) -> None:
        """A file that cannot be read is kept under another name, and a new one begun."""
        try:
            self.path.replace(self.path.with_suffix(".unreadable.json"))
        except OSError as error:
            self.problem = f"{self.path} cannot be read: {error.strerror}. What you do is not kept."
