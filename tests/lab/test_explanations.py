from __future__ import annotations

import pytest

from k8slab.lab.explanations import Explanation, otherwise

FITS = {"name": "node-1", "verdict": "fits", "scores": {"NodeResourcesFit": 75, "PodTopologySpread": 100}, "total": 175}
REFUSED = {
    "name": "node-2", "verdict": "refused", "plugin": "TaintToleration",
    "reasons": ["node(s) had untolerated taint(s)"], "resolvable": False,
}  # fmt: skip
UNSEEN = {"name": "node-3", "verdict": "not looked at"}
NOBODY = {"node": "", "victims": [], "message": ""}


def test_where_it_goes_and_what_each_score_gave() -> None:
    found = Explanation(
        {"namespace": "default", "pod": "web", "node": "node-1", "message": "", "preemption": NOBODY,
         "weights": {"NodeResourcesFit": 1, "PodTopologySpread": 2}, "nodes": [REFUSED, UNSEEN, FITS]}
    )  # fmt: skip
    assert found.rows() == [
        ("NODE", "TOTAL", "NodeResourcesFit ×1", "PodTopologySpread ×2"),
        ("node-1", "175", "75", "100"),
        ("node-2", "TaintToleration: node(s) had untolerated taint(s)"),
        ("node-3", "not looked at"),
    ]
    shown = repr(found).splitlines()
    assert shown[0] == "web goes to node-1."
    assert shown[2:4] == [
        "NODE     TOTAL   NodeResourcesFit ×1   PodTopologySpread ×2",
        "node-1   175     75                    100",
    ]
    assert shown[4] == "node-2   TaintToleration: node(s) had untolerated taint(s)"
    html = found._repr_html_()
    assert "<td><b>node-1</b></td>" in html
    assert '<td colspan="3">TaintToleration' in html


def test_nowhere_and_who_has_to_leave() -> None:
    told = {"namespace": "default", "pod": "web", "node": "", "message": "0/1 nodes are available: 1 Too many pods.",
            "weights": {}, "nodes": [REFUSED], "preemption": NOBODY}  # fmt: skip
    found = Explanation(told)
    assert found.rows()[0] == ("NODE", "VERDICT")
    assert repr(found).startswith("web has no node. 0/1 nodes are available: 1 Too many pods.")
    made = Explanation(told | {"preemption": {"node": "node-2", "victims": ["default/low"], "message": ""}})
    assert made.headline.startswith("web waits for node-2, which low must leave.")
    supposed = Explanation(told, supposed=True)
    assert supposed.headline.startswith("web would have no node.")


def pod(*containers, **spec):
    return {"metadata": {"name": "web"}, "spec": {"containers": list(containers), **spec}}


def asks(cpu="", limit="", memory=""):
    requests = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"name": "c", "resources": {"requests": requests, "limits": {"cpu": limit} if limit else {}}}


BARE = {"name": "c"}
ALL = {"operator": "Exists"}


@pytest.mark.parametrize(
    ("before", "wishes", "after"),
    [
        (pod(asks("1")), {}, pod(asks("1"))),
        (pod(BARE), {"cpu": 2}, pod({"name": "c", "resources": {"requests": {"cpu": "2"}}})),
        (pod(asks("1", limit="1", memory="1Gi")), {"cpu": "2"}, pod(asks("2", memory="1Gi"))),
        (pod(asks("1"), asks("1")), {"cpu": "500m"}, pod(asks("500m"), asks())),
        (pod(asks("1"), initContainers=[asks("3")]), {"cpu": "2"}, pod(asks("2"), initContainers=[asks()])),
        (pod(asks("1"), resources={"requests": {"cpu": "3"}}), {"cpu": "2"},
         pod(asks("2"), resources={"requests": {}})),
        (pod(BARE, nodeSelector={"disk": "ssd"}), {"node_selector": {}}, pod(BARE, nodeSelector={})),
        (pod(BARE, tolerations=[{"key": "a"}]), {"tolerations": [ALL]}, pod(BARE, tolerations=[{"key": "a"}, ALL])),
        (pod(BARE, priority=9, priorityClassName="high", preemptionPolicy="Never"), {"priority_class": ""}, pod(BARE)),
        (pod(BARE, priority=0), {"priority_class": "high"}, pod(BARE, priorityClassName="high")),
    ],
)  # fmt: skip
def test_a_pod_with_other_wishes(before, wishes, after) -> None:
    kept = repr(before)
    assert otherwise(before, **wishes) == after
    assert repr(before) == kept
