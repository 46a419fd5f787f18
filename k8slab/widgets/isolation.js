// Isolation: fences as steps to walk through, what the process sees at each, and three ways to run side by side.

const SIDES = { process: "process, no fence", container: "container: every fence", vm: "virtual machine" };

class Isolation extends Stage {
  constructor(model, el) {
    super(model, el, "live isolation");
    this.title = h("p", { class: "sentence" });
    this.again = button("", "Look again", () => this.ask({ do: "look" }), "Look again");
    this.steps = h("ol", { class: "steps", role: "listbox", "aria-label": "Fences, one more at a time" });
    this.head = h("h3"), this.call = h("code"), this.why = h("p", { class: "why" }), this.sees = h("dl", { class: "sees" });
    this.seen_ = h("section", { class: "panel seen", "aria-label": "What it sees" }, h("div", { class: "about" }, this.head, this.call), this.why, this.sees);
    this.body = h("tbody");
    const head = Object.values(SIDES).map((name) => h("th", { scope: "col" }, name));
    this.sides = h("section", { class: "panel", "aria-label": "Side by side" }, h("h3", null, "Side by side"),
      h("table", null, h("thead", null, h("tr", null, h("td"), head)), this.body));
    this.root.append(
      h("header", { class: "top" }, h("h2", null, "What a process sees"), this.again),
      h("div", { class: "main" }, this.title, h("div", { class: "frame" }, this.steps, this.seen_), this.sides, h("div", { class: "vh" }, this.live.el)),
    );
    walk(this.steps, "[role=option]", (el, key) => (key === "Enter" || key === " ") && (this.choose(el.dataset.key), true));
    this.steps.addEventListener("focusin", (e) => e.target.dataset.key && this.choose(e.target.dataset.key));
    this.begin();
  }

  told() {
    const { chosen } = this.local, step = this.picture.steps[chosen];
    return this.picture.problem || (step?.changed.length ? `${step.title}: changed ${this.named(step.changed)}.` : this.picture.say);
  }

  named(keys) { return this.picture.aspects.filter(({ key }) => keys.includes(key)).map(({ name }) => name).join(", "); }

  choose(key) {
    if (this.local.chosen === key) return;
    this.local.chosen = key;
    for (const view of this.connection.views) view.changed();
  }

  draw() {
    const now = this.picture, steps = Object.entries(now.steps).map(([key, step]) => ({ key, ...step })).sort((a, b) => a.order - b.order);
    set(this.root, { "aria-label": "What a process sees" });
    say(this.title, now.problem || now.say);
    this.again.disabled = !now.done;
    const chosen = now.steps[this.local.chosen] ? this.local.chosen : "process";
    sync(this.steps, steps.map((step) => ({ ...step, chosen: step.key === chosen })), (step) => step.key, () => {
      const name = h("span"), news = h("span", { class: "dim small" });
      const el = h("li", { role: "option", class: "step" }, glyph(), h("span", { class: "words" }, name, news));
      el.onclick = () => (el.focus(), this.choose(el.dataset.key));
      return { el, update: (step) => {
        set(el, { "data-key": step.key, "data-state": step.ok ? "ready" : "failed", "aria-selected": String(step.chosen), "aria-label": step.ok ? step.title : `${step.title}, refused here` });
        say(name, step.order && step.key !== "vm" ? `+ ${step.title}` : step.title);
        say(news, !step.ok ? "refused here" : step.changed.length ? `changes ${this.named(step.changed)}` : step.order && step.key !== "vm" ? "changes nothing asked here" : "");
      } };
    });
    stops(this.steps, "[role=option]", (el) => el.dataset.key === chosen);
    this.seen_.hidden = !steps.length, this.sides.hidden = !now.done;
    if (steps.length) this.drawSeen(now.steps[chosen] ?? steps[0], now.aspects);
    if (now.done) this.drawSides(now);
  }

  drawSeen(step, aspects) {
    say(this.head, step.title), say(this.call, step.call), say(this.why, step.ok ? "" : `This machine refuses it: ${step.why}`);
    this.why.hidden = step.ok;
    sync(this.sees, step.ok ? aspects.map((one) => ({ ...one, value: step.sees[one.key], news: step.changed.includes(one.key) })) : [], (one) => one.key, (one) => {
      const value = h("dd"), el = h("div", null, h("dt", { class: "dim small" }, one.name), value);
      return { el, update: ({ value: now, news }) => (say(value, now), el.classList.toggle("news", news)) };
    });
  }

  drawSides({ steps, sides, aspects }) {
    sync(this.body, aspects, (one) => one.key, (one) => {
      const cells = Object.keys(SIDES).map(() => h("td"));
      return { el: h("tr", null, h("th", { scope: "row" }, one.name), cells), update: () => cells.forEach((cell, i) => say(cell, steps[sides[Object.keys(SIDES)[i]]]?.sees[one.key] ?? "not here")) };
    });
  }
}

export default staged(Isolation);
