"""Which port is really open: an annotation says so where the kernel keeps a Service's low port for root.

`proxy.py` writes it, `names.py` answers SRV questions with it.
"""

from __future__ import annotations

import json

from k8slab.api.objects import Obj, annotations_of

REAL_PORTS = "k8slab.io/real-ports"  # annotation of a Service: {"80": 18080}


def real_ports(service: Obj) -> dict[str, int]:
    """What the annotation says; nothing if somebody has spoilt it."""
    try:
        found = json.loads(annotations_of(service).get(REAL_PORTS, "{}"))
        return {str(port): int(real) for port, real in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
