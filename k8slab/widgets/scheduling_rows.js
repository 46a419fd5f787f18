// Scheduling's parts: a card for each filter in its turn, and a row for each node with its room and its points.

const GLYPHS = { fits: "would", refused: "failed", "not looked at": "pending" }; // a node's verdict -> [data-state]

/** A filter: how many nodes came to it, how many went on. `all` is the number of nodes. */
function filterCard() {
  const name = h("code"), asks = h("p", { class: "dim" }), through = h("p"), out = h("p", { class: "out" }), pass = h("i", { class: "kl-fill" }), lost = h("i", { class: "lost" });
  const el = h("li", { class: "step" }, name, asks, through, out, h("span", { class: "track", "aria-hidden": "true" }, pass, lost));
  return { el, update({ plugin, asks: question, of, out: gone, say: said, all }) {
    say(name, plugin), say(asks, question);
    say(through, of ? `${of - gone} of ${of} pass` : "nobody left to ask"), say(out, said);
    out.hidden = !gone;
    set(pass, { "--w": all ? (of - gone) / all : 0 }), set(lost, { "--w": all ? gone / all : 0 });
  } };
}

/** A bar of room: what others ask for, then what this pod does. */
function roomBar(name) {
  const used = h("i", { class: "used kl-fill" }), ask = h("i", { class: "ask" }), words = h("span", { class: "said" });
  const el = h("div", { class: "room" }, h("span", { class: "dim" }, name), h("span", { class: "track", "aria-hidden": "true" }, used, ask), words);
  return { el, update(room) {
    el.hidden = !room;
    if (!room) return;
    const part = (n) => (room.total ? Math.min(1, n / room.total) : 0);
    set(used, { "--w": part(room.used) }), set(ask, { "--w": Math.min(part(room.ask), Math.max(0, 1 - part(room.used)) || 0.03) });
    el.classList.toggle("short", room.short);
    say(words, room.say);
  } };
}

/** The points of one node, stacked: a part for each score, in the order of the legend. */
function points() {
  const bar = h("div", { class: "points", role: "img" }), total = h("b", { class: "total" });
  const el = h("div", { class: "score" }, bar, total);
  return { el, update({ row, legend, most }) {
    const parts = legend.filter(({ plugin }) => row.scores[plugin] !== undefined);
    set(bar, { "aria-label": parts.map(({ plugin, short }) => `${short} ${row.scores[plugin]}`).join(", ") || "no points" });
    sync(bar, parts.map((part, i) => ({ ...part, i, n: row.scores[part.plugin], share: most ? row.scores[part.plugin] / most : 0 })), (part) => part.plugin, () => {
      const number = h("b"), word = h("span"), seg = h("span", { class: "seg" }, number, word);
      return { el: seg, update: ({ n, short, i, share }) => (set(seg, { "--w": share, "data-i": i % 4, title: `${short} ${n}` }), seg.classList.toggle("thin", share < 0.06), say(number, n), say(word, short), (seg.hidden = !n)) };
    });
    say(total, row.total);
  } };
}

/** A node, or several that are alike. */
function nodeRow() {
  const name = h("code"), word = h("span", { class: "word" }), head = h("p", { class: "name" }, glyph(), name, word), facts = h("p", { class: "facts" });
  const names = h("p", { class: "facts" }), which = h("details", null, h("summary", null, "Which"), names);
  const cpu = roomBar("CPU"), memory = roomBar("Memory"), rooms = h("div", { class: "rooms" }, cpu.el, memory.el);
  const score = points(), plugin = h("code"), reasons = h("span"), no = h("p", { class: "no" }, plugin, reasons), range = h("p", { class: "no" }), most = h("p", { class: "facts" });
  const el = h("li", { class: "node" }, h("div", { class: "who" }, head, facts, which), rooms, h("div", { class: "verdict" }, score.el, no, range, most));
  return { el, update(item) {
    const { row } = item, group = row.names.length > 0, fits = row.verdict === "fits", scored = fits && !group && Object.keys(row.scores).length > 0;
    const state = row.chosen ? "ready" : row.clearing ? "terminating" : GLYPHS[row.verdict] ?? "none";
    set(el, { "data-state": state }), set(head, { "data-state": state });
    el.classList.toggle("chosen", row.chosen), el.classList.toggle("group", group);
    say(name, row.name), say(word, row.word), say(facts, row.facts.join(" · ")), say(names, row.names.join(", "));
    facts.hidden = !row.facts.length, which.hidden = !group, rooms.hidden = group;
    cpu.update(row.room.cpu), memory.update(row.room.memory);
    score.el.hidden = !scored, no.hidden = row.verdict !== "refused", range.hidden = !fits || !group, most.hidden = !group;
    if (scored) score.update(item);
    say(plugin, row.plugin), say(reasons, row.reasons.join(", ")), say(range, row.range ?? ""), say(most, row.most ?? "");
  } };
}
