"""How the server says that it is well, in one word or check by check."""

from __future__ import annotations

import pytest

from k8slab.apiserver.health import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_one_word_or_every_check(http, name):
    assert http.get(f"/{name}").text == "ok"
    lines = http.get(f"/{name}?verbose").text.splitlines()
    assert lines == [*(f"[+]{check} ok" for check in CHECKS[name]), f"{name} check passed"]
    assert {http.get(f"/{name}/{check}").text for check in CHECKS[name]} == {"ok"}
    assert http.get(f"/{name}/nonsense").status_code == 404


def test_checks_may_be_left_out(http):
    lines = http.get("/livez?verbose&exclude=etcd&exclude=nonsense").text.splitlines()
    assert "[+]etcd excluded: ok" in lines
    assert lines[-2] == 'warn: some health checks cannot be excluded: no matches for "nonsense"'
