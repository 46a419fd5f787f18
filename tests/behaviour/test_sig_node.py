"""Kubernetes' own conformance tests of sig-node, mirrored: the docstring of each is the name of its original.

The originals run images this lab has not; these do the same with its own, and real processes.
"""

from __future__ import annotations

import time

from k8slab.api.objects import condition
from tests.behaviour.cluster import FOREVER, IMAGE, Namespace, box, is_ready, pod
from tests.waiting import fetch, until


def test_submitted_and_removed(real: Namespace) -> None:
    """Pods should be submitted and removed"""
    seen: list[tuple[str, str]] = []
    with_selector = {"labels": {"name": "foo"}}
    assert real.list("Pod", "name=foo") == []
    real.run("submitted", FOREVER, **with_selector)
    real.ready("submitted")
    (found,) = real.list("Pod", "name=foo")
    real.delete("Pod", "submitted", grace=1)
    leaving = real.find("Pod", "submitted")
    if leaving:
        seen.append((leaving["metadata"]["deletionTimestamp"], leaving["status"]["phase"]))
        assert leaving["metadata"]["deletionGracePeriodSeconds"] == 1
    real.gone("Pod", "submitted")
    assert real.list("Pod", "name=foo") == []
    assert found["spec"]["containers"][0]["image"] == IMAGE


def test_updated(real: Namespace) -> None:
    """Pods should be updated"""
    real.run("updated", FOREVER, labels={"name": "foo", "time": "1"})
    before = real.ready("updated")
    real.patch("Pod", "updated", {"metadata": {"labels": {"time": "2"}}})
    (after,) = real.list("Pod", "time=2")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def test_lifecycle_of_pods_and_podstatus(real: Namespace) -> None:
    """Pods should run through the lifecycle of Pods and PodStatus"""
    real.run("lived", FOREVER, labels={"test-pod-static": "true"})
    assert real.get("Pod", "lived")["status"]["phase"] in ("Pending", "Running")
    real.ready("lived")
    image = "k8slab/web:v2"
    real.patch("Pod", "lived", {"metadata": {"labels": {"test-pod": "patched"}}}, form="strategic")
    changed = {"spec": {"containers": [{"name": "c", "image": image}]}}
    real.patch("Pod", "lived", changed, form="strategic")
    # An update of the status by somebody else: the kubelet sets it right.
    told = real.get("Pod", "lived")
    ready = {**condition(told, "Ready"), "status": "False"}  # type: ignore[dict-item]
    told["status"]["conditions"] = [ready if c["type"] == "Ready" else c for c in told["status"]["conditions"]]
    answer = real.api.update({**told, "metadata": {**told["metadata"], "resourceVersion": ""}}, "status")
    assert condition(answer, "Ready")["status"] == "False"  # type: ignore[index]
    until(lambda: is_ready(real.get("Pod", "lived")), "the kubelet says again that it is ready")
    assert real.get("Pod", "lived")["spec"]["containers"][0]["image"] == image
    path = f"/api/v1/namespaces/{real.name}/pods"
    real.api.request("DELETE", path, params={"labelSelector": "test-pod-static=true"})
    real.gone("Pod", "lived")


def test_remote_command_execution(real: Namespace) -> None:
    """Pods should support remote command execution over websockets"""
    real.run("told", FOREVER)
    real.ready("told")
    assert real.exec("told", "echo", "remote execution test") == "remote execution test\n"
    assert real.exec("told", "sh", "-c", "echo $HOSTNAME").strip() == "told"


def test_retrieving_logs(real: Namespace) -> None:
    """Pods should support retrieving logs from the container over websockets"""
    real.run("speaks", "echo container is alive; sleep 1000")
    real.phase("speaks", "Running")
    until(lambda: real.logs("speaks") == "container is alive\n")


