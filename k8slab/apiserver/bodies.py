"""JSON into plain data, whoever sent it, within limits; `yaml_bodies.py` does so for YAML.

`requests.read_object` calls; `typed.py` then compares the data with Kubernetes' structure. To refuse must cost little:
data must not be so deep that whoever walks it falls off the stack.
"""

from __future__ import annotations

from typing import Any

import msgspec

from k8slab.api.errors import BadRequest
from k8slab.api.objects import decode

MAX_DEPTH = 100  # objects and lists in one another; the deepest field of our kinds is at 20
TOO_DEEP = f"the object provided is unrecognized: it is nested more than {MAX_DEPTH} levels deep"


def shallow(data: Any) -> Any:
    """The data, if it is not nested too deeply. Raises BadRequest."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return data
    raise BadRequest(TOO_DEEP)


def read_json(body: bytes) -> Any:
    """JSON. Raises BadRequest."""
    try:
        data = decode(body)
    except RecursionError:
        raise BadRequest(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the object provided is unrecognized: it is not JSON ({error})") from None
    openings = body.count(b"{") + body.count(b"[")
    return data if openings <= MAX_DEPTH else shallow(data)
