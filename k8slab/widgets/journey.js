// Journey: the hops of one apply as a list to walk through, the chosen one's object with its news marked, and all of them
// on one bar in true scale, a part of it enlarged.

const PACE = 1600; // ms a hop is shown while it plays
const MARKS = { "+": "new", "~": "changed", "-": "gone" };

class Journey extends Live {
  constructor(model, el) {
    super(model, el, "journey", (picture) => `The way of ${picture.what ?? ""}`);
  }

  build() {
    this.title = h("h2"), this.sentence = h("p", { class: "sentence" });
    this.back = press("Back", () => this.step(-1)), this.next = press("Next", () => this.step(1), "primary"), this.run = press("Play", () => this.play(!this.local.playing));
    this.pod = h("select", { onchange: () => this.ask({ do: "follow", pod: this.pod.value }) });
    this.pods = h("label", { class: "pods" }, "Follow", this.pod);
    this.stops = h("ol", { class: "stops", role: "listbox", "aria-label": "Hops, in the order of time" });
    this.name = h("h3"), this.about = h("p", { class: "small dim" }), this.says = h("p"), this.count = h("p", { class: "small dim count" });
    this.file = h("code", { class: "small dim" });
    this.code = h("div", { class: "code", role: "region", tabindex: "0", "aria-label": "The object at this hop" });
    this.panel = h("section", { class: "panel", "aria-label": "The chosen hop" }, h("div", { class: "head" }, this.name, this.file), this.about, this.says, this.count, this.code);
    this.frame_ = h("div", { class: "frame" }, this.stops, this.panel);
    this.svg = s("svg", { role: "img" });
    this.scale = h("figure", { class: "scale" }, this.svg);
    this.note = h("p", { class: "note" });
    walk(this.stops, "[role=option]", (el, key) => (key === "Enter" || key === " ") && (this.choose(el.dataset.key), true));
    this.stops.addEventListener("focusin", (e) => e.target.dataset.key && this.choose(e.target.dataset.key));
    return [
      h("header", { class: "top" }, this.title, h("div", { class: "acts" }, this.pods, this.back, this.run, this.next)),
      this.sentence, this.scale, this.frame_, h("div", { class: "ctl" }, this.note), h("div", { class: "vh" }, this.status),
    ];
  }

  get all() { return ordered(Object.fromEntries(Object.entries(this.picture.stops ?? {}).map(([key, stop]) => [key, { key, ...stop }]))); }
  at(all) { return Math.max(0, all.findIndex((stop) => stop.key === this.local.chosen)); }

  told() {
    const all = this.all, i = this.at(all);
    if (!this.local.chosen || !all[i]) return super.told();
    return `Hop ${i + 1} of ${all.length}, ${all[i].who}: ${all[i].title}, ${this.time(all[i].took)}. ${lines(all[i].news)}`;
  }

  choose(key, played = false) {
    if (!played) this.local.playing = false;
    if (this.local.chosen === key) return;
    this.local.chosen = key;
    for (const view of this.connection.views) view.changed();
  }

  step(by) {
    const all = this.all, to = all[Math.min(all.length - 1, Math.max(0, this.at(all) + by))];
    if (to) this.choose(to.key);
  }

  play(on) {
    const all = this.all;
    if (on && this.at(all) === all.length - 1) this.local.chosen = all[0].key;
    Object.assign(this.local, { playing: on, due: Date.now() + PACE });
    for (const view of this.connection.views) view.changed();
  }

  /** While it plays, the next hop when this one's time is over. */
  beat() {
    const { local } = this;
    if (!local.playing) return 0;
    if (Date.now() >= local.due) {
      const all = this.all, i = this.at(all);
      local.due = Date.now() + PACE;
      if (i >= all.length - 2) local.playing = false;
      if (all[i + 1]) this.choose(all[i + 1].key, true);
    }
    return Math.max(20, local.due - Date.now());
  }