def test_environment_variables_for_services(real: Namespace) -> None:
    """Pods should contain environment variables for services"""
    ports = [{"port": 8765, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fooservice"}, "spec": {"ports": ports}}
    address = real.create(service)["spec"]["clusterIP"]
    real.run("client", "env", restartPolicy="Never")
    real.phase("client", "Succeeded")
    env = dict(line.split("=", 1) for line in real.logs("client").splitlines() if "=" in line)
    assert env["FOOSERVICE_SERVICE_HOST"] == env["FOOSERVICE_PORT_8765_TCP_ADDR"] == address
    assert env["FOOSERVICE_SERVICE_PORT"] == env["FOOSERVICE_PORT_8765_TCP_PORT"] == "8765"
    assert env["FOOSERVICE_PORT"] == env["FOOSERVICE_PORT_8765_TCP"] == f"tcp://{address}:8765"
    assert env["FOOSERVICE_PORT_8765_TCP_PROTO"] == "tcp"


def test_active_deadline(real: Namespace) -> None:
    """Pods should allow activeDeadlineSeconds to be updated"""
    real.run("dated", FOREVER)
    real.ready("dated")
    real.patch("Pod", "dated", {"spec": {"activeDeadlineSeconds": 5}})
    failed = real.phase("dated", "Failed")
    assert failed["status"]["reason"] == "DeadlineExceeded"
    (said,) = real.events("dated", "DeadlineExceeded")
    assert (said["type"], said["message"]) == ("Normal", failed["status"]["message"])


def test_qos_class(real: Namespace) -> None:
    """Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu"""
    amounts = {"cpu": "100m", "memory": "100Mi"}
    told = pod("qos", containers=[box("c", FOREVER, resources={"limits": amounts, "requests": amounts})])
    assert real.create(told)["status"]["qosClass"] == "Guaranteed"
    assert real.ready("qos")["status"]["qosClass"] == "Guaranteed"


def test_http_liveness(real: Namespace) -> None:
    """Probing container should be restarted with a /healthz http liveness probe"""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5, "failureThreshold": 2}
    sick = box("c", "VERSION=sick FAULT=errors exec python /app/server.py", livenessProbe=probe)
    real.run("http", containers=[sick])
    until(lambda: real.container("http").get("restartCount", 0) >= 1, "it is restarted")
    said = {event["message"] for event in real.events("http", "Unhealthy")}
    assert "Liveness probe failed: HTTP probe failed with statuscode: 500" in said
    killing = real.events("http", "Killing")[0]["message"]
    assert killing == "Container c failed liveness probe, will be restarted"


def test_exec_liveness(real: Namespace) -> None:
    """Probing container should be restarted with a exec "cat /tmp/health" liveness probe"""
    probe = {"exec": {"command": ["cat", "/tmp/health"]}, "periodSeconds": 1, "failureThreshold": 1}
    probe |= {"initialDelaySeconds": 1, "timeoutSeconds": 10}
    script = "echo ok > /tmp/health; sleep 0.5; rm /tmp/health; " + FOREVER
    real.run("exec", containers=[box("c", script, livenessProbe=probe)])
    until(lambda: real.container("exec").get("restartCount", 0) >= 1, "it is restarted")
    assert "No such file or directory" in real.events("exec", "Unhealthy")[0]["message"]


def test_never_ready(real: Namespace) -> None:
    """Probing container with readiness probe that fails should never be ready and never restart"""
    probe = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 1, "timeoutSeconds": 10}
    real.run("unready", containers=[box("c", FOREVER, readinessProbe=probe)])
    until(lambda: len(real.events("unready", "Unhealthy")), "a check has failed")
    for _ in range(5):
        found = real.container("unready")
        assert (found["ready"], found["restartCount"]) == (False, 0)
        time.sleep(0.1)


def test_expected_status(real: Namespace) -> None:
    """Container Runtime blackbox test when starting a container that exits should run with the expected status"""
    for policy, phase, restarts in (("Always", "Running", 2), ("OnFailure", "Succeeded", 1), ("Never", "Failed", 0)):
        name = f"exits-{policy.lower()}"
        volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
        # Ends badly the first time; the second time well under OnFailure, and never under Always.
        again = {"Always": "exit 1", "OnFailure": "exit 0", "Never": "exit 1"}[policy]
        script = f"if [ -f /v/once ]; then {again}; fi; touch /v/once; exit 1"
        if policy == "Always":
            script = f"if [ -f /v/twice ]; then {FOREVER}; fi; [ -f /v/once ] && touch /v/twice; touch /v/once; exit 1"
        mounted = box("c", script, volumeMounts=[{"name": "v", "mountPath": "/v"}])
        real.run(name, containers=[mounted], restartPolicy=policy, **volume)
        real.phase(name, phase)
        until(lambda name=name, restarts=restarts: real.container(name)["restartCount"] == restarts)  # type: ignore[misc]
        if policy == "Always":
            real.ready(name)
        else:
            assert not is_ready(real.get("Pod", name))


