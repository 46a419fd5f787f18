// Scheduling: pods at the left; of the one chosen the filters, then the nodes with their room and points; below, what if.

const cores = (milli) => String(Math.round(milli) / 1000);
const size = (mib) => (mib >= 1024 ? `${Math.round(mib / 102.4) / 10} Gi` : `${mib} Mi`);
const AS_IT_IS = "\u0000"; // the value of "as it is" in a list: no name looks like it

class Scheduling extends Live {
  constructor(model, el) {
    super(model, el, "scheduling", (picture) => `Scheduling of ${picture.pod || "pods"}`);
  }

  told() { return this.picture.problem ? super.told() : (this.picture.say ?? "").replaceAll("**", ""); }

  build() {
    this.count = h("div", { class: "sum" });
    this.pods = h("ul", { class: "pods", role: "listbox", "aria-label": "Pods, who waits first" });
    walk(this.pods, "[role=option]", (el, key) => (key === "Enter" || key === " ") && (this.choose(el.dataset.key), true));
    this.sentence = h("p", { class: "sentence" }), this.detail = h("p", { class: "detail" }), this.note = h("p", { class: "detail note" });
    this.asks = h("ul", { class: "asks", "aria-label": "What it asks for" });
    this.steps = h("ol", { class: "steps" }), this.silent = h("p", { class: "small dim" });
    this.filtering = h("section", { "aria-label": "Filters" }, h("h3", null, "Filter: which nodes can take it?"), this.steps, this.silent);
    this.legend = h("ul", { class: "legend" }), this.shares = h("ul", { class: "legend" }, [["used", "requested by others"], ["ask", "by this pod"]].map(([cls, words]) => h("li", null, h("i", { class: `key ${cls}` }), words)));
     this.nodesTitle = h("h3");
    this.nodes = h("ol", { class: "nodes", "aria-label": "Nodes, the best first" }), this.moment = h("p", { class: "small dim" });
    this.scoring = h("section", { "aria-label": "Nodes" }, h("div", { class: "heads" }, this.nodesTitle, this.shares, this.legend), this.nodes, this.moment);
    this.words = h("ul", { class: "told", "aria-label": "What Kubernetes says" });
    const main = h("div", { class: "main" }, h("div", { class: "outcome" }, this.sentence, this.detail, this.note, this.asks), this.filtering, this.scoring, this.words);
    this.rail = h("div", { class: "rail" }, h("h3", null, "Pods"), this.pods);
    return [h("header", { class: "top" }, h("h2", null, "Scheduling"), this.count), h("div", { class: "frame" }, this.rail, main), this.form(), h("div", { class: "foot" }, this.status)];
  }

  form() {
    const slider = (field, name, words) => {
      const output = h("output"), input = h("input", { type: "range", min: 0, "aria-label": name, oninput: () => (say(output, words(+input.value)), this.turn(field, +input.value)) });
      return { input, output, words, el: h("label", null, h("span", { class: "what" }, name), input, output) };
    };
    const list = (field, name) => {
      const input = h("select", { "aria-label": name, onchange: () => this.turn(field, input.value === AS_IT_IS ? null : input.value) });
      return { input, el: h("label", null, h("span", { class: "what" }, name), input) };
    };
    this.cpu = slider("cpu", "CPU", cores), this.memory = slider("memory", "Memory", size);
    this.selector = list("selector", "Node selector"), this.priority = list("priority", "Priority class");
    this.tolerate = h("fieldset", { class: "tolerate", "aria-label": "Tolerate as well" });
    this.again = press("Ask again now", () => this.turn("again", true)), this.back = press("Back to what happened", () => this.ask({ do: "forget" }));
    set(this.again, { title: "What would be decided if this pod came now" });
    this.line = h("code", { class: "command" });
    this.wishes = h("div", { class: "ctl wishes", role: "group", "aria-label": "What if it asked for something else" },
      h("div", { class: "ask" }, h("h3", null, "What if?"), this.again, this.back), h("div", { class: "fields" }, this.cpu.el, this.memory.el, this.selector.el, this.priority.el), this.tolerate, this.line);
    return this.wishes;
  }

  choose(pod) { pod !== this.picture.pod && this.ask({ do: "choose", pod }); }

  /** The wishes as they are turned now: as the picture says, until the reader turns one. */
  turned() {
    const { wish = {} } = this.picture, has = (field) => (wish.turned?.includes(field) ? wish[field] : null);
    return this.draft ?? { cpu: has("cpu"), memory: has("memory"), selector: has("selector"), priority: has("priority"), tolerate: wish.tolerate ?? [] };
  }

  /** Turn one; while an answer is on its way only the latest is kept. */
  async turn(field, to) {
    this.draft = { ...this.turned(), ...(field === "again" ? {} : { [field]: to }) };
    this.waiting = true;
    if (this.asking) return;
    this.asking = true;
    while (this.waiting) {
      this.waiting = false;
      await this.ask({ do: "wish", pod: this.picture.pod, ...this.draft });
    }
    this.asking = false, this.draft = null;
    this.changed();
  }

  update() {
    const now = this.picture, any = Boolean(now.pod);
    say(this.count, now.count ?? "");
    this.status.classList.toggle("vh", !this.wrong && !now.problem);
    this.root.classList.toggle("supposed", Boolean(now.supposed));
    this.sentence.replaceChildren(...rich(now.say ?? "")), say(this.detail, now.detail ?? ""), say(this.note, now.note ?? "");
    this.detail.hidden = !now.detail, this.note.hidden = !now.note, this.rail.hidden = !any, this.scoring.hidden = !any, this.wishes.hidden = !any || !now.can;
    this.drawPods(now), this.drawDecision(now), this.drawWishes(now);
  }