  update() {
    const now = this.picture, all = this.all, i = this.at(all), stop = all[i];
    say(this.title, `The way of ${now.what ?? ""}`);
    say(this.sentence, now.problem || now.say || "");
    this.frame_.hidden = !stop;
    if (!stop) this.scale.hidden = true;
    for (const [key, off] of [["back", !i], ["next", i >= all.length - 1], ["run", all.length < 2]]) this[key].disabled = !stop || off;
    say(this.run, this.local.playing ? "Pause" : "Play");
    this.choices(now);
    say(this.note, now.how === "exact" ? "Each time is real, and counts from the hop before: waiting for a turn is part of it. The bar is in true scale."
      : now.how === "outside" ? "Whole seconds, from the objects' own times. The objects are shown as they are now; marked is what the hop left in them." : "An apply is seen as soon as it arrives, whether from a cell, kubectl in a terminal or another program.");
    if (!stop) return;
    const longest = Math.max(...all.map(({ took }) => took), 1e-9);
    sync(this.stops, all.map((one, n) => ({ ...one, chosen: one === stop, opens: one.who !== all[n - 1]?.who, part: one.took / longest, time: this.time(one.took) })), (one) => one.key, (one) => this.row(one));
    stops(this.stops, "[role=option]", (el) => el.dataset.key === stop.key);
    this.show(stop, now);
    this.plot(all, i, now.total);
  }

  choices({ pods, pod }) {
    const names = Object.entries(pods ?? {}).sort((a, b) => a[1] - b[1]).map(([name]) => name);
    this.pods.hidden = names.length < 2;
    sync(this.pod, names, (name) => name, (name) => ({ el: h("option", { value: name }, name) }));
    this.pod.value = pod ?? "";
  }

  row({ key }) {
    const who = h("span", { class: "who" }), title = h("span", { class: "title" }), time = h("span", { class: "time" }), part = h("i", { "aria-hidden": "true" });
    const el = h("li", { role: "option", class: "stop", "data-key": key, onclick: () => (el.focus(), this.choose(key)) }, who, h("span", { class: "dot", "aria-hidden": "true" }), title, part, time);
    return { el, update: (one) => {
      set(el, { "aria-selected": String(one.chosen), "aria-label": `${one.who}: ${one.title}, ${one.time}`, "--part": one.part });
      el.classList.toggle("opens", one.opens);
      part.hidden = !one.took;
      say(who, one.opens ? one.who : ""), say(title, one.title), say(time, one.time);
    } };
  }

  show(stop, { how }) {
    say(this.name, stop.title), say(this.file, stop.file ? `k8slab/${stop.file}` : ""), say(this.says, stop.say);
    const exact = how === "exact", later = stop.at < 1000 ? "in the same second as the first" : `${this.time(stop.at)} after the first`;
    say(this.about, `${stop.who} · ${exact ? `${this.time(stop.took)}, ${this.time(stop.at)} after the request` : later}`);
    say(this.count, `${stop.object}: ${exact ? lines(stop.news) : `${plural(stop.news, "line comes", "lines come")} from this hop.`}`);
    if (this.shown === stop.lines) return;
    this.shown = stop.lines;
    this.code.replaceChildren(...stop.lines.map(([mark, text, was]) => line(mark, text, was)));
    const above = Math.max(0, stop.look - 3); // with what it stands in
    this.code.scrollTop = above ? this.code.children[above].offsetTop : 0;
  }

