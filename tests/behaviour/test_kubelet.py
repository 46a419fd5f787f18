"""More of what Kubernetes' own node tests hold a kubelet to, with real processes; the docstrings name the originals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviour.cluster import FOREVER, Namespace, Obj, box
from tests.waiting import until


def config(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize(
    ("script", "fields", "phase", "message"),
    [
        ("printf DONE > /dev/termination-log; exit 1", {}, "Failed", "DONE"),
        ("printf DONE; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "Failed", "DONE\n"),
        ("printf DONE; exit 0", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "Succeeded", ""),
        ("printf OK > /tmp/here; exit 0", {"terminationMessagePath": "/tmp/here"}, "Succeeded", "OK"),
    ],
)
def test_termination_message(real: Namespace, script: str, fields: Obj, phase: str, message: str) -> None:
    """Container Runtime blackbox test on terminated container should report termination message …"""
    real.run("ends", containers=[box("c", script, **fields)], restartPolicy="Never")
    real.phase("ends", phase)
    assert real.container("ends")["state"]["terminated"].get("message", "") == message


def test_updates_are_reflected_in_volumes(real: Namespace) -> None:
    """ConfigMap updates should be reflected in volume; Secrets optional updates …; Downward API volume should update labels"""
    real.create(config("look", color="teal"))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"word": "old"}}
    real.create(secret)
    volumes = [
        {"name": "look", "configMap": {"name": "look"}},
        {"name": "db", "secret": {"secretName": "db", "defaultMode": 0o400}},
        {"name": "late", "configMap": {"name": "late", "optional": True}},
        {"name": "self", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    mounts.append({"name": "look", "mountPath": "/one/color", "subPath": "color"})
    real.run("reads", containers=[box("c", FOREVER, volumeMounts=mounts)], volumes=volumes, labels={"v": "1"})
    real.ready("reads")
    assert real.exec("reads", "sh", "-c", "cat /look/color /db/word /self/l; ls /late; stat -Lc %a /db/word") == (
        'tealoldv="1"400\n'
    )
    real.patch("ConfigMap", "look", {"data": {"color": "red", "size": "big"}})
    real.patch("Secret", "db", {"stringData": {"word": "new"}})
    real.patch("Pod", "reads", {"metadata": {"labels": {"v": "2"}}})
    real.create(config("late", key="came"))
    read = "cat /look/color /look/size /db/word /self/l; cat /one/color"

    def changed() -> bool:
        done = real.cluster.kubectl("exec", "reads", "--", "sh", "-c", read, namespace=real.name)
        return done.stdout == 'redbignewv="2"teal'  # a subPath keeps what it was

    until(changed, "the files have followed")


def test_a_missing_configmap_holds_the_pod_up(real: Namespace) -> None:
    """ConfigMap Should fail non-optional pod creation due to configMap object does not exist"""
    mounted = box("c", FOREVER, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    real.run("waits", containers=[mounted], volumes=[{"name": "v", "configMap": {"name": "none"}}])
    until(lambda: real.events("waits", "FailedMount"), "it says why it waits")
    said = real.events("waits", "FailedMount")[0]["message"]
    assert said == 'MountVolume.SetUp failed for volume "v" : configmap "none" not found'
    assert real.container("waits")["state"]["waiting"]["reason"] == "ContainerCreating"
    real.create(config("none", key="value"))
    real.ready("waits")


def test_a_missing_key_of_the_environment(real: Namespace) -> None:
    """the pod's container waits with CreateContainerConfigError"""
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x"}}}]
    real.run("waits", containers=[box("c", FOREVER, env=env)])
    until(lambda: "waiting" in real.container("waits").get("state", {}) and real.events("waits", "Failed"))
    waiting = real.container("waits")["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "none" not found'}
    real.create(config("none", x="1"))
    real.ready("waits")


def test_sidecars(real: Namespace) -> None:
    """Restartable init containers start in order, beside the others, and end after them in reverse"""
    volume = {"name": "v", "emptyDir": {}}
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}

    def life(name: str) -> str:
        end = f"trap 'echo {name} ends >> /v/story; exit 0' TERM"
        return f"{end}; echo {name} starts >> /v/story; while true; do sleep 0.05; done"

    probe = {"startupProbe": {"exec": {"command": ["test", "-f", "/v/story"]}, "periodSeconds": 1}}
    first = [
        box("one", life("one"), restartPolicy="Always", **probe, **mounts),
        box("init", "echo init >> /v/story", **mounts),
        box("two", life("two"), restartPolicy="Always", **mounts),
    ]
    reader = box("reader", "trap '' TERM; tail -f /v/story", **mounts)  # stays until it is killed: it hears them all
    real.run("crew", containers=[box("main", life("main"), **mounts)], initContainers=[reader | {
        "restartPolicy": "Always", "command": ["sh", "-c", "touch /v/story; trap '' TERM; tail -f /v/story"]}, *first],
        volumes=[volume], terminationGracePeriodSeconds=60)  # fmt: skip
    real.ready("crew")
    until(lambda: "main starts" in real.logs("crew", "reader"))
    assert real.logs("crew", "reader").split("\n")[:4] == ["one starts", "init", "two starts", "main starts"]
    real.cluster.api.post("/k8slab/crash", {"namespace": real.name, "pod": "crew", "container": "two"})
    until(lambda: real.container("crew", "two")["restartCount"] == 1, "a sidecar that crashed comes back")
    assert real.container("crew", "main")["restartCount"] == 0
    real.delete("Pod", "crew")
    until(lambda: "one ends" in real.logs("crew", "reader"))
    assert real.logs("crew", "reader").split("\n")[-4:] == ["main ends", "two ends", "one ends", ""]
    real.delete("Pod", "crew", grace=0)


