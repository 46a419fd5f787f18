"""What a container is told."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from kubelet_world import container, pod

from k8slab.api.objects import Obj
from k8slab.kubelet.environment import ConfigError, Facts, container_env, expand, hostname

STORED = {
    ("ConfigMap", "look"): {"kind": "ConfigMap", "data": {"color": "teal", "SIZE": "big"}},
    ("Secret", "db"): {"kind": "Secret", "data": {"password": b64encode(b"s3cret").decode()}},
}


def facts(**spec: Any) -> Facts:
    told = pod(serviceAccountName="default", **spec)
    told["metadata"] |= {"uid": "u-1", "labels": {"app": "web"}, "annotations": {"note": "hi"}}
    allocatable = {"cpu": "4", "memory": "8Gi"}
    return Facts(told, "127.64.1.2", "127.64.1.1", allocatable, lambda kind, name: STORED.get((kind, name)))


def env(entries: list[Obj] | None = None, services: list[Obj] | None = None, **fields: Any) -> dict[str, str]:
    return container_env(facts(), container(env=entries or [], **fields), services or [])


def source(**ref: Any) -> list[Obj]:
    return [{"name": "X", "valueFrom": ref}]


def service(name: str, ports: list[Obj], *, namespace: str = "default", ip: str = "127.96.0.9", **notes: str) -> Obj:
    meta = {"name": name, "namespace": namespace, "annotations": {f"k8slab.io/{k}": v for k, v in notes.items()}}
    return {"metadata": meta, "spec": {"clusterIP": ip, "ports": ports}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['note']", "hi"),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.64.1.2"),
        ("status.hostIP", "127.64.1.1"),
    ],
)
def test_field_ref(path: str, value: str) -> None:
    assert env(source(fieldRef={"fieldPath": path}))["X"] == value


def test_an_unknown_field_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: spec\.color; the downward API knows metadata\.name"):
        env(source(fieldRef={"fieldPath": "spec.color"}))


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory"}, str(64 * 2**20)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.memory"}, "0"),
    ],
)
def test_resource_field_ref(ref: Obj, value: str) -> None:
    assert env(source(resourceFieldRef=ref), resources={"limits": {"cpu": "1500m", "memory": "64Mi"}})["X"] == value


def test_without_a_limit_the_node_is_the_limit() -> None:
    assert env(source(resourceFieldRef={"resource": "limits.cpu"}))["X"] == "4"


def test_config_maps_and_secrets() -> None:
    assert env(source(configMapKeyRef={"name": "look", "key": "color"}))["X"] == "teal"
    assert env(source(secretKeyRef={"name": "db", "key": "password"}))["X"] == "s3cret"
    assert "X" not in env(source(configMapKeyRef={"name": "none", "key": "color", "optional": True}))
    told = env(envFrom=[{"configMapRef": {"name": "look"}, "prefix": "L_"}, {"secretRef": {"name": "db"}}])
    assert {"L_color": "teal", "L_SIZE": "big", "password": "s3cret"}.items() <= told.items()


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "a"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "a"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "look", "key": "a"}}, "couldn't find key a in ConfigMap default/look"),
    ],
)
def test_what_is_not_there_is_said(ref: Obj, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        env(source(**ref))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("a$b", "a$b"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_env_may_name_what_stands_above_it() -> None:
    told = env([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}, {"name": "C", "value": "$(LATER)"}])
    assert (told["B"], told["C"]) == ("12", "$(LATER)")


def test_services_of_the_namespace_are_told() -> None:
    shop = service("my-shop", [{"name": "http", "port": 80}, {"name": "admin", "port": 9000, "protocol": "TCP"}])
    told = env(services=[shop, service("other", [{"port": 80}], namespace="elsewhere")])
    assert told["MY_SHOP_SERVICE_HOST"] == "127.96.0.9"
    assert told["MY_SHOP_SERVICE_PORT"] == "80"
    assert told["MY_SHOP_SERVICE_PORT_ADMIN"] == "9000"
    assert told["MY_SHOP_PORT"] == "tcp://127.96.0.9:80"
    assert told["MY_SHOP_PORT_9000_TCP_ADDR"] == "127.96.0.9"
    assert "OTHER_SERVICE_HOST" not in told


def test_the_port_told_is_the_one_that_is_open() -> None:
    told = env(services=[service("web", [{"port": 80}], **{"real-ports": '{"80": 20017}'})])
    assert told["WEB_SERVICE_PORT"] == "20017"
    assert told["WEB_PORT_80_TCP"] == "tcp://127.96.0.9:20017"


def test_headless_services_have_nothing_to_tell() -> None:
    assert "WEB_SERVICE_HOST" not in env(services=[service("web", [{"port": 80}], ip="None")])


def test_links_may_be_switched_off_but_not_the_api() -> None:
    services = [service("web", [{"port": 80}]), service("kubernetes", [{"port": 443}])]
    told = container_env(facts(enableServiceLinks=False), container(), services)
    assert "WEB_SERVICE_HOST" not in told
    assert told["KUBERNETES_SERVICE_PORT"] == "443"


def test_host_name() -> None:
    assert env()["HOSTNAME"] == "web"
    assert hostname(pod("x" * 80)) == "x" * 63
    assert hostname(pod(hostname="shop")) == "shop"
