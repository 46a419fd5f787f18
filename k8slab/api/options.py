"""What may be asked of a container's streams: core/v1's PodLogOptions and PodExecOptions.

`apiserver/connect.py` reads them off the query and checks them; `kubelet/logs.py` and `kubelet/streams.py` do as they
say. Neither of the two knows the other, so what passes between them lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from k8slab.api.errors import BadRequest, Cause, Invalid

STREAMS = ("All", "Stderr", "Stdout")


@dataclass(frozen=True)
class LogOptions:
    """Which lines, and how (PodLogOptions)."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: str | None = None
    stream: str = "All"

    def check(self) -> None:
        """Raises Invalid or BadRequest for what cannot be meant (core/validation.ValidatePodLogOptions)."""
        causes = [
            _wrong(name, f"Invalid value: {number}: must be greater than {'or equal to 0' if not least else '0'}")
            for name, number, least in (
                ("tailLines", self.tail_lines, 0),
                ("limitBytes", self.limit_bytes, 1),
                ("sinceSeconds", self.since_seconds, 1),
            )
            if number is not None and number < least
        ]
        if self.since_seconds is not None and self.since_time is not None:
            causes.append(_wrong("", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"))
        if self.stream not in STREAMS:
            known = ", ".join(f'"{name}"' for name in STREAMS)
            causes.append(_wrong("stream", f'Unsupported value: "{self.stream}": supported values: {known}'))
        elif self.stream != "All" and self.tail_lines is not None:
            causes.append(_wrong("", "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"))
        if causes:
            raise Invalid.of("", "PodLogOptions", "", causes)
        try:
            datetime.fromisoformat(self.since_time or "1970-01-01T00:00:00Z")
        except ValueError:
            raise BadRequest(f'sinceTime: "{self.since_time}" is not an RFC 3339 time') from None


@dataclass(frozen=True)
class ExecOptions:
    """Which streams of a container's process a client holds (PodExecOptions; PodAttachOptions has no command)."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    command: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises BadRequest when there is nothing to hold (kubelet's remotecommand.NewOptions)."""
        if not (self.stdin or self.stdout or self.stderr):
            raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")


def _wrong(name: str, words: str) -> Cause:
    reasons = {"Forbidden": "FieldValueForbidden", "Unsupported": "FieldValueNotSupported"}
    return Cause(reasons.get(words.split(":")[0].split()[0], "FieldValueInvalid"), words, name)
