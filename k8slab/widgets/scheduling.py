"""Scheduling: why a pod went to its node or to none, filter by filter, score by score; what if it wished otherwise.

`lab.scheduling("pod")` shows it. `scheduling_model.py` makes the picture, `scheduling_wishes.py` knows what can be
turned, `scheduling.js` draws. The lab's scheduler tells why (`lab.explain`) and thinks through what is asked
(`lab.what_if`); on another cluster the view shows what the API tells, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api.objects import Obj
from k8slab.lab.explanations import otherwise
from k8slab.settings import LabError
from k8slab.widgets import scheduling_model as model
from k8slab.widgets import scheduling_wishes as wishes
from k8slab.widgets import scheduling_words as words
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.scheduling_wishes import Wish
from k8slab.widgets.scheduling_words import Why
from k8slab.widgets.watching import LabView, Memo

ELSEWHERE = (
    "A cluster's scheduler keeps its scores to itself and cannot be asked what if: only a lab's tells. "
    "Below is what the API knows."
)
THEN = "The points are of the moment it was placed. Room, labels and taints are as they are now."
NOBODY = "Nobody is there to be placed: create a pod, or a Deployment that makes some."


def show(lab: Any, pod: Any = None) -> Scheduling:
    """The view of a pod's scheduling; without one, of whoever waits for a node."""
    name = str(getattr(pod, "name", pod) or "").removeprefix("pod/")
    if name and lab.api.find("Pod", name, lab.namespace) is None:
        raise LabError(f"The namespace {lab.namespace!r} has no pod {name!r}. `kubectl get pods` lists them.")
    view = Scheduling.of(lab, name)
    if name:
        view.post(lambda: view.choose(name))
    return view


class Scheduling(LabView):
    """One pod's decision, another pod to be chosen, other wishes to be tried."""

    KINDS = model.KINDS
    lab: Any  # a Lab: it is asked why
    _esm = source(*STAGE, "live.js", "scheduling_rows.js", "scheduling.js")
    _css = source("tokens.css", "live.css", "scheduling.css")

    def __init__(self, lab: Any, pod: str) -> None:
        self._name, self._namespace = pod, lab.namespace
        self._taken, self._choices = Memo(model.taken), Memo(model.choice)
        self._why: Why = {}
        self._heard: object = None  # what the account of the decision was asked for
        self._wish: Wish | None = None
        self._supposed: Why = {}
        self._refused = ""  # why there is no answer to the wish
        super().__init__(lab, pod)

    @property
    def can(self) -> bool:
        """Whether there is a scheduler to be asked."""
        return self.lab.context is None

    def draw(self) -> Picture:
        """The pod's decision, or what it would be."""
        pods = model.pods_of(self.latest, self._namespace)
        pod = next((each for each in pods if each["metadata"]["name"] == self._name), pods[0] if pods else None)
        if pod is not None and pod["metadata"]["name"] != self._name:
            self.choose(pod["metadata"]["name"])
        shared = {"pods": model.listing(self._choices.of(pods)), "pod": self._name if pod else "", "can": self.can}
        shared |= {"problem": self.problem, "offered": self._offered(), "note": "" if self.can else ELSEWHERE}
        return shared | (self._decision(pod) if pod else _nobody())

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose another pod; wish for something else; back to what happened."""
        do = message.get("do")
        if do == "choose":
            self.choose(str(message.get("pod")))
        elif do == "wish":
            if not self.can:
                raise LabError(ELSEWHERE)
            if message.get("pod", self._name) == self._name:  # one on its way when another was chosen means nothing
                self._wish, self._heard = wishes.read(message, self._offered()), None
        elif do == "forget":
            self._wish = None
        else:
            return super().act(message)
        return {}

    def text(self) -> str:
        """The decision in plain words."""
        return words.text(self._picture)

    def html(self) -> str:
        """The same as a table, for a page."""
        return words.html(self._picture)

    def choose(self, name: str) -> None:
        """Look at another pod."""
        if self._name != name:
            self._name, self._wish, self._heard, self._why = name, None, None, {}

    def _offered(self) -> Picture:
        return wishes.choices(self.latest.get("Node", ()), self.latest.get("PriorityClass", ()))

    def _decision(self, pod: Obj) -> Picture:
        nodes, events = self.latest.get("Node", ()), self.latest.get("Event", ())
        room = model.rooms(nodes, self._taken.of(self.latest.get("Pod", ())), pod["metadata"]["uid"])
        self._ask(pod, (model.decided(pod, events), room if self._wish else None, self._wish))
        wish = self._wish
        supposed = wish is not None
        why = self._supposed if supposed else self._why
        wished = otherwise(pod, **wish.arguments) if wish else pod
        ask, said = model.asks(wished)
        keys = [*(wished["spec"].get("nodeSelector") or {}), *(pod["spec"].get("nodeSelector") or {})]
        say, detail = self._sentences(pod, why, supposed)
        return {
            "say": say,
            "detail": detail,
            "asks": said,
            "count": model.counted(why) if why else words.plural(len(nodes), "node"),
            "filters": model.filters(why),
            "silent": model.silent(why),
            "scores": model.scores(why),
            "rows": model.rows(nodes, why, room, ask, dict.fromkeys(keys)),
            "told": model.told(pod, events, why, supposed),
            "wish": {"cpu": ask["cpu"], "memory": ask["memory"] // wishes.MIB, **_turned(wish)},
            "supposed": supposed,
            "then": THEN if why and not supposed and model.node_of(pod) else "",
            "line": wish.line(self._name) if wish else "",
        }

    def _sentences(self, pod: Obj, why: Why, supposed: bool) -> tuple[str, str]:
        if supposed and not why:
            return f"**{self._name}** cannot be asked for so.", self._refused
        if not why:
            return model.unexplained(pod, self.can)
        detail = words.lead(why) if why["node"] else words.reasons(why["message"])
        return words.sentence(why, supposed, model.node_of(pod)), detail

    def _ask(self, pod: Obj, heard: object) -> None:
        """Have the scheduler tell, whenever what it was asked for has changed and somebody looks."""
        if not self.can or not self._watched or heard == self._heard:
            return
        self._heard = heard
        try:
            if self._wish is not None:
                self._supposed, self._refused = {}, ""
                self._supposed = self.lab.what_if(self._name, **self._wish.arguments).data
            else:
                self._why = self.lab.explain(self._name).data
        except LabError as error:
            self._refused = str(error)
            self._why = self._why if self._wish else {}


def _turned(wish: Wish | None) -> Picture:
    """The controls that were turned: as they stand now, without those that were not."""
    if wish is None:
        return {"turned": []}
    chosen = {"selector": wish.selector, "priority": wish.priority}
    turned = [field for field in ("cpu", "memory", "selector", "priority") if getattr(wish, field) is not None]
    return {"turned": turned, "tolerate": list(wish.tolerate), **{k: v for k, v in chosen.items() if v is not None}}


def _nobody() -> Picture:
    empty: Picture = {
        "then": "",
        "filters": [],
        "silent": "",
        "scores": [],
        "rows": {},
        "told": [],
        "asks": [],
        "wish": {},
    }
    return {**empty, "say": "There is no pod here.", "detail": NOBODY, "count": "", "supposed": False, "line": ""}
