// What the views with a scene or a chart share: their life on a page, the line that is read aloud, and asking the kernel.
// view.js is below it, traffic.js, rollout.js and autoscale.js above. A subclass gives build() and update(), and may give tick().

class Live {
  constructor(model, el, cls, label) {
    this.link = Link.of(model);
    this.local = this.link.local;
    this.seen = true;
    this.motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.root = h("section", { class: `kl live ${cls}`, "data-lm-suppress-shortcuts": "true", "aria-label": label(this.picture) });
    this.root.addEventListener("keydown", (e) => e.stopPropagation()); // the notebook has keys of its own
    this.status = h("p", { class: "said", role: "status", "aria-live": "polite" });
    this.root.append(...this.build());
    el.append(this.root);
    this.watcher = new IntersectionObserver(([entry]) => this.watch(entry.isIntersecting));
    this.watcher.observe(this.root);
    this.sizer = new ResizeObserver(() => this.changed());
    this.sizer.observe(this.root);
    this.link.add(this);
    this.paint();
  }

  get picture() { return this.link.picture; }
  still() { return this.motion.matches; }
  hidden() { return this.stopped || !this.seen || document.visibilityState === "hidden"; }

  changed() {
    if (!this.stopped) this.frame ??= requestAnimationFrame(() => ((this.frame = null), this.paint()));
  }

  paint() {
    if (this.stopped) return;
    this.update();
    this.tell();
    clearTimeout(this.timer);
    if (this.tick && !this.hidden()) this.timer = setTimeout(() => this.tick(), 1000);
  }

  /** At most a sentence every two seconds. */
  tell() {
    this.teller ??= setTimeout(() => {
      [this.told, this.teller] = [Date.now(), null];
      say(this.status, this.trouble_ ?? (this.picture.problem ? "The cluster does not answer. This is how it was last seen." : this.picture.say ?? ""));
      this.status.classList.toggle("bad", Boolean(this.trouble_));
    }, Math.max(0, (this.told ?? 0) + 2000 - Date.now()));
  }

  watch(seen) {
    if (seen === this.seen) return;
    this.seen = seen;
    this.root.classList.toggle("unseen", !seen);
    this.link.looked();
    if (seen) this.changed();
  }

  trouble(text) {
    this.trouble_ = text;
    this.told = 0;
    clearTimeout(this.teller), (this.teller = null);
    this.tell();
    clearTimeout(this.slow);
    this.slow = setTimeout(() => ((this.trouble_ = null), this.changed()), 8000);
  }

  /** Ask the kernel to do something; a refusal is told in the status line. */
  ask(message) {
    const late = () => this.trouble("The notebook’s kernel is busy or gone. Your click waits; run this cell again if nothing happens.");
    return this.link.ask(message, late).then((answer) => ((this.trouble_ = null), this.changed(), answer), (error) => this.trouble(error.message));
  }

  stop() {
    this.stopped = true;
    this.watcher.disconnect(), this.sizer.disconnect();
    clearTimeout(this.timer), clearTimeout(this.slow), clearTimeout(this.teller);
    cancelAnimationFrame(this.frame);
    this.link.remove(this);
    this.root.remove();
  }
}

const glyphOf = (state, left) => h("span", { "data-state": state, "--kl-left": left }, h("span", { class: "kl-glyph", "aria-hidden": "true" }));
const press = (label, onclick, cls = "") => h("button", { class: `kl-btn ${cls}`, type: "button", onclick }, label);
/** 12345 as 12 345: a narrow space, in every language read as one number. */
const number = (n) => String(n ?? 0).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
const byOrder = (things) => Object.values(things ?? {}).sort((a, b) => a.order - b.order);

/** An SVG element, as h() makes HTML ones. */
function s(tag, props, ...kids) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(el, props ?? {});
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== false && kid !== undefined));
  return el;
}
