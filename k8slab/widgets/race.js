// The race: a lane for each kind with its bars, and a chart of what getting to work is of the whole. race.py is its kernel's half.

const MEASURES = [ // of a lane: its name, its number, what is said of it
  ["First instruction", (lane) => Math.max(0, ...lane.times), (lane) => lane.began],
  ["Memory of each", (lane) => lane.memory, (lane) => lane.memory_said],
  ["Disk of each", (lane) => lane.disk, (lane) => lane.disk_said],
];
const percent = (share) => (share >= 0.995 && share < 1 ? "99 %" : share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(share * 100)} %`);

/** One bar with its number; `dots` puts a mark where each copy was. */
function bar(title) {
  const fill = h("i", { class: "kl-fill" }), track = h("span", { class: "track", "aria-hidden": "true" }, fill), text = h("span", { class: "said" });
  const el = h("div", { class: "bar" }, h("span", { class: "dim small title" }, title), track, text);
  return { el, draw(value, most, words, dots = []) {
    set(fill, { "--w": most ? value / most : 0 });
    say(text, words || "—");
    sync(track, dots.map((at, i) => ({ at, i })), (dot) => dot.i, () => {
      const el = h("i", { class: "dot" });
      return { el, update: ({ at }) => set(el, { "--at": most ? at / most : 0 }) };
    });
    if (fill.parentElement !== track || track.firstElementChild !== fill) track.prepend(fill);
  } };
}

function lane(view, first) {
  const word = h("span", { class: "dim small" }), chip = h("span", { class: "kl-badge recorded" }, "recorded"), kernel = h("code"), whose = h("span", { class: "dim small" }), slower = h("span", { class: "dim small" }), why = h("p", { class: "why small dim" });
  const bars = MEASURES.map(([title]) => bar(title));
  const el = h("li", { class: "lane panel", "--v": versionColour(first.cat) },
    h("div", { class: "who" }, h("h3", null, glyph(), " ", first.name), h("div", { class: "words" }, word, chip), h("div", { class: "kernel" }, kernel, whose, slower)),
    h("div", { class: "bars" }, bars.map((one) => one.el)), why);
  return { el, update(now) {
    set(el, { "data-state": now.state });
    say(word, now.word), say(kernel, now.kernel), say(whose, now.whose), say(slower, now.slower);
    why.replaceChildren(...now.why.split("`").map((text, i) => (i % 2 ? h("code", null, text) : text)));
    chip.hidden = !now.recorded, why.hidden = !now.why;
    MEASURES.forEach(([, value, said], i) => bars[i].draw(value(now), view.most[i], said(now), i ? [] : now.times));
  } };
}

class Race extends Live {
  constructor(model, el) {
    super(model, el, "race", () => "Race to the first instruction");
  }

  build() {
    this.title = h("p", { class: "sentence" });
    const press = (label, by) => button("", label, () => this.copies(by), h("span", { "aria-hidden": "true" }, by > 0 ? "+" : "−"));
    this.count = h("output", { "aria-label": "Copies of each kind" });
    this.less = press("One copy less", -1), this.more = press("One copy more", 1);
    this.again = button("primary", "Race again", () => this.ask({ do: "again", n: this.n }), "Race again");
    this.lanes = h("ul", { class: "lanes", "aria-label": "Kinds" });
    this.svg = s("svg", { role: "img" });
    this.chart = h("figure", { class: "chart" }, this.svg);
    this.work = h("input", { type: "range", min: 0, "aria-label": "Work of each copy", oninput: () => this.ask({ do: "work", step: +this.work.value }) });
    this.workSaid = h("b");
    this.table = h("tbody");
    const head = ["Kind", "1 copy", "10 copies", "50 copies"].map((name) => h("th", { scope: "col" }, name));
    this.overhead = h("section", { class: "overhead panel", "aria-label": "Getting to work" },
      h("div", { class: "ask" }, h("h3", null, "Of all the time spent, which part is getting to work?"), h("label", { class: "slide small" }, h("span", { class: "dim" }, "Each copy has work for "), this.workSaid, this.work)),
      this.chart, h("table", null, h("thead", null, h("tr", null, head)), this.table));
    this.from = h("p", { class: "dim small from" });
    return [
      h("header", { class: "top" }, h("h2", null, "Race to the first instruction"), h("div", { class: "controls" }, h("span", { class: "dim small", "aria-hidden": "true" }, "copies of each"), h("span", { class: "stepper" }, this.less, this.count, this.more), this.again)),
      h("div", { class: "main" }, this.title, this.lanes, this.overhead, this.from, h("div", { class: "vh" }, this.live.el)),
    ];
  }

