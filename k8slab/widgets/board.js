// The board: joins its parts to the picture the kernel sends. `render` is pure: it draws the model and gives back its clean-up.

class Board {
  constructor(model, el) {
    this.connection = Link.of(model);
    this.local = this.connection.local;
    this.link = "ready";
    this.first = true; // nothing is animated when the board itself appears
    this.seen = true;
    this.log = this.local.log ?? null;
    this.root = h("section", { class: "kl board", "data-lm-suppress-shortcuts": "true" });
    this.parts = [topPart, wishPart, waitingPart, nodesPart, pickPart, logPart, storyPart, footPart].map((part) => part(this));
    const [top, wish, waiting, nodes, pick, logs, story, foot] = this.parts.map((part) => part.el);
    [, , this.waiting, this.nodes] = this.parts;
    this.root.append(top, h("div", { class: "frame" }, h("div", { class: "main" }, wish, waiting, nodes, pick, logs), story), foot);
    this.root.addEventListener("keydown", (e) => this.key(e));
    el.append(this.root);
    this.motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.observer = new IntersectionObserver(([entry]) => this.watch(entry.isIntersecting));
    this.observer.observe(this.root);
    this.connection.add(this);
    this.paint();
    this.first = false;
    this.tick();
  }

  stop() {
    this.stopped = true;
    this.observer.disconnect();
    clearTimeout(this.timer), clearTimeout(this.slow);
    cancelAnimationFrame(this.frame);
    for (const part of this.parts) part.stop?.();
    this.connection.remove(this);
    this.root.remove();
  }

  // -- what is shown
  get picture() { return this.connection.picture; }
  now() { return this.connection.now(); }
  behind() { return this.connection.behind; }
  still() { return this.motion.matches; }
  pods() { return Object.values(this.picture.pods ?? {}); }
  told() { return this.trouble_ ?? this.picture.say ?? ""; }

  /** The wish told loudly: the one chosen, else that of the selected pod, else the oldest. */
  wish() {
    return this.picture.wishes?.[this.local.focus] ?? ordered(this.picture.wishes)[0];
  }

  /** How many are wished: what was asked for by a click, until the cluster says so too. */
  target(wish) {
    return this.local.target?.uid === wish.uid ? this.local.target.wants : wish.wants;
  }

  /** The selected pod; the last that was known of it when it is gone. */
  picked() {
    const { selected } = this.local;
    if (!selected) return null;
    const pod = this.picture.pods?.[selected];
    if (pod) return (this.local.last = pod);
    return this.local.last?.uid === selected ? { ...this.local.last, gone: true } : null;
  }

  /** How much of its grace a terminating pod has left, 1 to 0. */
  left01(pod) {
    return pod.ends > pod.began ? Math.min(1, Math.max(0, (pod.ends - this.now()) / (pod.ends - pod.began))).toFixed(3) : 1;
  }

  changed() {
    if (this.stopped) return;
    this.link = "ready";
    this.frame ??= requestAnimationFrame(() => ((this.frame = null), this.paint()));
  }

  paint() {
    const { target } = this.local, wish = target && this.picture.wishes?.[target.uid];
    if (target && (!wish || wish.wants === target.wants)) this.local.target = null;
    set(this.root, { "aria-label": `Board of the lab ${this.picture.lab?.name ?? ""}`, "data-density": this.picture.density });
    for (const part of this.parts) part.update();
    this.mark();
    this.tick();
  }

  /** Selection is told on the elements, so that it survives whatever is drawn anew. */
  mark() {
    for (const el of this.root.querySelectorAll("[data-uid]")) {
      const on = String(el.dataset.uid === this.local.selected);
      set(el, { [el.getAttribute("role") === "option" ? "aria-selected" : "aria-pressed"]: on });
    }
  }

  /** What only time changes. Ten times a second while a pod uses up its grace, else once; never while nobody looks. */
  tick() {
    clearTimeout(this.timer);
    if (this.stopped || !this.seen || document.visibilityState === "hidden") return;
    const leaving = this.pods().filter((pod) => pod.state === "terminating");
    for (const pod of leaving) {
      for (const el of this.root.querySelectorAll(`[data-uid="${CSS.escape(pod.uid)}"]`)) {
        set(el, { "--kl-left": this.left01(pod) });
        const pips = el.querySelector(".pips");
        if (pips) say(pips, `${Math.max(0, pod.ends - this.now()).toFixed(1)} s`);
      }
    }
    for (const part of this.parts) part.tick?.();
    for (const card of this.nodes.cards()) if (card.node?.silent) card.tick();
    if (this.pods().some((pod) => !pod.node && !pod.why)) this.waiting.update();
    this.timer = setTimeout(() => this.tick(), leaving.length && !this.still() ? 100 : 1000);
  }

