"""Whether the server is well: /healthz, /livez and /readyz, as one word or check by check.

Routes of `app.py`. An answer at all is the whole test: one process holds the server, its store and its controllers, and
it listens once they are there. The checks have the names that a real server gives to those of its parts that exist
here (apiserver/pkg/server/healthz).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from k8slab.api.errors import NotFound

ALWAYS = (
    "ping", "log", "etcd", "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/scheduling/bootstrap-system-priority-classes", "poststarthook/start-system-namespaces-controller",
    "poststarthook/start-service-ip-repair-controllers",
)  # fmt: skip
CHECKS = {
    "healthz": ALWAYS,
    "livez": ALWAYS,
    "readyz": (*ALWAYS[:3], "etcd-readiness", "informer-sync", *ALWAYS[3:], "shutdown"),
}
PATHS = tuple(f"/{name}" for name in CHECKS)


async def _all(request: Request) -> Response:
    """`?verbose` lists the checks, `?exclude=etcd` leaves one out."""
    name, query = request.url.path.strip("/"), request.query_params
    if "verbose" not in query:
        return PlainTextResponse("ok")
    left_out = set(query.getlist("exclude"))
    lines = [f"[+]{check} {'excluded: ok' if check in left_out else 'ok'}" for check in CHECKS[name]]
    if unknown := sorted(left_out.difference(CHECKS[name])):
        shown = ", ".join(f'"{check}"' for check in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {shown}")
    return PlainTextResponse("".join(f"{line}\n" for line in [*lines, f"{name} check passed"]))


async def _one(request: Request) -> Response:
    if request.path_params["check"] not in CHECKS[request.url.path.split("/")[1]]:
        raise NotFound.path()
    return PlainTextResponse("ok")


ROUTES = [Route(path, _all) for path in PATHS] + [Route(f"{path}/{{check:path}}", _one) for path in PATHS]