def test_a_job_like_pod_ends_although_its_sidecar_would_not(real: Namespace) -> None:
    """Restartable init containers do not hold up the end of a RestartNever pod"""
    side = box("side", FOREVER, restartPolicy="Always")
    real.run("ends", "exit 0", restartPolicy="Never", initContainers=[side])
    done = real.phase("ends", "Succeeded")
    assert done["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_poststart(real: Namespace) -> None:
    """Container Lifecycle Hook should execute poststart exec hook properly"""
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo post > /tmp/hook"]}}}
    real.run("hooked", containers=[box("c", FOREVER, lifecycle=hook)])
    real.ready("hooked")
    assert real.exec("hooked", "cat", "/tmp/hook") == "post\n"


def test_a_poststart_that_fails(real: Namespace) -> None:
    """the container is killed and restarted; events FailedPostStartHook and Killing"""
    hook = {"postStart": {"httpGet": {"port": 1}}}
    real.run("hooked", containers=[box("c", FOREVER, lifecycle=hook)])
    until(lambda: real.container("hooked").get("restartCount", 0) >= 1)
    assert real.events("hooked", "FailedPostStartHook")[0]["message"] == "PostStartHook failed"
    assert real.events("hooked", "Killing")[0]["message"] == "FailedPostStartHook"


def test_a_liveness_grace_of_its_own(real: Namespace) -> None:
    """Probing container should override timeoutGracePeriodSeconds when LivenessProbe field is set"""
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    stubborn = "trap '' TERM; while true; do sleep 0.05; done"
    slow = box("c", stubborn, livenessProbe={**probe, "terminationGracePeriodSeconds": 5})
    real.run("stubborn", containers=[slow], terminationGracePeriodSeconds=5000)
    until(lambda: real.container("stubborn").get("restartCount", 0) >= 1, patience=30)
    assert real.container("stubborn")["lastState"]["terminated"]["exitCode"] == 137


def test_startup_holds_liveness_back(real: Namespace) -> None:
    """Probing container should be ready immediately after startupProbe succeeds"""
    alive = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    startup = {"exec": {"command": ["cat", "/tmp/startup"]}, "periodSeconds": 1, "failureThreshold": 600}
    web = box("c", "sleep 0.5; touch /tmp/startup; " + FOREVER, startupProbe=startup, livenessProbe=alive)
    real.run("starts", containers=[web])
    until(lambda: real.container("starts").get("started"), "it has started")
    until(lambda: real.container("starts")["restartCount"] >= 1, "and only then its liveness counted")


def test_tcp_probes(real: Namespace) -> None:
    """Probing container should *not* be restarted with a tcp:8080 liveness probe"""
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    real.run("web", containers=[box("c", readinessProbe=probe, livenessProbe=probe)])
    real.ready("web")
    assert real.container("web")["restartCount"] == 0


def test_restart_rules(real: Namespace) -> None:
    """Pod Extended (container restart policy) container-level restart policy and rules"""
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    script = "if [ -f /v/once ]; then exit 1; fi; touch /v/once; exit 42"
    again = box("c", script, restartPolicy="Never", restartPolicyRules=rules)
    again["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    real.run("rules", containers=[again], restartPolicy="Never", **volume)
    real.phase("rules", "Failed")
    assert real.container("rules")["restartCount"] == 1
    assert real.container("rules")["state"]["terminated"]["exitCode"] == 1


def test_a_command_that_is_not_there(real: Namespace) -> None:
    """StartError, exit code 128, then CrashLoopBackOff"""
    real.run("typo", containers=[{"name": "c", "image": "k8slab/web:v1", "command": ["serve"]}])
    until(lambda: real.container("typo").get("restartCount", 0) >= 1)
    ended = real.container("typo")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["startedAt"]) == ("StartError", 128, "1970-01-01T00:00:00Z")
    assert 'exec: "serve": executable file not found in $PATH' in ended["message"]


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        ("k8slab/none:v1", "Always", "ErrImagePull"),
        ("k8slab/none:v1", "Never", "ErrImageNeverPull"),
        ("not//valid", "IfNotPresent", "InvalidImageName"),
    ],
)
def test_images_that_cannot_be_had(real: Namespace, image: str, policy: str, reason: str) -> None:
    """Container Runtime blackbox test when running a container with a new image should not be able to pull …"""
    real.run("stuck", containers=[{"name": "c", "image": image, "imagePullPolicy": policy}])

    def why() -> Any:
        return real.container("stuck").get("state", {}).get("waiting", {}).get("reason")

    until(lambda: why() in (reason, "ImagePullBackOff"), f"it waits with {reason}")
    assert real.get("Pod", "stuck")["status"]["phase"] == "Pending"


