"""Tokens of ServiceAccounts (`kubectl create token`): JSON Web Tokens that this server signs and knows again.

`asked.py` issues them for the `token` subresource, the Guard in `app.py` lets in who holds one. The key comes from the
lab's own token, so that they outlive the server and not the lab. One key signs and checks (HS256): nobody else reads
them, and the claims are those of Kubernetes (pkg/serviceaccount/claims.go).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj, decode, encode
from k8slab.apiserver.verbs import Verbs

ISSUER = "https://kubernetes.default.svc.cluster.local"
_HEADER = {"alg": "HS256", "typ": "JWT"}


class Tokens:
    """Issues tokens and tells whether one still holds."""

    def __init__(self, verbs: Verbs, secret: str) -> None:
        self._verbs = verbs
        self._key = hashlib.sha256(b"service account tokens\0" + secret.encode()).digest()

    def issue(self, account: Obj, audiences: list[str], seconds: int) -> str:
        """A token for a ServiceAccount that holds for so many Kubernetes seconds."""
        now, meta = self._verbs.clock.time(), account["metadata"]
        about = {"namespace": meta["namespace"], "serviceaccount": {"name": meta["name"], "uid": meta["uid"]}}
        claims = {
            "aud": audiences or [ISSUER],
            "exp": int(now + seconds / self._verbs.clock.speed),
            "iat": int(now),
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": about,
            "nbf": int(now),
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        body = f"{_text(encode(_HEADER))}.{_text(encode(claims))}"
        return f"{body}.{_text(self._sign(body))}"

    def holder(self, token: bytes) -> Obj | None:
        """Who has it, if it is one of ours, for us, still in time, and its ServiceAccount is still there."""
        body, _, signature = token.rpartition(b".")
        if not body or not hmac.compare_digest(signature, _text(self._sign(body.decode("latin-1"))).encode()):
            return None
        claims = _claims(body)
        about = claims["kubernetes.io"]
        account = self._verbs.store.get(
            KINDS["ServiceAccount"].resource, Key(about["namespace"], about["serviceaccount"]["name"])
        )
        in_time = claims["exp"] > self._verbs.clock.time() and ISSUER in claims["aud"]
        if not in_time or account is None or account["metadata"]["uid"] != about["serviceaccount"]["uid"]:
            return None
        accounts = "system:serviceaccounts"
        return {
            "username": claims["sub"],
            "uid": about["serviceaccount"]["uid"],
            "groups": [accounts, f"{accounts}:{about['namespace']}", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]},
        }

    def _sign(self, body: str) -> bytes:
        return hmac.digest(self._key, body.encode("latin-1"), "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _claims(body: bytes) -> Any:
    raw = body.rpartition(b".")[2]
    return decode(base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
