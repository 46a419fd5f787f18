"""What is in a volume that is made of other objects: configMap, secret, downwardAPI, and projected of these. Pure.

`volumes.py` writes the files; `workers.py` asks which objects a pod's files come from, to know when to write them anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from k8slab.api.objects import Obj, encode
from k8slab.clock import from_timestamp
from k8slab.kubelet.atomic import Files
from k8slab.kubelet.environment import ConfigError, Facts, content, field_value, lookup, resource_value

PROJECTED = ("configMap", "secret", "downwardAPI", "projected")
ISSUER = "https://kubernetes.default.svc.cluster.local"
YEAR = 365 * 24 * 3600


def is_projected(volume: Obj) -> bool:
    """Whether its files are written by the kubelet, from other objects."""
    return any(kind in volume for kind in PROJECTED)


def origins(pod: Obj) -> Iterator[tuple[str, str]]:
    """Kind and name of every ConfigMap and Secret that has files in the pod."""
    for volume in pod["spec"].get("volumes") or []:
        for source in _sources(volume):
            if ref := source.get("configMap"):
                yield "ConfigMap", ref.get("name", "")
            if ref := source.get("secret"):
                yield "Secret", ref.get("secretName") or ref.get("name", "")


def files_of(facts: Facts, volume: Obj) -> Files:
    """What is in the volume now. Raises ConfigError."""
    projected = volume.get("projected") or {}
    files: Files = {}
    for source in _sources(volume):
        files |= _files(facts, source, projected.get("defaultMode", 0o644))
    for path in files:
        if ".." in PurePosixPath(path).parts or path.startswith("/"):
            raise ConfigError(f"the path {path!r} must stay inside the volume")
    return files


def _sources(volume: Obj) -> list[Obj]:
    return (volume["projected"].get("sources") or []) if "projected" in volume else [volume]


def _files(facts: Facts, source: Obj, mode: int) -> Files:
    if ref := source.get("configMap"):
        return _keys(facts, "ConfigMap", ref, ref.get("defaultMode", mode))
    if ref := source.get("secret"):
        ref = {**ref, "name": ref.get("secretName") or ref.get("name", "")}
        return _keys(facts, "Secret", ref, ref.get("defaultMode", mode))
    if ref := source.get("downwardAPI"):
        return _downward(facts, ref, ref.get("defaultMode", mode))
    if ref := source.get("serviceAccountToken"):
        return {ref["path"]: (_token(facts, ref), mode)}
    kind = next((field for field in source if field != "name"), "nothing")
    raise ConfigError(f"this kubelet projects configMap, secret, downwardAPI and serviceAccountToken, not {kind}")


def _keys(facts: Facts, kind: str, ref: Obj, mode: int) -> Files:
    found = lookup(facts.find, kind, ref)
    if found is None:
        return {}
    data = content(found)
    if not ref.get("items"):
        return {key: (value, mode) for key, value in data.items()}
    files: Files = {}
    for item in ref["items"]:
        if item["key"] in data:
            files[item["path"]] = (data[item["key"]], item.get("mode", mode))
        elif not ref.get("optional"):
            raise ConfigError(
                f"references non-existent {'config' if kind == 'ConfigMap' else 'secret'} key: {item['key']}"
            )
    return files


def _downward(facts: Facts, ref: Obj, mode: int) -> Files:
    files: Files = {}
    for item in ref.get("items") or []:
        if "fieldRef" in item:
            value = field_value(facts, item["fieldRef"]["fieldPath"])
        else:
            value = resource_value(facts, {}, item["resourceFieldRef"])
        files[item["path"]] = (value.encode(), item.get("mode", mode))
    return files


def _token(facts: Facts, ref: Obj) -> bytes:
    """A token that looks like one and opens nothing: containers never hold what the lab's API would believe.

    It says who it would be for, and carries a signature nobody has made; the API answers 401 to it.
    """
    meta, account = facts.pod["metadata"], facts.pod["spec"].get("serviceAccountName") or "default"
    begun = int(from_timestamp(meta["creationTimestamp"]))
    about = {"namespace": meta.get("namespace", ""), "pod": {"name": meta["name"], "uid": meta["uid"]}}
    claims = {
        "aud": [ref.get("audience") or ISSUER],
        "exp": begun + YEAR,
        "iat": begun,
        "iss": ISSUER,
        "kubernetes.io": {**about, "serviceaccount": {"name": account}},
        "nbf": begun,
        "sub": f"system:serviceaccount:{about['namespace']}:{account}",
    }
    body = b".".join(map(_base64, (encode({"alg": "HS256", "typ": "JWT"}), encode(claims))))
    return body + b"." + _base64(hashlib.sha256(b"nobody signed this: " + body).digest())


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