def test_who_it_runs_as(real: Namespace) -> None:
    """Security Context … should run the container with uid; runAsNonRoot should not run with an explicit root user ID"""
    real.run("user", "id -u", securityContext={"runAsUser": 1234, "runAsNonRoot": True}, restartPolicy="Never")
    real.phase("user", "Succeeded")
    (kept, said) = (real.logs("user").strip() == "1234", real.events("user", "NotHonoured"))
    assert kept or said  # where there are no user namespaces it says so
    real.run("root", FOREVER, securityContext={"runAsUser": 0, "runAsNonRoot": True})
    until(lambda: real.events("root", "Failed"))
    waiting = real.container("root")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "container's runAsUser breaks non-root policy" in waiting["message"]


def test_the_machine_stays_closed(real: Namespace) -> None:
    """Security Context When creating a pod with privileged … is refused with a reason"""
    done = real.cluster.kubectl("run", "x", "--image=k8slab/web:v1", "--privileged", namespace=real.name)
    assert done.returncode != 0
    assert 'pods "x" is forbidden: this lab keeps its machine closed to containers' in done.stderr


def test_an_emptydir_beyond_its_limit(real: Namespace) -> None:
    """LocalStorageCapacityIsolationEviction should evict pods that use more than their emptyDir's sizeLimit"""
    volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    fill = box("c", "head -c 3000000 /dev/zero > /v/big; " + FOREVER, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    real.run("fills", containers=[fill], volumes=[volume])
    failed = real.phase("fills", "Failed")
    assert failed["status"]["reason"] == "Evicted"
    assert failed["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    assert any(c["type"] == "DisruptionTarget" for c in failed["status"]["conditions"])


def test_variables_of_a_file(real: Namespace) -> None:
    """FileKeyRef should be consumable as environment variables"""
    setup = box(
        "setup", "printf \"A='1'\\nB='two words'\\n\" > /v/env", volumeMounts=[{"name": "v", "mountPath": "/v"}]
    )
    env = [{"name": "X", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "env", "key": "B"}}}]
    reads = box("c", "echo $X", env=env)
    real.run("reads", containers=[reads], initContainers=[setup], restartPolicy="Never",
             volumes=[{"name": "v", "emptyDir": {}}])  # fmt: skip
    real.phase("reads", "Succeeded")
    assert real.logs("reads") == "two words\n"