def test_prestop_exec_hook(real: Namespace) -> None:
    """Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop exec hook properly"""
    real.run("target")
    target = real.ready("target")["status"]["podIP"]
    ask = f"import urllib.request as u; u.urlopen('http://{target}:8080/slow?ms=1&hook=prestop')"
    hook = {"preStop": {"exec": {"command": ["python", "-c", ask]}}}
    until(lambda: "listening" in real.logs("target") or True)
    real.run("hooked", containers=[box("c", FOREVER, lifecycle=hook)], terminationGracePeriodSeconds=100)
    real.ready("hooked")
    real.delete("Pod", "hooked")
    real.gone("Pod", "hooked")
    until(lambda: "hook=prestop" in real.logs("target"), "the hook has asked")
    assert real.events("hooked", "FailedPreStopHook") == []


def test_init_containers_on_a_restartnever_pod(real: Namespace) -> None:
    """InitContainer should invoke init containers on a RestartNever pod"""
    first = [box("init1", "true"), box("init2", "true")]
    real.run("inits", "true", restartPolicy="Never", initContainers=first)
    done = real.phase("inits", "Succeeded")
    initialized = condition(done, "Initialized")
    assert initialized
    assert initialized["status"] == "True"
    for status in done["status"]["initContainerStatuses"]:
        assert status["ready"]
        assert status["state"]["terminated"]["exitCode"] == 0


def test_init_containers_that_fail(real: Namespace) -> None:
    """InitContainer should not start app containers if init containers fail on a RestartAlways pod"""
    first = [box("init1", "exit 1"), box("init2", "true")]
    real.run("stuck", FOREVER, initContainers=first)
    until(lambda: real.container("stuck", "init1").get("restartCount", 0) >= 2, "init1 is tried again and again")
    found = real.get("Pod", "stuck")
    assert found["status"]["phase"] == "Pending"
    initialized = condition(found, "Initialized")
    assert initialized
    assert initialized["message"] == "containers with incomplete status: [init1 init2]"
    assert real.container("stuck", "init2")["state"]["waiting"]["reason"] == "PodInitializing"
    assert real.container("stuck")["state"]["waiting"]["reason"] == "PodInitializing"


def test_configmap_via_the_environment(real: Namespace) -> None:
    """ConfigMap should be consumable via the environment"""
    data = {"data-1": "value-1", "data_2": "value-2"}
    real.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data})
    env = [{"name": "CONFIG_DATA", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "data-1"}}}]
    source = [{"prefix": "p_", "configMapRef": {"name": "settings"}}]
    prints = box("c", env=env, envFrom=source) | {"command": ["env"]}  # a shell drops names it does not like
    real.run("reads", containers=[prints], restartPolicy="Never")
    real.phase("reads", "Succeeded")
    lines = real.logs("reads").splitlines()
    assert {"CONFIG_DATA=value-1", "p_data-1=value-1", "p_data_2=value-2"} <= set(lines)


def test_downward_api_env(real: Namespace) -> None:
    """Downward API should provide pod name, namespace and IP address as env vars"""
    wanted = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_IP": "status.podIP"}
    env = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in wanted.items()]
    real.run("itself", containers=[box("c", "env", env=env)], restartPolicy="Never")
    done = real.phase("itself", "Succeeded")
    told = dict(line.split("=", 1) for line in real.logs("itself").splitlines() if "=" in line)
    assert [told[name] for name in wanted] == ["itself", real.name, done["status"]["podIP"]]


def test_a_basic_image_on_each_replica(real: Namespace) -> None:
    """[sig-apps] ReplicaSet should serve a basic image on each replica with a public image"""
    template = {"metadata": {"labels": {"app": "basic"}}, "spec": {"containers": [box("c")]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "basic"}}, "template": template}
    real.create({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "basic"}, "spec": spec})
    until(lambda: len([p for p in real.list("Pod", "app=basic") if is_ready(p)]) == 3)

    def answers() -> set[str]:
        found = {fetch(f"http://{p['status']['podIP']}:8080/") for p in real.list("Pod", "app=basic")}
        return {line.removeprefix("pod: ") for text in found for line in text.splitlines() if line.startswith("pod: ")}

    names = {p["metadata"]["name"] for p in real.list("Pod", "app=basic")}
    until(lambda: answers() == names, "each replica says its own name")
