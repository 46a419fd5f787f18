"""Cards in a page without a kernel: the card's own module and style, and a model that answers as the kernel would."""

from __future__ import annotations

import json

from k8slab.teach.cards import Card

LOOK = """
body {{ margin: 0; padding: 24px; background: {back}; --jp-layout-color1: {back}; --jp-ui-font-color0: {ink}; }}
#cards {{ display: grid; gap: 16px; max-width: 960px; margin: auto; }}
"""

MODEL = """
const module = await import(URL.createObjectURL(new Blob([window.source], {{ type: "text/javascript" }})));
window.sent = []; window.models = []; window.ends = [];
window.pictures.forEach((picture, i) => {{
  const heard = {{}};
  const model = {{
    get: () => ({{ seq: 0, now: Date.now() / 1000, picture }}),
    on: (name, f) => (heard[name] = f), off: (name) => delete heard[name],
    send: (message) => {{
      window.sent.push([i, message]);
      if (message.id) setTimeout(() => heard["msg:custom"]?.({{ type: "answer", id: message.id, ok: window.refuse === undefined, say: window.refuse }}));
    }},
    seq: 0,
    becomes(patch) {{ heard["msg:custom"]({{ type: "diff", seq: ++model.seq, now: Date.now() / 1000, patch }}); }},
    heard,
  }};
  window.models.push(model);
  const el = document.createElement("div");
  document.getElementById("cards").append(el);
  window.ends.push(module.default.render({{ model, el }}));
}});
window.ready = true;
"""


def html(*pictures, dark=False) -> str:
    """A page that shows a card for each picture."""
    back, ink = ("#111", "#fff") if dark else ("#fff", "#000")
    light = "false" if dark else "true"
    data = f"window.ready = false; window.refuse = undefined; window.source = {json.dumps(Card._esm)}; window.pictures = {json.dumps(pictures)};".replace(
        "</", "<\\/"
    )
    return (
        f"<!doctype html><meta charset=utf-8><style>{LOOK.format(back=back, ink=ink)}{Card._css}</style>"
        f"<body data-jp-theme-light={light}><div id=cards></div><script>{data}</script>"
        f"<script type=module>{MODEL.format()}</script>"
    )
