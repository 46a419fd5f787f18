// Loop: each controller as a card: its wish beside what there is, and the three phases of its loop.

const PHASES = ["read", "compare", "act"], DOTS = 24;

class Loop extends Live {
  constructor(model, el) {
    super(model, el, "loop", (picture) => `Loops below ${picture.what ?? ""}`);
  }

  build() {
    this.title = h("h2");
    this.mode = h("div", { class: "sum" });
    this.hold = press("Hold", () => this.ask({ do: "hold" }));
    this.next = press("Step", () => this.ask({ do: "step" }), "primary");
    this.go = press("Run", () => this.ask({ do: "run" }));
    this.cards = h("ol", { class: "loops", "aria-label": "Loops, the owner before the owned" });
    this.none = h("p", { class: "dim none" }, "There is no such object now.");
    return [h("header", { class: "top" }, this.title, this.mode, h("div", { class: "acts" }, this.hold, this.next, this.go)), this.cards, this.none, h("div", { class: "ctl" }, this.status)];
  }

  update() {
    const { what, held, found, can, loops } = this.picture;
    say(this.title, `Loops below ${what ?? ""}`);
    say(this.mode, held ? "Held: nobody repairs anything. Five minutes at most." : can ? "Running by themselves." : "Running. Only a lab can hold them.");
    this.hold.disabled = held || !can || !found;
    this.next.disabled = this.go.disabled = !held;
    this.none.hidden = found;
    sync(this.cards, ordered(loops), (loop) => `${loop.kind}/${loop.name}`, () => card());
  }
}

function card() {
  const name = h("h3"), gap = h("span", { class: "gap" }), wish = h("p"), real = h("p"), phases = h("ol", { class: "phases" });
  const el = h("li", { class: "one" }, h("div", { class: "head" }, name, gap), h("div", { class: "pair" }, wish, real), phases);
  const dots = (n, cls) => h("span", { class: `dots ${cls}`, "aria-hidden": "true" }, Array.from({ length: Math.min(n, DOTS) }, () => h("i")));
  return { el, update(loop) {
    const apart = loop.wish - loop.real;
    say(name, `${loop.kind} ${loop.name}`);
    say(gap, apart ? `${Math.abs(apart)} ${apart > 0 ? "missing" : "too many"}` : "as wished");
    el.classList.toggle("open", apart !== 0);
    wish.replaceChildren(h("span", { class: "word" }, "Wish"), h("b", null, loop.wish), dots(loop.wish, "wished"));
    real.replaceChildren(h("span", { class: "word" }, "Reality"), h("b", null, loop.real), dots(loop.real, "is"), h("span", { class: "small dim" }, loop.unit));
    phases.replaceChildren(...PHASES.map((phase) => h("li", { class: phase === loop.phase ? "at" : "", "aria-current": phase === loop.phase ? "step" : null }, h("b", null, phase[0].toUpperCase() + phase.slice(1)), h("span", null, loop.said[phase] ?? ""))));
  } };
}

export default staged(Loop);