  drawPods({ pods, pod }) {
    sync(this.pods, ordered(pods).map((one) => ({ ...one, chosen: one.name === pod })), (one) => one.name, () => {
      const name = h("code"), where = h("span", { class: "small dim" });
      const el = h("li", { role: "option", class: "pod" }, glyph(), h("span", { class: "words" }, name, where));
      el.onclick = () => (el.focus(), this.choose(el.dataset.key));
      return { el, update: (one) => {
        const at = one.node ? `${one.word} on ${one.node}` : one.word;
        set(el, { "data-key": one.name, "data-state": one.state, "aria-selected": String(one.chosen), "aria-label": `Pod ${one.name}, ${at}` });
        say(name, one.name), say(where, at);
      } };
    });
    stops(this.pods, "[role=option]", (el) => el.dataset.key === pod);
    if (pod !== this.shown) this.bringUp(this.pods.querySelector("[aria-selected=true]")), (this.shown = pod);
  }

  /** Scroll the list so that this pod can be seen in it, and nothing else. */
  bringUp(el) {
    if (!el) return;
    const list = this.pods.getBoundingClientRect(), at = el.getBoundingClientRect();
    if (at.top < list.top || at.bottom > list.bottom) this.pods.scrollTop += at.top - list.top - 8;
  }

  drawDecision(now) {
    const rows = ordered(now.rows), scored = rows.some((row) => row.verdict === "fits" && !row.names.length && Object.keys(row.scores).length);
    const turned = now.supposed ? [...now.wish.turned, ...(now.wish.tolerate.length ? ["tolerate"] : [])] : [];
    sync(this.asks, [{ what: "label", say: "It asks for" }, ...now.asks.map((one) => ({ ...one, turned: turned.includes(one.what) }))], (one) => one.what, ({ what }) => {
      const el = h("li", { class: what === "label" ? "dim" : "kl-badge" });
      return { el, update: (one) => (say(el, one.say), el.classList.toggle("turned", Boolean(one.turned))) };
    });
    this.asks.hidden = !now.asks.length;
    const all = now.filters[0]?.of ?? 0;
    this.filtering.hidden = !now.filters.length;
    sync(this.steps, now.filters.map((step) => ({ ...step, all })), (step) => step.plugin, filterCard);
    say(this.silent, now.silent ? `Nothing to ask about this pod: ${now.silent}.` : "");
    say(this.nodesTitle, scored ? "Score: which of them is best?" : "Nodes");
    sync(this.legend, scored ? now.scores.map((score, i) => ({ ...score, i })) : [], (score) => score.plugin, () => {
      const key = h("i", { class: "key" }), word = h("b"), name = h("code"), el = h("li", null, key, word, name);
      return { el, update: (score) => (set(key, { "data-i": score.i % 4 }), set(el, { title: `${score.plugin} prefers ${score.prefers}` }), say(word, score.short), say(name, `${score.plugin} ×${score.weight}`)) };
    });
    this.legend.hidden = !scored, this.moment.hidden = !now.then, say(this.moment, now.then ?? "");
    const most = Math.max(1, ...rows.map((row) => row.total));
    sync(this.nodes, rows.map((row) => ({ row, legend: now.scores, most })), ({ row }) => row.key, nodeRow);
    sync(this.words, now.told.map((one, i) => ({ ...one, i })), (one) => one.i, () => {
      const reason = h("b"), message = h("code"), el = h("li", null, reason, message);
      return { el, update: (one) => (say(reason, one.count > 1 ? `${one.reason} ×${one.count}` : one.reason), say(message, one.message)) };
    });
    this.words.hidden = !now.told.length;
  }

  drawWishes({ wish, offered, supposed, line, can, pod }) {
    if (!can || !pod) return;
    const turned = this.turned();
    for (const [field, { input, output, words }] of [["cpu", this.cpu], ["memory", this.memory]]) {
      const now = turned[field] ?? wish[field];
      set(input, { max: Math.max(offered[field].most, now), step: offered[field].step });
      if (document.activeElement !== input || !this.asking) input.value = now;
      say(output, words(now)), set(input, { "aria-valuetext": words(now) });
    }
    options(this.selector.input, [[AS_IT_IS, "as it is"], ["", "none"], ...offered.selectors.map((pair) => [pair, pair])], turned.selector);
    options(this.priority.input, [[AS_IT_IS, "as it is"], ["", "none"], ...Object.entries(offered.classes).map(([name, n]) => [name, `${name} (${number(n)})`])], turned.priority);
    this.tolerate.hidden = !offered.taints.length;
    sync(this.tolerate, [{ taint: "" }, ...offered.taints.map((taint) => ({ taint, on: turned.tolerate.includes(taint) }))], (one) => one.taint, ({ taint }) => {
      if (!taint) return { el: h("span", { class: "what" }, "Tolerate as well") };
      const box = h("input", { type: "checkbox", onchange: () => this.turn("tolerate", box.checked ? [...this.turned().tolerate, taint] : this.turned().tolerate.filter((one) => one !== taint)) });
      return { el: h("label", null, box, h("code", null, taint)), update: ({ on }) => (box.checked = on) };
    });
    this.back.disabled = !supposed;
    this.line.hidden = !line, say(this.line, line);
  }
}

function options(select, pairs, now) {
  sync(select, pairs, ([value]) => value, ([value, text]) => ({ el: h("option", { value }, text) }));
  select.value = now ?? AS_IT_IS;
}

export default staged(Scheduling);
