// The board: joins its parts to the picture the kernel sends. `render` is pure: it draws the model and gives back its clean-up.

class Board extends Stage {
  constructor(model, el) {
    super(model, el, "board");
    this.log = this.local.log ?? null;
    this.parts = [topPart, wishPart, lookPart, waitingPart, nodesPart, ownersPart, pickPart, logPart, consolePanel, storyPart, footPart].map((part) => part(this));
    const [top, wish, look, waiting, nodes, owners, pick, logs, exec, story, foot] = this.parts.map((part) => part.el);
    [, , , this.waiting, this.nodes, this.owners] = this.parts;
    this.root.append(top, h("div", { class: "frame" }, h("div", { class: "main" }, wish, look, waiting, nodes, owners, pick, logs, exec), story), foot);
    this.begin();
  }

  // -- what is shown
  several() { return (this.picture.namespaces ?? []).length > 1 && !this.local.ns; }
  here(thing) { return !this.local.ns || thing.ns === this.local.ns || !this.picture.namespaces?.includes(this.local.ns); }
  pods() { return Object.values(this.picture.pods ?? {}).filter((pod) => this.here(pod)); }
  wishes() { return ordered(this.picture.wishes).filter((wish) => this.here(wish)); }
  services() { return ordered(this.picture.services).filter((service) => this.here(service)); }
  /** The Service whose endpoints are lit up. */
  service() { return this.picture.services?.[this.local.service] ?? null; }

  /** The wish told loudly: the one chosen, else that of the selected pod, else the oldest. */
  wish() {
    const focus = this.picture.wishes?.[this.local.focus];
    return focus && this.here(focus) ? focus : this.wishes()[0];
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

  stop() {
    for (const part of this.parts) part.stop?.();
    super.stop();
  }

  draw() {
    const { target } = this.local, wish = target && this.picture.wishes?.[target.uid];
    if (target && (!wish || wish.wants === target.wants)) this.local.target = null;
    set(this.root, { "aria-label": `Board of the lab ${this.picture.lab?.name ?? ""}`, "data-density": this.picture.density });
    for (const part of this.parts) part.update();
    this.mark();
  }

  /** Selection is told on the elements, so that it survives whatever is drawn anew. */
  mark() {
    const service = this.service(), lit = new Set(service?.pods);
    for (const el of this.root.querySelectorAll("[data-uid]")) {
      const on = String(el.dataset.uid === this.local.selected);
      set(el, { [el.getAttribute("role") === "option" ? "aria-selected" : "aria-pressed"]: on });
      if (el.classList.contains("lit") === lit.has(el.dataset.uid)) continue;
      el.classList.toggle("lit", lit.has(el.dataset.uid));
      set(el, { "aria-description": lit.has(el.dataset.uid) ? `Gets the requests to ${service.name}` : null });
    }
  }

  /** What only time changes: ten times a second while a pod uses up its grace, else once. */
  beat() {
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
    return leaving.length && !this.still() ? 100 : 1000;
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
    else if (what === "exec" && !pod.gone) (this.local.wantsConsole = true), this.ask({ do: "exec", uid: pod.uid });
    else if (!pod.gone) this.ask({ do: what, uid: pod.uid });
  }

  scale(by) {
    const wish = this.wish(), replicas = Math.max(0, this.target(wish) + by);
    this.local.target = { uid: wish.uid, wants: replicas };
    this.paint();
    this.ask({ do: "scale", uid: wish.uid, replicas }).then((done) => done ?? ((this.local.target = null), this.paint()));
  }

  cordon(node) { this.ask({ do: "cordon", node: node.name, on: !node.cordoned }); }
  drain(node) { this.ask({ do: "drain", node: node.name }); }
  power(node) { this.ask({ do: "power", node: node.name, on: node.state === "off" || node.state === "silent" }); }

  hangUp() {
    this.ask({ do: "hang_up" });
    this.root.querySelector('[data-act="exec"]')?.focus();
  }

  readLog(previous) {
    const pod = this.picked();
    const { uid, name } = this.log && this.log.uid === pod?.uid ? this.log : pod ?? this.log;
    const log = (this.log = this.local.log = { uid, name, previous, text: null });
    this.paint();
    this.ask({ do: "logs", uid, previous }).then((answer) => ((log.text = answer?.text ?? this.wrong ?? ""), this.paint()));
  }

  closeLog() {
    this.log = this.local.log = null;
    this.paint();
    this.root.querySelector('[data-act="logs"]')?.focus();
  }

  /** A pod's element is about to go: whoever was on it goes on from the next. */
  left(uid, el) {
    if (el !== document.activeElement) return;
    const all = [...this.root.querySelectorAll(".tile, .chip")];
    (all[all.indexOf(el) + 1] ?? all[all.indexOf(el) - 1])?.focus();
  }

  settle() {
    if (!this.stopped) this.nodes.update(), this.owners.update();
  }

  escape(e) {
    if (this.log && e.target.closest(".logs")) return this.closeLog();
    const tile = this.root.querySelector(`[data-uid="${CSS.escape(this.local.selected ?? "")}"]`);
    if (e.target.closest(".pick")) tile?.focus();
    else if (this.local.selected) (this.local.selected = null), this.paint();
  }
}

export default staged(Board);
