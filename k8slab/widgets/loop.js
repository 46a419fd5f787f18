// Loop: each controller as a card: its wish beside what there is, and the three phases of its loop; above them how they run.

const PHASES = ["read", "compare", "act"], DOTS = 24;
const WAYS = { run: "On", slow: "Slow motion", hand: "By hand", off: "Off" };
const ASKED = { run: "run", slow: "slow", hand: "hold", off: "off" };
const NOTES = {
  run: "The controllers run by themselves, faster than the eye.",
  slow: "Each loop is let go one phase at a time.",
  hand: "Held: nobody repairs anything until you step.",
  off: "Held: nobody repairs anything. Kubelets go on, and start a container again that ends; scheduler and endpoints go on, too.",
};

class Loop extends Live {
  constructor(model, el) {
    super(model, el, "loop", (picture) => `Loops below ${picture.what ?? ""}`);
  }

  build() {
    this.title = h("h2"), this.stands = h("p", { class: "sentence" }), this.note = h("p", { class: "dim small note" });
    this.ways = Object.entries(WAYS).map(([way, word]) => set(press(word, () => this.ask({ do: ASKED[way] }), "quiet"), { "data-way": way }));
    this.next = press("Step", () => this.ask({ do: "step" }), "primary");
    this.pause = h("input", { type: "range", min: "0.5", max: "5", step: "0.5", onchange: () => this.ask({ do: "slow", pause: Number(this.pause.value) }), oninput: () => this.paced() });
    this.pauseText = h("output");
    this.pace = h("label", { class: "pace" }, "Pause", this.pause, this.pauseText);
    this.cards = h("ol", { class: "loops", "aria-label": "Loops, the owner before the owned" });
    const acts = h("div", { class: "acts" }, this.pace, this.next, h("div", { class: "seg", role: "group", "aria-label": "The controllers" }, this.ways));
    return [h("header", { class: "top" }, this.title, acts), this.stands, this.note, this.cards, h("div", { class: "ctl" }, this.status)];
  }

  update() {
    const { what, mode = "run", held, found, can, loops, pause, stands } = this.picture;
    say(this.title, `Loops below ${what ?? ""}`), say(this.stands, stands ?? "");
    for (const el of this.ways) set(el, { "aria-pressed": String(el.dataset.way === mode) }), (el.disabled = !can || (!found && !held));
    this.next.hidden = mode !== "hand", this.pace.hidden = mode !== "slow";
    if (document.activeElement !== this.pause) this.pause.value = pause ?? 1.5;
    this.paced();
    set(this.root, { "data-mode": mode, "--pause": `${(pause ?? 1.5) * 1000}ms` });
    this.left();
    sync(this.cards, ordered(loops), (loop) => `${loop.kind}/${loop.name}`, () => card());
    this.waits();
  }

  paced() { say(this.pauseText, `${Number(this.pause.value)} s`); }

  /** While they are held time runs: until the lab lets go, and since somebody should have acted. */
  beat() {
    if (!this.picture.held) return 0;
    this.left(), this.waits();
    return 1000;
  }

  left() {
    const { mode = "run", until, can } = this.picture;
    const text = can ? NOTES[mode] : "Running. Only a lab can hold them.";
    say(this.note, until ? `${text} Five minutes at most: ${span(until - this.now())} left.` : text);
  }

  waits() {
    const { mode, since } = this.picture;
    for (const [key, { el }] of this.cards.kids ?? []) {
      const at = since?.[key];
      say(el.querySelector(".since"), mode === "off" && at ? `, for ${span(this.now() - at)} now` : "");
    }
  }
}

function card() {
  const name = h("h3"), gap = h("span"), wish = h("p"), real = h("p"), phases = h("ol", { class: "phases" });
  const el = h("li", { class: "one" }, h("div", { class: "head" }, name, h("p", { class: "gap" }, gap, h("span", { class: "since" }))), h("div", { class: "pair" }, wish, real), phases);
  const dots = (n, cls, more = 0) => h("span", { class: `dots ${cls}`, "aria-hidden": "true" }, Array.from({ length: Math.min(n, DOTS) }, () => h("i")), Array.from({ length: Math.min(Math.max(0, more), DOTS - Math.min(n, DOTS)) }, () => h("i", { class: "lacks" })));
  return { el, update(loop) {
    const apart = loop.wish - loop.real;
    say(name, `${loop.kind} ${loop.name}`), say(gap, loop.gap);
    el.classList.toggle("open", apart !== 0);
    el.classList.toggle("works", Boolean(loop.phase));
    wish.replaceChildren(h("span", { class: "word" }, "Wish"), h("b", null, loop.wish), dots(loop.wish, "wished"));
    real.replaceChildren(h("span", { class: "word" }, "Reality"), h("b", null, loop.real), dots(loop.real, "is", apart), h("span", { class: "small dim" }, loop.unit));
    phases.replaceChildren(...PHASES.map((phase) => h("li", { class: phase === loop.phase ? "at" : "", "aria-current": phase === loop.phase ? "step" : null }, h("b", null, phase[0].toUpperCase() + phase.slice(1)), h("span", null, loop.said[phase] ?? ""))));
  } };
}

export default staged(Loop);
