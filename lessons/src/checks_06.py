"""The exercises of lesson 06: what each one asks of the cluster. `checks_05.py` says how checks are written."""

from k8slab import Lab
from k8slab.teach import Ask, check

NO_WEB = "There is no Deployment `web`. Run the manifest at the start of the lesson again."
NO_SHOP = "There is no Service `shop`. Start the exercise over."
EMPTY = "`shop` still asks for `{selector}`, and no pod has that."
NOT_WEBS = "`shop` leads to `{pod}`, which is no pod of `web`."
MOVED_PODS = (
    "The pods of `web` should stay as they are: change the selector of `shop` instead. Start the exercise over."
)
NO_FRONT = "There is no Service `front` yet."
WRONG_PORT = "`front` is called on port {port}, and 8000 is asked for."
WRONG_TARGET = "`front` sends requests to port {port} of the pods. They listen on 8080."
NO_ADDRESS = "No ready pod of `web` is behind `{service}` yet."
NO_ANSWER = "All looks right, and `{url}` is not answered yet."
NO_NEXT = "There is no Deployment `next` yet."
NOT_V2 = "`next` runs the image `{image}`, and `k8slab/web:v2` is asked for."
COUNT = "`{name}` wishes for {wish} pods, and {asked} are asked for."
NOT_BEHIND = "The pod of `next` has the labels `{labels}`, and the Service `web` asks for `app=web`."
SERVICE_CHANGED = "The Service `web` asks for `{selector}`. It should ask for `app=web` alone, as before."
GROWING = "{count} of four pods are behind `web`."


def shop_leads_nowhere(lab: Lab) -> None:
    """Before the exercise: a Service with a mistyped selector."""
    ports = [{"port": 80, "targetPort": 8080}]
    meta = {"name": "shop"}
    lab.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": "wed"}, "ports": ports}}
    )


@check("nobody", start=shop_leads_nowhere)
def nobody(lab: Lab, ask: Ask) -> str:
    shop = lab.read("service/shop")
    ask.begun(shop, NO_SHOP)
    selector = shop.spec.get("selector") or {}
    ask.begun(selector != {"app": "wed"} or behind(lab, "shop"), EMPTY, selector=written(selector))
    ask.that(selector != {"app": "wed"}, MOVED_PODS)
    mine = {pod.name for pod in lab.pods("app=web")}
    ask.that(lab.pods(written(selector)), EMPTY, selector=written(selector))
    for pod in behind(lab, "shop"):
        ask.that(pod in mine, NOT_WEBS, pod=pod)
    ask.soon(behind(lab, "shop"), NO_ADDRESS, service="shop")
    ask.soon(answers(lab, "http://shop"), NO_ANSWER, url="http://shop")
    return "`http://shop` is answered by pods of `web`."


@check("front")
def front(lab: Lab, ask: Ask) -> str:
    found = lab.read("service/front")
    ask.begun(found, NO_FRONT)
    port = found.spec["ports"][0]
    ask.that(port["port"] == 8000, WRONG_PORT, port=port["port"])
    ask.that(port.get("targetPort", port["port"]) == 8080, WRONG_TARGET, port=port.get("targetPort", port["port"]))
    ask.soon(set(behind(lab, "front")) & {pod.name for pod in lab.pods("app=web")}, NO_ADDRESS, service="front")
    ask.soon(answers(lab, "http://front:8000"), NO_ANSWER, url="http://front:8000")
    return "`http://front:8000` is answered by pods of `web`."


@check("share")
def share(lab: Lab, ask: Ask) -> str:
    web, following, service = lab.read("deployment/web"), lab.read("deployment/next"), lab.read("service/web")
    ask.begun(following, NO_NEXT)
    ask.that(web, NO_WEB)
    selector = service.spec.get("selector") if service else {}
    ask.that(selector == {"app": "web"}, SERVICE_CHANGED, selector=written(selector))
    image = following.spec["template"]["spec"]["containers"][0]["image"]
    ask.that(image == "k8slab/web:v2", NOT_V2, image=image)
    for found, name, asked in ((web, "web", 3), (following, "next", 1)):
        ask.that(found.spec["replicas"] == asked, COUNT, name=name, wish=found.spec["replicas"], asked=asked)
    labels = following.spec["template"]["metadata"]["labels"]
    ask.that(labels.get("app") == "web", NOT_BEHIND, labels=written(labels))
    ask.soon(len(behind(lab, "web")) == 4, GROWING, count=len(behind(lab, "web")))
    return "Three pods of `web` and one of `next` answer at `http://web`."


def behind(lab, service):
    """The names of the ready pods a Service sends requests to."""
    slices = lab.api.list("EndpointSlice", lab.namespace, f"kubernetes.io/service-name={service}")
    found = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
    return [e["targetRef"]["name"] for e in found if "targetRef" in e and e["conditions"].get("ready") is not False]


def answers(lab, url):
    """Whether somebody answers there now."""
    try:
        return lab.get(url).ok
    except Exception:
        return False


def written(labels):
    return ",".join(f"{name}={value}" for name, value in (labels or {}).items()) or "nothing"