  watch(seen) {
    if (seen === this.seen) return;
    this.seen = seen;
    this.root.classList.toggle("unseen", !seen);
    this.connection.looked();
    this.tick();
  }

  // -- what is done
  select(uid, go) {
    this.local.selected = uid;
    const pod = this.picture.pods?.[uid];
    const owner = pod?.owners[0] && ordered(this.picture.wishes).find((w) => w.kind === pod.owners[0][0] && w.name === pod.owners[0][1] && w.ns === pod.ns);
    if (owner) this.local.focus = owner.uid;
    this.paint();
    if (go) this.root.querySelector(".acts .kl-btn:not([hidden], [disabled])")?.focus();
  }

  focus(uid) {
    this.local.focus = uid;
    this.paint();
  }

  toggleCells(node) {
    const open = (this.local.cells ??= new Set());
    if (!open.delete(node)) open.add(node);
    this.paint();
  }

  act(what) {
    const pod = this.picked();
    if (!pod) return;
    if (what === "logs") this.readLog(false);
    else if (!pod.gone) this.ask({ do: what, uid: pod.uid });
  }

  scale(by) {
    const wish = this.wish(), replicas = Math.max(0, this.target(wish) + by);
    this.local.target = { uid: wish.uid, wants: replicas };
    this.paint();
    this.ask({ do: "scale", uid: wish.uid, replicas }).catch(() => ((this.local.target = null), this.paint()));
  }

  cordon(node) { this.ask({ do: "cordon", node: node.name, on: !node.cordoned }); }
  power(node) { this.ask({ do: "power", node: node.name, on: node.state === "off" || node.state === "silent" }); }

  readLog(previous) {
    const pod = this.picked();
    const { uid, name } = this.log && this.log.uid === pod?.uid ? this.log : pod ?? this.log;
    const log = (this.log = this.local.log = { uid, name, previous, text: null });
    this.paint();
    this.ask({ do: "logs", uid, previous }).then(({ text }) => (log.text = text), (error) => (log.text = error.message)).then(() => this.paint());
  }

  closeLog() {
    this.log = this.local.log = null;
    this.paint();
    this.root.querySelector('[data-act="logs"]')?.focus();
  }

  /** Ask the kernel; say so when it is late or refuses. */
  ask(message) {
    this.trouble_ = null;
    const late = () => this.trouble("The notebook’s kernel is busy or gone. Your click waits; run this cell again if nothing happens.", "starting");
    const asked = this.connection.ask(message, late);
    asked.then(() => this.link !== "ready" && ((this.trouble_ = null), this.changed()), (error) => message.do !== "logs" && this.trouble(error.message));
    return asked.catch((error) => { if (message.do === "scale" || message.do === "logs") throw error; });
  }

  trouble(text, link = "failed") {
    [this.trouble_, this.link] = [text, link];
    this.paint();
    clearTimeout(this.slow);
    this.slow = setTimeout(() => ((this.trouble_ = null), (this.link = "ready"), this.paint()), link === "failed" ? 8000 : 60000);
  }

  /** A pod's element is about to go: whoever was on it goes on from the next. */
  left(uid, el) {
    if (el !== document.activeElement) return;
    const all = [...this.root.querySelectorAll(".tile, .chip")];
    (all[all.indexOf(el) + 1] ?? all[all.indexOf(el) - 1])?.focus();
  }

  settle() {
    if (!this.stopped) this.nodes.update();
  }

  key(e) {
    e.stopPropagation(); // the notebook has keys of its own
    if (e.key !== "Escape") return;
    if (this.log && e.target.closest(".logs")) return this.closeLog();
    const tile = this.root.querySelector(`[data-uid="${CSS.escape(this.local.selected ?? "")}"]`);
    if (e.target.closest(".pick")) tile?.focus();
    else if (this.local.selected) (this.local.selected = null), this.paint();
  }
}

export default {
  render({ model, el }) {
    const board = new Board(model, el);
    return () => board.stop();
  },
};
