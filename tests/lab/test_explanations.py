from __future__ import annotations

from k8slab.lab.explanations import Explanation

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
