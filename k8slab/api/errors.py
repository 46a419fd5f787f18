"""What can go wrong with a request: few named errors, each of which knows the `Status` object it becomes.

Raised by the verbs and everything below them; `apiserver/app.py` turns them into HTTP answers, and the clients turn
those back into the same classes. The wording is Kubernetes' (k8s.io/apimachinery/pkg/api/errors).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Cause(NamedTuple):
    """One thing wrong with one field: `reason` is Kubernetes' (FieldValueInvalid, …), `message` says it in words."""

    reason: str
    message: str
    field: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """An answer that is not the one hoped for. `code` is HTTP's, `reason` Kubernetes' CamelCase word."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.metadata: dict[str, Any] = {}  # of the list that could not be given: how to go on

    def status(self) -> dict[str, Any]:
        """The `Status` object a client gets."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


def of_resource(group: str, resource: str) -> str:
    """`deployments.apps`, or `pods` for the core group."""
    return f"{resource}.{group}" if group else resource


def _about(group: str, resource: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": resource}
    return {field: value for field, value in details.items() if value}


class NotFound(ApiError):
    """There is no such object (or, without arguments, no such path)."""

    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, group: str, resource: str, name: str) -> NotFound:
        return cls(f'{of_resource(group, resource)} "{name}" not found', _about(group, resource, name))

    @classmethod
    def path(cls) -> NotFound:
        return cls("the server could not find the requested resource", {})


class AlreadyExists(ApiError):
    """The name is taken."""

    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, group: str, resource: str, name: str) -> AlreadyExists:
        return cls(f'{of_resource(group, resource)} "{name}" already exists', _about(group, resource, name))


class Conflict(ApiError):
    """Somebody else was faster: read again, and try again."""

    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, group: str, resource: str, name: str, why: str = "") -> Conflict:
        why = why or "the object has been modified; please apply your changes to the latest version and try again"
        message = f'Operation cannot be fulfilled on {of_resource(group, resource)} "{name}": {why}'
        return cls(message, _about(group, resource, name))


class Invalid(ApiError):
    """The object breaks a rule of its kind; `causes` says which fields."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, group: str, kind: str, name: str, causes: Sequence[Cause]) -> Invalid:
        said = [*dict.fromkeys(map(str, causes))]  # the same twice is said once
        text = said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"
        details = _about(group, kind, name)
        details["causes"] = [cause._asdict() for cause in causes]
        return cls(f'{of_resource(group, kind)} "{name}" is invalid: {text}', details)


class BadRequest(ApiError):
    """The request itself cannot be understood."""

    code, reason = 400, "BadRequest"


class Refused(BadRequest):
    """A request that Kubernetes answers with a bare 500 and no reason, though the mistake is in the request. Here the
    answer is 400; clients show the same words.
    """

    reason = ""


class Unauthorized(ApiError):
    """No token, or not this lab's."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """Understood, and refused."""

    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, group: str, resource: str, name: str, why: str) -> Forbidden:
        return cls(f'{of_resource(group, resource)} "{name}" is forbidden: {why}', _about(group, resource, name))


class MethodNotAllowed(ApiError):
    """The resource is there; it does not do this."""

    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    """No form the client asked for can be served."""

    code, reason = 406, "NotAcceptable"


class Gone(ApiError):
    """That much history is not kept: list again, then watch from there."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    """The body is larger than an object may be."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body is in a form this server does not read."""

    code, reason = 415, "UnsupportedMediaType"


class Timeout(ApiError):
    """It did not happen in time: a revision that is not there yet."""

    code, reason = 504, "Timeout"


class TooManyRequests(ApiError):
    """Not now: a disruption budget, or the server itself, asks for patience."""

    code, reason = 429, "TooManyRequests"


class ServiceUnavailable(ApiError):
    """Whoever should answer does not, for now."""

    code, reason = 503, "ServiceUnavailable"


ERRORS: dict[str, type[ApiError]] = {
    error.reason: error
    for error in (
        NotFound, AlreadyExists, Conflict, Invalid, BadRequest, Unauthorized, Forbidden, MethodNotAllowed,
        NotAcceptable, Gone, TooLarge, UnsupportedMediaType, Timeout, TooManyRequests, ServiceUnavailable,
    )
}  # fmt: skip


def from_status(status: dict[str, Any]) -> ApiError:
    """The error behind a `Status` object that came over the wire."""
    error = ERRORS.get(status.get("reason", ""), ApiError)(status.get("message", ""), status.get("details"))
    error.code = status.get("code", error.code)
    return error
