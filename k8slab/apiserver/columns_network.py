"""The columns of what leads to pods (Services, endpoints, Ingresses) and of what they store on.

Rows for `table.py`; the pieces are in `cells.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api.objects import Obj, annotations_of, is_terminating
from k8slab.apiserver.cells import AGE, NAME, SELECTOR, Column, at, limited

DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
MOST_HOSTS = 3


def _balanced(obj: Obj) -> list[str]:
    """The addresses a load balancer has given."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress} - {""})


def _external_ip(service: Obj, now: float) -> str:
    spec = service["spec"]
    external = spec.get("externalIPs") or []
    if spec.get("type") == "LoadBalancer":
        return ",".join([*_balanced(service), *external]) or "<pending>"
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    return ",".join(external) or "<none>"


def _service_ports(service: Obj, now: float) -> str:
    shown = []
    for port in service["spec"].get("ports") or []:
        on_nodes = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{on_nodes}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or "<none>"


def _endpoints(obj: Obj, now: float) -> str:
    """The ready addresses, each with each port, the first three (formatEndpoints)."""
    shown: list[str] = []
    for subset in obj.get("subsets") or []:
        addresses = [a["ip"] for a in subset.get("addresses") or []]
        ports = subset.get("ports") or []
        shown += [f"{ip}:{p['port']}" for p in ports for ip in addresses] if ports else addresses
    return limited(shown)


def _or_unset(items: Iterable[str]) -> str:
    every = list(items)
    return limited(every) if every else "<unset>"


def _slice_ports(obj: Obj, now: float) -> str:
    return _or_unset(str(port["port"]) if port.get("port") else "*" for port in obj.get("ports") or [])


def _slice_addresses(obj: Obj, now: float) -> str:
    return _or_unset(address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or [])


def _hosts(ingress: Obj, now: float) -> str:
    """The hosts of the rules; once three are shown, every rule counts for the rest (formatHosts)."""
    rules = ingress["spec"].get("rules") or []
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    filled = [index for index, rule in enumerate(rules) if rule.get("host")][MOST_HOSTS - 1 : MOST_HOSTS]
    more = bool(filled) and len(rules) > filled[0] + 1
    return (",".join(hosts[:MOST_HOSTS]) + f" + {len(rules) - MOST_HOSTS} more..." * more) if hosts else "*"


def _parameters(class_: Obj, now: float) -> str:
    parameters = (class_.get("spec") or {}).get("parameters")
    if not parameters:
        return "<none>"
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters['kind']}{group}/{parameters['name']}"


def _storage_class_name(class_: Obj, now: float) -> str:
    is_default = any(annotations_of(class_).get(key) == "true" for key in DEFAULT_CLASS)
    return str(class_["metadata"]["name"]) + " (default)" * is_default


def _phase(obj: Obj, now: float) -> str:
    return "Terminating" if is_terminating(obj) else str((obj.get("status") or {}).get("phase", ""))


def _modes(modes: Iterable[str] | None) -> str:
    given = set(modes or ())
    return ",".join(short for mode, short in MODES.items() if mode in given)


def _claim(volume: Obj, now: float) -> str:
    claim = volume["spec"].get("claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _bound(claim: Obj) -> Obj:
    """What a claim has got: nothing before it has a volume."""
    return (claim.get("status") or {}) if claim["spec"].get("volumeName") else {}


def _class(obj: Obj, now: float) -> str:
    beta = annotations_of(obj).get("volume.beta.kubernetes.io/storage-class")
    return beta if beta is not None else str(obj["spec"].get("storageClassName", ""))


_VOLUME_CLASSES = (
    Column("StorageClass", _class),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
)
_VOLUME_MODE = Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), priority=1)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "EndpointSlice": (
        NAME,
        Column("AddressType", at("addressType", default="")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    "Endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "Ingress": (
        NAME,
        Column("Class", at("spec", "ingressClassName", default="<none>")),
        Column("Hosts", _hosts),
        Column("Address", lambda ingress, _: ",".join(_balanced(ingress))),
        Column("Ports", lambda ingress, _: "80, 443" if ingress["spec"].get("tls") else "80"),
        AGE,
    ),
    "IngressClass": (
        NAME,
        Column("Controller", at("spec", "controller", default="")),
        Column("Parameters", _parameters),
        AGE,
    ),
    "PersistentVolume": (
        NAME,
        Column("Capacity", at("spec", "capacity", "storage", default="0")),
        Column("Access Modes", lambda volume, _: _modes(volume["spec"].get("accessModes"))),
        Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy", default="")),
        Column("Status", _phase),
        Column("Claim", _claim),
        *_VOLUME_CLASSES,
        Column("Reason", at("status", "reason", default="")),
        AGE,
        _VOLUME_MODE,
    ),
    "PersistentVolumeClaim": (
        NAME,
        Column("Status", _phase),
        Column("Volume", at("spec", "volumeName", default="")),
        Column(
            "Capacity",
            lambda c, _: (_bound(c).get("capacity") or {}).get("storage", "0") if c["spec"].get("volumeName") else "",
        ),
        Column("Access Modes", lambda claim, _: _modes(_bound(claim).get("accessModes"))),
        *_VOLUME_CLASSES,
        AGE,
        _VOLUME_MODE,
    ),
    "Service": (
        NAME,
        Column("Type", at("spec", "type", default="")),
        Column("Cluster-IP", at("spec", "clusterIP", default="<none>")),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        SELECTOR,
    ),
    "StorageClass": (
        Column("Name", _storage_class_name, format="name"),
        Column("Provisioner", at("provisioner", default="")),
        Column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
        Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
        Column("AllowVolumeExpansion", at("allowVolumeExpansion", default=False)),
        AGE,
    ),
}
