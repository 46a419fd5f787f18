"""A plain page with a view's own JavaScript and a pretended anywidget model, for tests in a real browser."""

from __future__ import annotations

import shutil
import time
from typing import Any

from k8slab.widgets import story
from k8slab.widgets.board import Board, about
from k8slab.widgets.board_model import Facts, picture
from k8slab.widgets.delta import diff
from tests.widgets import cluster

CHROMIUM = shutil.which("chromium")  # else the one Playwright brings
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
DARK = (
    "--jp-layout-color0:#111;--jp-layout-color1:#212121;--jp-ui-font-color0:#fff;"
    "--jp-brand-color1:#1976d2;--jp-brand-color2:#64b5f6"
)
HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>a view</title><style>{css}</style></head>
<body data-jp-theme-light="{light}" style="margin:0;padding:20px;background:{ground};{theme}">
<button id="before">before</button><main id="out"></main></body></html>"""
MODEL = """async ([esm, state]) => {
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const hearers = { "msg:custom": new Set(), comm_live_update: new Set() };
  window.sent = [];
  window.fire = (event, ...what) => [...hearers[event]].forEach((hear) => hear(...what));
  window.heard = (message) => fire("msg:custom", message);
  window.listening = () => Object.values(hearers).reduce((sum, some) => sum + some.size, 0);
  window.model = {
    get: (name) => (name === "state" ? state : undefined),
    on: (event, hear) => hearers[event]?.add(hear),
    off: (event, hear) => hearers[event]?.delete(hear),
    send: (message) => window.sent.push(message),
  };
  const el = document.getElementById("out");
  window.show = () => {
    window.stop = module.default.render({ model: window.model, el });
  };
  window.show();
}"""


def dress(page: Any, esm: str, css: str, state: dict[str, Any], *, dark: bool = False) -> None:
    """Fill a page with a view's script and style; `state` is what its model starts from."""
    light = {"light": "true", "ground": "#fff", "theme": ""}
    page.set_content(HTML.format(css=css, **({"light": "false", "ground": "#111", "theme": DARK} if dark else light)))
    page.evaluate(MODEL, [esm, state])


class Shown:
    """A board on a page. `becomes` sends the next picture, as the kernel would."""

    def __init__(self, page: Any, *objects: Any, speed: float = 10.0, dark: bool = False, **abilities: Any) -> None:
        self.page, self.seq, self.speed = page, 1, speed
        self.lab = cluster.FakeLab(speed=speed, **abilities)
        self.story: dict[str, Any] = {}
        self.drawn: dict[str, Any] = {}
        self.picture = self._draw(objects)
        dress(page, Board._esm, Board._css, {"seq": 1, "now": time.time(), "picture": self.picture}, dark=dark)

    def becomes(self, *objects: Any) -> None:
        old, self.picture = self.picture, self._draw(objects)
        self.seq += 1
        self.hear(type="diff", seq=self.seq, now=time.time(), patch=diff(old, self.picture))

    def hear(self, **message: Any) -> None:
        self.page.evaluate("(message) => heard(message)", message)

    def whole(self) -> None:
        self.hear(type="state", seq=self.seq, now=time.time(), picture=self.picture)

    def sent(self, do: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("(what) => sent.filter((m) => m.do === what)", do)
        return found

    def tell(self, *deeds: story.Deed) -> None:
        self.story = story.told(story.advance((), [], deeds, time.time()))

    def _draw(self, objects: Any) -> dict[str, Any]:
        facts = Facts(time.time(), self.speed, getattr(self, "off", {}))
        self.drawn = picture(cluster.snapshot(*objects), facts, self.drawn)
        return {**self.drawn, "story": self.story, "lab": about(self.lab), "problem": ""}


FAULTS = """() => {
  // What axe-core would find first: names, sizes, contrast. Colours are read back from a canvas, in any notation.
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const canvas = pixel.getContext("2d", { willReadFrequently: true });
  const over = (colour, below) => {
    canvas.fillStyle = `rgb(${below.join()})`, canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour, canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = (el) => {
    const line = [];
    for (; el; el = el.parentElement) line.unshift(el);
    return line.reduce((below, one) => over(getComputedStyle(one).backgroundColor, below), [255, 255, 255]);
  };
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const faults = [];
  const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
  if (new Set(ids).size < ids.length) faults.push("an id is used twice");
  for (const el of document.querySelectorAll(".kl button, .kl [role=option], .kl [role=img], .kl section")) {
    if (!el.offsetParent) continue;
    const name = el.getAttribute("aria-label") || (el.tagName === "BUTTON" && el.textContent);
    if (!name?.trim() || /null|undefined/.test(name)) faults.push(`no name: ${el.outerHTML.slice(0, 90)}`);
    const box = el.getBoundingClientRect();
    if (el.tagName === "BUTTON" && Math.min(box.width, box.height) < 24) faults.push(`too small to hit: ${name}`);
  }
  const texts = document.createTreeWalker(document.querySelector(".kl"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const el = texts.currentNode.parentElement, style = getComputedStyle(el);
    if (!texts.currentNode.data.trim() || !el.offsetParent || el.closest(".vh, [disabled]")) continue;
    if (parseFloat(style.fontSize) < 11) faults.push(`${style.fontSize}: ${el.textContent}`);
    const below = ground(el), ratio = contrast(over(style.color, below), below);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${el.className} ${el.textContent.slice(0, 40)}`);
  }
  return faults;
}"""