  /** All hops on one bar in true scale; below it those of whoever has the chosen one, enlarged. */
  plot(all, i, total) {
    this.scale.hidden = !(total > 0);
    const width = Math.floor(this.scale.clientWidth), edge = 16, right = width - edge;
    if (width < 100) return;
    const x = (ms) => edge + (ms / total) * (right - edge);
    const group = all.filter(({ who }, n) => who === all[i].who && all.slice(Math.min(n, i), Math.max(n, i)).every((one) => one.who === who));
    const from = group[0].at - group[0].took, to = group.at(-1).at, near = (ms) => edge + ((ms - from) / (to - from)) * (right - edge);
    const parts = [], lens = to > from;
    let odd = false;
    if (lens) parts.push(s("path", { class: "rays", d: `M${x(from)} 28L${edge} 64H${right}L${Math.max(x(to), x(from) + 1)} 28Z` }));
    all.forEach((one, n) => {
      if (one.who !== all[n - 1]?.who) odd = !odd;
      parts.push(this.segment(one, x, 6, 22, odd, one === all[i]), this.written(one, x, 21, one === all[i]));
    });
    for (const t of ticks(total, width / 150)) parts.push(s("text", { x: x(t), y: 43, "text-anchor": t ? (x(t) > right - 30 ? "end" : "middle") : "start" }, this.time(t, true)));
    if (lens) {
      group.forEach((one) => parts.push(this.segment(one, near, 64, 24, true, one === all[i]), this.written(one, near, 80, one === all[i])));
      parts.push(s("text", { class: "whose", x: edge, y: 104 }, `${all[i].who}: ${this.time(to - from)}, enlarged ${number(Math.max(1, Math.round(total / (to - from))))} times`));
    }
    set(this.svg, { width, height: lens ? 110 : 50, viewBox: `0 0 ${width} ${lens ? 110 : 50}`, "aria-label": `${this.time(total)} in all. ${all[i].who} has ${this.time(to - from)} of it, ${all[i].title} ${this.time(all[i].took)}.` });
    this.svg.replaceChildren(...parts.filter(Boolean));
  }

  /** What a segment is, as far as there is room to write it. */
  written(one, x, y, on) {
    const left = x(one.at - one.took), room = x(one.at) - left, time = this.time(one.took);
    const text = room > 7 * one.title.length + 70 ? `${one.title}, ${time}` : room > 60 ? time : "";
    return text && s("text", { class: on ? "on" : "in", x: left + room / 2, y, "text-anchor": "middle" }, text);
  }

  segment(one, x, y, height, odd, on) {
    const left = x(one.at - one.took), room = x(one.at) - left;
    return s("rect", { class: `seg ${odd ? "odd" : ""} ${on ? "on" : ""}`, x: left, y, width: Math.max(on ? 3 : 0.6, room - (room > 3 ? 1 : 0)), height, rx: room > 8 ? 2 : 0, onclick: () => this.choose(one.key) });
  }

  /** A time as it is known: milliseconds, or whole seconds. */
  time(ms, tick = false) {
    if (this.picture.how !== "exact") return span(ms / 1000);
    if (tick && !ms) return "0";
    return ms < 9.95 && !tick ? `${ms.toFixed(1)} ms` : ms < 999.5 ? `${tick ? +ms.toPrecision(3) : Math.round(ms)} ms` : `${+(ms / 1000).toFixed(1)} s`;
  }
}

/** A line of YAML with its mark; the words of the mark are for those who do not see it. */
function line(mark, text, was) {
  const word = MARKS[mark];
  return h(mark === "+" ? "ins" : mark === "-" ? "del" : "div", { class: `line ${word ?? ""}` }, h("span", { class: "mark", "aria-hidden": "true" }, mark), word && h("span", { class: "vh" }, `${word}: `), text, was !== undefined && h("span", { class: "was" }, ` was ${was}`));
}

/** Round numbers from nothing to a total, about `count` of them: 1, 2 or 5 times a power of ten apart. */
function ticks(total, count) {
  const rough = total / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough);
  return Array.from({ length: Math.floor(total / step + 1e-9) + 1 }, (_, n) => +(n * step).toPrecision(12));
}

const lines = (n) => (n ? `${plural(n, "line is", "lines are")} new.` : "nothing in it is new.");

export default staged(Journey);
