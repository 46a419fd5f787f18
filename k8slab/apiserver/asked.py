"""What is asked and not kept: access reviews, tokens, bindings, and the metrics of nodes and pods.

`resources.py` passes requests for such kinds on to here. The numbers behind metrics come from whoever measures them,
handed in as `Metrics`; without one there are none, as on a cluster whose metrics server has only just started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from k8slab.api.causes import forbidden, invalid
from k8slab.api.defaults import apply_defaults
from k8slab.api.errors import BadRequest, Invalid, NotFound
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj
from k8slab.apiserver.requests import Target
from k8slab.apiserver.selection import Selection
from k8slab.apiserver.tokens import Tokens
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import to_timestamp

TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", kept="nowhere")
SHORTEST, LONGEST = 600, 1 << 32  # seconds a token may hold
EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


class Metrics(Protocol):
    """Who measures. Each object is whole: metadata with name, namespace and the labels, timestamp, window, usage."""

    def nodes(self) -> Iterable[Obj]:
        """A NodeMetrics for each node that has been measured."""
        ...

    def pods(self, namespace: str) -> Iterable[Obj]:
        """A PodMetrics for each measured pod of a namespace, or of all."""
        ...


class NoMetrics:
    """Nobody measures."""

    def nodes(self) -> Iterable[Obj]:
        return ()

    def pods(self, namespace: str) -> Iterable[Obj]:
        return ()


class Asked:
    """Answers what is asked of these kinds."""

    def __init__(self, verbs: Verbs, tokens: Tokens, metrics: Metrics | None = None) -> None:
        self._verbs = verbs
        self._tokens = tokens
        self._metrics = metrics or NoMetrics()

    def create(self, where: Target, obj: Obj, user: Obj) -> Obj:
        """What a user who POSTs an object of such a kind gets. Raises BadRequest, Invalid, NotFound, Conflict."""
        answer: Callable[[Target, Obj], Obj] = {
            "Binding": self._bind,
            "SelfSubjectAccessReview": _may,
            "SelfSubjectReview": lambda where, review: _answered(where.kind, review, {"userInfo": user}),
            "SelfSubjectRulesReview": _rules,
        }[where.kind.kind]
        return answer(where, obj)

    def token(self, where: Target, obj: Obj) -> Obj:
        """`serviceaccounts/NAME/token`: the TokenRequest with its token. Raises NotFound, Invalid."""
        account = self._verbs.get(where.kind, where.name, where.namespace)
        request = apply_defaults({**obj, "spec": obj.get("spec") or {}}, TOKEN_REQUEST.definition)
        spec = request["spec"]
        _check_duration(spec["expirationSeconds"])
        if spec.get("boundObjectRef"):
            cause = forbidden("spec.boundObjectRef", "this server binds tokens to their ServiceAccount only")
            raise Invalid.of(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, "", [cause])
        end = self._verbs.clock.time() + spec["expirationSeconds"] / self._verbs.clock.speed
        token = self._tokens.issue(account, spec.get("audiences") or [], spec["expirationSeconds"])
        meta = {"name": where.name, "namespace": where.namespace, "creationTimestamp": self._verbs.clock.timestamp()}
        status = {"token": token, "expirationTimestamp": to_timestamp(end)}
        kind = {"kind": TOKEN_REQUEST.kind, "apiVersion": TOKEN_REQUEST.api_version}
        return {**kind, "metadata": {**(request.get("metadata") or {}), **meta}, "spec": spec, "status": status}

    def metrics(self, where: Target, selection: Selection) -> list[Obj]:
        """The metrics a path asks for, all or one. Raises NotFound."""
        nodes = where.kind.kind == "NodeMetrics"
        found = self._metrics.nodes() if nodes else self._metrics.pods(where.namespace)
        chosen = [
            {**obj, "apiVersion": where.kind.api_version, "kind": where.kind.kind}
            for obj in found
            if where.name in ("", obj["metadata"]["name"]) and selection.matches(obj)
        ]
        if where.name and not chosen:
            name = f"{where.namespace}/{where.name}" if where.namespace else where.name
            raise NotFound.of(where.kind.group, where.kind.kind.lower(), name)
        return chosen

    def _bind(self, where: Target, obj: Obj) -> Obj:
        name = (obj.get("metadata") or {}).get("name", "")
        self._verbs.bind(where.namespace, name, obj)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _may(where: Target, review: Obj) -> Obj:
    """Whoever may speak to this server may do everything (docs/api.md)."""
    spec = review.get("spec") or {}
    if (spec.get("resourceAttributes") is None) == (spec.get("nonResourceAttributes") is None):
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = invalid("spec.resourceAttributes", spec.get("nonResourceAttributes"), detail)
        raise Invalid.of(where.kind.group, where.kind.kind, "", [cause])
    return _answered(where.kind, review, {"allowed": True})


def _rules(where: Target, review: Obj) -> Obj:
    if not (review.get("spec") or {}).get("namespace"):
        raise BadRequest("no namespace on request")
    return _answered(where.kind, review, EVERYTHING)


def _answered(kind: Kind, review: Obj, status: dict[str, Any]) -> Obj:
    meta = {"creationTimestamp": None, **(review.get("metadata") or {})}
    spec = {"spec": review["spec"]} if "spec" in review else {}
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta, **spec, "status": status}


def _check_duration(seconds: int) -> None:
    path, causes = "spec.expirationSeconds", []
    if seconds < SHORTEST:
        causes.append(invalid(path, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LONGEST:
        causes.append(invalid(path, seconds, "may not specify a duration larger than 2^32 seconds"))
    if causes:
        raise Invalid.of(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, "", causes)
