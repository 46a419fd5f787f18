// The browser's half of base.py: one link per model, however many times it is shown, and the few helpers all views draw with.
// Files of this folder are joined into one module (base.py, `source`), so nothing here is imported or exported.
// Text reaches the page through textContent and attributes only, never as markup.

const LATE = 4000; // ms without an answer before the view says so
const GONE = "The notebook’s kernel was restarted or has ended: this is the last it showed. Run this cell again.";
const links = new WeakMap(); // model -> Link: kept apart from the page's elements, which come and go

/** The picture after a JSON merge patch (delta.py). What the patch does not touch stays the same object. */
function applied(old, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const now = old !== null && typeof old === "object" && !Array.isArray(old) ? { ...old } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete now[key];
    else now[key] = applied(now[key], value);
  }
  return now;
}

/** What connects a model's views to its kernel: the picture, its sequence number, and questions on their way. */
class Link {
  constructor(model) {
    const start = model.get("state") ?? {};
    this.model = model;
    this.client = Math.random().toString(36).slice(2);
    this.picture = start.picture ?? {};
    this.seq = start.seq ?? 0;
    this.behind = 0; // how far the kernel's clock is behind the browser's, in seconds
    this.local = {}; // what the reader chose: outlives the elements
    this.views = new Set();
    this.asked = new Map();
    this.hear = (message) => this.heard(message);
    this.lose = () => this.lost();
    this.look = () => {
      this.looked();
      for (const view of this.views) view.tick?.();
    };
    this.leave = () => this.send({ do: "bye" });
    this.back = () => this.send({ do: "hello", on: this.on });
  }

  static of(model) {
    if (!links.has(model)) links.set(model, new Link(model));
    return links.get(model);
  }

  add(view) {
    this.views.add(view);
    if (this.views.size > 1) return;
    this.model.on("msg:custom", this.hear);
    this.model.on("comm_live_update", this.lose); // ipywidgets says it when the kernel behind the model is gone
    document.addEventListener("visibilitychange", this.look);
    addEventListener("pagehide", this.leave), addEventListener("pageshow", this.back);
    this.on = true;
    this.send({ do: "hello", on: true });
  }

  remove(view) {
    this.views.delete(view);
    if (this.views.size) return;
    this.send({ do: "bye" });
    this.model.off("msg:custom", this.hear);
    this.model.off("comm_live_update", this.lose);
    document.removeEventListener("visibilitychange", this.look);
    removeEventListener("pagehide", this.leave), removeEventListener("pageshow", this.back);
  }

  /** Nobody is there any more to be asked. A message heard later says that somebody is. */
  lost() {
    if (this.dead) return;
    this.dead = true;
    for (const answered of this.asked.values()) answered({ ok: false, say: GONE });
    this.asked.clear();
    for (const view of this.views) view.lost?.();
  }

  /** Tell the kernel whether anybody can see this, when that has changed. */
  looked() {
    const on = document.visibilityState !== "hidden" && [...this.views].some((view) => view.seen);
    if (on === this.on) return;
    this.on = on;
    this.send({ do: "seen", on, seq: this.seq });
  }

  heard(message) {
    this.dead = false;
    if (message.now) this.behind = Date.now() / 1000 - message.now;
    if (message.type === "state") {
      this.resyncing = false;
      [this.picture, this.seq] = [message.picture, message.seq];
    } else if (message.type === "diff") {
      if (message.seq <= this.seq) return;
      if (message.seq !== this.seq + 1) return this.resync();
      [this.picture, this.seq] = [applied(this.picture, message.patch), message.seq];
    } else if (message.type === "answer") {
      this.asked.get(message.id)?.(message);
      this.asked.delete(message.id);
      return;
    }
    for (const view of this.views) message.type === "trouble" ? view.trouble(message.say) : view.changed();
  }

  resync() {
    if (this.resyncing) return;
    this.resyncing = true;
    this.send({ do: "resync" });
  }

  send(message) {
    try {
      this.model.send({ ...message, client: this.client });
    } catch {
      this.lost(); // a connection that was taken down refuses
    }
  }

  /** Ask the kernel to do something. `late` is called if it keeps us waiting; a refusal is thrown. */
  ask(message, late) {
    const id = Math.random().toString(36).slice(2);
    const timer = setTimeout(late, LATE);
    return new Promise((done, failed) => {
      this.asked.set(id, (answer) => {
        clearTimeout(timer);
        answer.ok ? done(answer) : failed(new Error(answer.say));
      });
      this.send({ ...message, id });
    });
  }

  /** Seconds since 1970, by the kernel's clock. */
  now() {
    return Date.now() / 1000 - this.behind;
  }
}

/** An element: h("p", { class: "dim", onclick }, "text", child, …). Null and false children are left out. */
function h(tag, props, ...kids) {
  const el = document.createElement(tag);
  set(el, props ?? {});
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== false && kid !== undefined));
  return el;
}

/** Set properties, touching only what differs. `on…` is a listener, `--x` a style, null takes an attribute away. */
function set(el, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) el[name] = value;
    else if (name.startsWith("--")) el.style.setProperty(name, value);
    else if (value === null || value === false) el.removeAttribute(name);
    else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value === true ? "" : value);
  }
  return el;
}

/** Put text in, if it is another. */
function say(el, text) {
  if (el.textContent !== String(text)) el.textContent = text;
  return el;
}

/** `**bold**` as elements, the rest as text. */
function rich(text) {
  return text.split("**").map((part, i) => (i % 2 ? h("b", null, part) : part));
}

/** Make `parent` hold one element for each item, reusing those of the same key. `make(item)` gives { el, update(item) }. */
function sync(parent, items, key, make) {
  const kids = (parent.kids ??= new Map());
  const keys = new Set(items.map(key));
  for (const [k, kid] of kids) if (!keys.has(k)) kid.el.remove(), kids.delete(k);
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    let kid = kids.get(k);
    if (!kid) kids.set(k, (kid = make(item)));
    if (kid.item !== item) kid.update?.((kid.item = item));
    if (kid.el === at) at = at.nextElementSibling;
    else parent.insertBefore(kid.el, at);
  }
}

/** A time span, short: 8 s, 3 min, 2 h, 5 days. */
function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}
