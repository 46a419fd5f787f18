"""Why no node takes a pod: the scheduler's message in plain words.

Pure. `pod_state.py` asks it. The messages are those of kubernetes/pkg/scheduler/framework/plugins (`ErrReason…`),
joined by `FitError.Error`; whatever is not known here is told as it stands.
"""

from __future__ import annotations

import re

PLAIN = (
    (r"Insufficient cpu", "too little CPU left"),
    (r"Insufficient memory", "too little memory left"),
    (r"Insufficient (\S+)", r"too little {0} left"),
    (r"Too many pods", "as many pods as may run there"),
    (r"node\(s\) were unschedulable", "been cordoned"),
    (r"node\(s\) didn't match Pod's node affinity/selector", "not the labels it asks for"),
    (r"node\(s\) had untolerated taint\(?s?\)? ?\{?([^}]*)\}?", "a taint it does not tolerate"),
    (r"node\(s\) didn't have free ports for the requested pod ports", "that port in use"),
    (r"node\(s\) didn't match pod (?:anti-)?affinity rules", "the wrong neighbours"),
    (r"node\(s\) didn't match pod topology spread constraints", "enough of its kind"),
)


def explain(message: str) -> str:
    """`0/3 nodes are available: 2 Insufficient cpu, 1 Too many pods.` as a sentence; nothing for nothing."""
    found = re.match(r"\d+/(\d+) nodes are available: (.*?)\.(?: |$)", message)
    if not found:
        return message
    total, reasons = int(found[1]), found[2]
    if total == 0:
        return "There is no node yet."
    parts = [_part(reason) for reason in re.split(r", (?=\d+ )", reasons)]
    return f"No node takes it: {', '.join(parts)}."


def _part(reason: str) -> str:
    number, _, what = reason.partition(" ")
    if not number.isdigit():
        return reason
    for pattern, plain in PLAIN:
        if hit := re.match(pattern, what):
            return f"{number} {'has' if number == '1' else 'have'} {plain.format(*hit.groups())}"
    return f"{number}: {what}"