  get n() { return this.local.n ?? this.picture.n; }

  copies(by) {
    this.local.n = Math.min(50, Math.max(1, this.n + by));
    for (const view of this.connection.views) view.changed();
  }

  told() { return this.picture.problem || this.picture.say; }

  update() {
    const now = this.picture, lanes = ordered(now.lanes);
    this.most = MEASURES.map(([, value]) => Math.max(...lanes.map(value)));
    say(this.title, now.problem || now.say);
    say(this.count, this.n);
    this.less.disabled = this.n <= 1, this.more.disabled = this.n >= 50, this.again.disabled = !now.done && !now.problem;
    // every lane is drawn by the longest of all, so all are drawn anew
    sync(this.lanes, lanes.map((one) => ({ ...one })), (one) => one.order, (one) => lane(this, one));
    this.overhead.hidden = !now.done;
    if (now.done) this.drawShares(now, lanes);
    say(this.from, now.reference ? `Recorded: not measured here, but ${now.reference}.` : "");
    this.from.hidden = !now.reference;
  }

  drawShares(now, lanes) {
    const raced = lanes.map((one, i) => [one, now.shares[Object.keys(now.lanes).find((kind) => now.lanes[kind].order === i)]]).filter(([, points]) => points);
    set(this.work, { max: now.steps - 1, "aria-valuetext": now.work });
    if (document.activeElement !== this.work) this.work.value = now.step;
    say(this.workSaid, now.work);
    const at = (points, n) => percent(points.find(([count]) => count === n)[1]);
    this.plot(raced, `With work for ${now.work}, getting to work is, at 50 copies: ${raced.map(([one, points]) => `${one.name} ${at(points, 50)}`).join(", ")}.`);
    sync(this.table, raced, ([one]) => one.order, ([one]) => {
      const cells = [0, 1, 2].map(() => h("td")), el = h("tr", { "--v": versionColour(one.cat) }, h("th", { scope: "row" }, h("i", { class: "key", "aria-hidden": "true" }), one.name), cells);
      return { el, update: ([, points]) => [1, 10, 50].forEach((n, i) => say(cells[i], at(points, n))) };
    });
  }

  /** Shares over copies; each line's name stands at its end, where there is room, and none upon another. */
  plot(raced, inWords) {
    const width = Math.max(300, this.chart.clientWidth), top = 10, height = 150, ax = axes(width, 1, 50), y = scaleY(top, height, 1);
    const grid = [0, 0.5, 1].map((share) => [line(`M${ax.left} ${y(share)}H${ax.right}`, "grid"), label(ax.left - 10, y(share) + 4, percent(share), { class: "t", "text-anchor": "end" })]);
    const copies = [1, 10, 20, 30, 40, 50].map((n) => label(ax.x(n), top + height + 18, n, { class: "t", "text-anchor": "middle" }));
    const drawn = raced.map(([one, points]) => ({ name: one.name, end: y(points.at(-1)[1]), style: { "--v": versionColour(one.cat) }, d: points.map(([n, share], i) => `${i ? "L" : "M"}${ax.x(n).toFixed(1)} ${y(share).toFixed(1)}`).join("") }));
    let above = Infinity;
    const names = ax.narrow ? [] : [...drawn].sort((a, b) => b.end - a.end).map((one) => label(ax.right + 10, (above = Math.min(one.end + 4, above - 15)), one.name, { class: "of", ...one.style }));
    set(this.svg, { width, height: top + height + 24, viewBox: `0 0 ${width} ${top + height + 24}`, "aria-label": inWords });
    this.svg.replaceChildren(...grid.flat(), ...copies, ...drawn.map((one) => s("path", { class: "edge", d: one.d, ...one.style })), ...names);
  }
}

export default staged(Race);
