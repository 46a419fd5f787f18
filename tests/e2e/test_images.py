"""Images of one's own, end to end: built, deployed, rolled out, kept beyond the lab, carried in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.waiting import fetch, until

SHOP = """
FROM python:3.12-slim AS build
WORKDIR /build
ARG VERSION
RUN mkdir out && echo "shop $VERSION" > out/index.html

FROM python:3.12-slim
WORKDIR /srv
COPY --from=build /build/out .
CMD exec python3 -m http.server --bind ${POD_IP:-0.0.0.0} 8080
"""
LOCAL = pytest.mark.parametrize("world", ["local"], indirect=True)  # an engine builds and complains in its own words


def shop(folder):
    folder.mkdir()
    (folder / "Dockerfile").write_text(SHOP)
    return str(folder)


def names(world):
    return [line.split()[0] for line in world.k8slab("images", "list").stdout.splitlines()[1:]]


def test_an_image_is_built_deployed_and_rolled_out(world, tmp_path):
    folder = shop(tmp_path / "shop")
    said = world.k8slab("images", "build", "shop:v1", folder, "--build-arg", "VERSION=v1").stdout
    assert 'RUN mkdir out && echo "shop $VERSION" > out/index.html' in said
    assert "shop:v1 (" in said
    world.kubectl("create", "deployment", "shop", "--image=shop:v1", "--replicas=2")
    world.kubectl("expose", "deployment", "shop", "--port=8080")
    world.kubectl("rollout", "status", "deployment/shop", "--timeout=90s")
    url = f"http://{world.kubectl('get', 'service', 'shop', '-o', 'jsonpath={.spec.clusterIP}')}:8080/"
    assert until(lambda: fetch(url)) == "shop v1\n"
    world.k8slab("images", "build", "shop:v2", folder, "--build-arg", "VERSION=v2")
    world.kubectl("set", "image", "deployment/shop", "shop=shop:v2")
    world.kubectl("rollout", "status", "deployment/shop", "--timeout=90s")
    until(lambda: fetch(url) == "shop v2\n")

    def told():
        (node, *_) = world.objects("nodes")
        return {image["names"][0]: image.get("sizeBytes", 0) for image in node["status"]["images"]}

    until(lambda: told().get("shop:v2", 0) > 0, "a node reports the image and its size")
    refused = world.k8slab("images", "rm", "shop:v2", check=False)
    assert refused.returncode != 0
    assert refused.stderr.startswith("k8slab: ")
    assert '"shop:v2"' in refused.stderr
    assert "container" in refused.stderr


@LOCAL
def test_images_outlive_the_lab_and_travel_in_a_file(world, tmp_path):
    file = str(tmp_path / "shop.tar")
    world.k8slab("images", "build", "shop:v1", shop(tmp_path / "shop"), "--build-arg", "VERSION=v1")
    world.k8slab("down")
    listed = world.k8slab("images", "list")  # it starts a lab, and says so
    assert "No lab runs" in listed.stderr
    assert "shop:v1" in names(world)
    world.k8slab("images", "save", file)
    world.k8slab("images", "rm", "shop:v1")
    pod = ("run", "shop", "--image=shop:v1", "--image-pull-policy=Never")
    world.kubectl(*pod)
    until(lambda: waits(world) == "ErrImageNeverPull")
    world.kubectl("delete", "pod", "shop", "--now")
    world.k8slab("images", "load", file)
    world.kubectl(*pod)
    until(lambda: world.ready("run=shop"))


def waits(world):
    (pod,) = world.pods("run=shop")
    statuses = pod["status"].get("containerStatuses") or [{}]
    return statuses[0].get("state", {}).get("waiting", {}).get("reason")


@LOCAL
def test_an_image_that_is_not_there_names_those_that_are(world, tmp_path):
    world.k8slab("images", "build", "shop:v1", shop(tmp_path / "shop"))
    world.kubectl("run", "shop", "--image=shop:v2")
    until(lambda: waits(world) in ("ErrImagePull", "ImagePullBackOff"))
    said = world.kubectl("describe", "pod", "shop")
    assert 'there is no image "shop:v2" here. Did you mean "shop:v1"?' in said
    assert "k8slab/web:v1" in said


@LOCAL
def test_what_goes_wrong_is_one_sentence(world, tmp_path):
    def said(*args):
        done = world.k8slab("images", *args, check=False)
        assert done.returncode != 0
        assert done.stderr.startswith("k8slab: ")
        return done.stderr

    assert "has no Dockerfile" in said("build", "shop:v1", str(tmp_path))
    assert "is no folder" in said("build", "shop:v1", str(tmp_path / "nowhere"))
    assert "invalid reference format" in said("build", "Shop:v1", shop(tmp_path / "shop"))
    assert "write NAME=VALUE" in said("build", "shop:v1", str(tmp_path / "shop"), "--build-arg", "VERSION")
    assert "comes with k8slab" in said("build", "k8slab/web:v1", str(tmp_path / "shop"))
    assert 'no image "nothing:v1"' in said("rm", "nothing:v1")
    assert "cannot be read" in said("load", str(tmp_path / "nothing.tar"))
    (tmp_path / "shop" / "Dockerfile").write_text("FROM debian\nRUN apt-get install -y no-such-package\n")
    failed = said("build", "shop:v1", str(tmp_path / "shop"))
    assert "Dockerfile line 2: RUN apt-get install -y no-such-package: ended with exit code 100" in failed
    assert "--runtime docker" in failed


@LOCAL
def test_a_service_accounts_token_is_no_key_to_this_machines_files(world, tmp_path):
    world.kubectl("create", "serviceaccount", "guest")
    token = world.kubectl("create", "token", "guest").strip()
    server = world.told()["server"]
    body = json.dumps({"name": "shop:v1", "folder": str(tmp_path)})
    asked = ["curl", "-sk", "-H", f"Authorization: Bearer {token}", f"{server}/k8slab/images/build", "-d", body]
    answer = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert (answer["code"], answer["reason"]) == (403, "Forbidden")


@LOCAL
def test_a_notebook_builds_and_sees_the_progress(world, tmp_path):
    program = f"import k8slab; print([k8slab.Lab().build('shop:v1', {shop(tmp_path / 'shop')!r}, VERSION='v1')])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **world.env}, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert "FROM python:3.12-slim AS build" in lines, done.stderr
    assert lines[-1].startswith("[shop:v1 (")
    assert lines[-1].endswith("In a manifest: `image: shop:v1`]")
