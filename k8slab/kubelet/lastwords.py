"""A container's termination message: the file it may write to, and what is made of it once it has ended.

`launch.py` mounts the file at `terminationMessagePath`, `workers.py` reads it for the status. The rules are those of
pkg/kubelet/kuberuntime (getTerminationMessage) and docs/tasks/debug/debug-application/determine-reason-pod-failure.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from k8slab.api.objects import Obj
from k8slab.runtime.base import ContainerState, LogLine, Mount, Runtime, RuntimeFailure

MOST_FILE, MOST_LOG, MOST_LINES = 4096, 2048, 80  # bytes of the file, bytes and lines of the log


def mount(container: Obj, pod_folder: Path | None, id: str) -> list[Mount]:
    """The empty file, made, and where the container sees it; nothing for containers that are only records."""
    path = container.get("terminationMessagePath")  # the API has put the default there
    if pod_folder is None or not path:
        return []
    file = _file(pod_folder, id)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    file.chmod(0o666)  # whoever it runs as
    return [Mount(str(file), path)]


async def read(runtime: Runtime, container: Obj, state: ContainerState, pod_folder: Path | None) -> str:
    """What an ended container has left: the file's content, or the end of its log where the policy falls back to it."""
    message = _content(_file(pod_folder, state.id)) if pod_folder else ""
    policy = container.get("terminationMessagePolicy", "File")
    if message or policy != "FallbackToLogsOnError" or state.exit_code == 0:
        return message
    return await _end_of_log(runtime, state.id)


def _file(pod_folder: Path, id: str) -> Path:
    return pod_folder / "messages" / id


def _content(file: Path) -> str:
    """Its first bytes. What a container put in the file's place is not followed out of the folder."""
    try:
        if file.is_symlink() or not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(MOST_FILE).decode(errors="replace")
    except OSError:
        return ""


async def _end_of_log(runtime: Runtime, id: str) -> str:
    lines: deque[LogLine] = deque(maxlen=MOST_LINES)
    try:
        async for line in runtime.logs(id):
            lines.append(line)
    except RuntimeFailure:  # the log is gone with the container
        return ""
    said = b"".join(line.text + b"\n" for line in lines)
    return said[-MOST_LOG:].decode(errors="replace")
