// The cards of a lesson (cards.py): each kind of picture has a function that draws it. `render` is pure and cleans up.
// view.js stands above this in one module: Link, h, set, say.

const MARKS = /`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)/g;

/** The little Markdown of a lesson's words as nodes: code, bold, emphasis, links (prose.py has the same rules). */
function prose(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(MARKS)) {
    const [all, code, bold, emphasis, words, link] = found;
    nodes.push(text.slice(at, found.index));
    at = found.index + all.length;
    if (code) nodes.push(h("code", null, code));
    else if (bold) nodes.push(h("b", null, prose(bold)));
    else if (emphasis) nodes.push(h("em", null, emphasis));
    else nodes.push(h("a", { href: link, target: "_blank", rel: "noopener" }, words));
  }
  return [...nodes, text.slice(at)].filter((node) => node !== "");
}

const glyph = () => h("span", { class: "kl-glyph", "aria-hidden": "true" });
const press = (card, message, word, style = "") => h("button", { class: `kl-btn ${style}`, type: "button", "data-k": message.do, onclick: () => card.ask(message) }, word);
const heading = (picture) => [h("p", { class: "tag" }, picture.tag), h("h2", { class: "ask", "data-k": "ask", tabindex: "-1" }, prose(picture.ask))];

// -- questions: predict and quiz
function openOptions(card, picture, message) {
  const options = picture.options.map((option, i) => {
    const input = h("input", { type: "radio", name: card.id, "data-k": `option-${i}`, onchange: () => card.ask(message(i)) });
    input.checked = i === picture.chosen;
    return h("label", { class: "opt" }, input, h("span", null, prose(option.text)));
  });
  return h("fieldset", { class: "opts", "aria-label": picture.ask }, options);
}

function shutOptions(picture) {
  const options = picture.options.map(({ text, mark, note, why }) => {
    const words = mark === "yes" || mark === "no" ? h("b", null, prose(text)) : h("span", null, prose(text));
    const sign = mark === "guess" ? h("span", { class: "dot", "aria-hidden": "true" }) : mark ? glyph() : h("span");
    const state = { yes: "ready", no: "failed" }[mark] ?? null;
    return h("li", { class: `opt shut ${mark}`, "data-state": state }, sign, words, note && h("span", { class: "you" }, note), why && h("span", { class: "why" }, prose(why)));
  });
  return h("ul", { class: "opts" }, options);
}

function predict(card, picture) {
  if (picture.open) {
    const note = h("p", { class: "go dim small" }, picture.note);
    return [...heading(picture), openOptions(card, picture, (option) => ({ do: "guess", option })), note];
  }
  const said = picture.said.length ? h("div", { class: "said small" }, picture.said.map((text) => h("p", null, prose(text)))) : null;
  return [...heading(picture), shutOptions(picture), said];
}

function quiz(card, picture) {
  if (picture.open) return [...heading(picture), openOptions(card, picture, (option) => ({ do: "answer", option }))];
  const again = picture.solved ? null : h("div", { class: "go" }, press(card, { do: "again" }, "Try again", "primary"), press(card, { do: "give_up" }, "Show the answer"));
  return [...heading(picture), shutOptions(picture), again];
}

// -- exercises
function check(card, picture) {
  const goal = picture.goal.map((text) => h("p", { class: "goal" }, prose(text)));
  const { outcome } = picture;
  const out = outcome && h("div", { class: "out", "data-state": outcome.state }, glyph(), h("h3", null, outcome.title), h("p", null, prose(outcome.say)));
  const over = picture.can_start && press(card, { do: "over" }, "Start this exercise over");
  const buttons = [press(card, { do: "check" }, "Check", "primary"), over];
  for (const button of buttons.filter(Boolean)) button.disabled = !!picture.busy;
  return [...heading(picture), goal, out, h("div", { class: "go" }, buttons, h("span", { class: "dim small", "data-when": "" })), ladder(card, picture)];
}

function ladder(card, picture) {
  if (!picture.ladder.length) return null;
  return h("ol", { class: "ladder", "aria-label": "Hints" }, picture.ladder.map((rung, i) => {
    const number = h("span", { class: "n", "aria-hidden": "true" }, String(i + 1)), name = h("b", null, prose(rung.title));
    if (i < picture.opened) return h("li", null, h("div", { class: "rung open" }, number, name), help(rung.parts ?? [{ text: rung.text }]));
    if (i > picture.opened) return h("li", null, h("div", { class: "rung off" }, number, prose(rung.title), h("span", { class: "right" }, `after hint ${i}`)));
    const show = { class: "rung", type: "button", "data-k": "hint", onclick: () => card.ask({ do: "hint" }) };
    return h("li", null, h("button", show, number, name, h("span", { class: "right" }, "Show")));
  }));
}

const help = (parts) => h("div", { class: "help" }, parts.map((part) => (part.code ? h("pre", null, part.code) : h("p", null, prose(part.text)))));
const hint = (card, picture) => [...heading(picture), help(picture.parts)];

// -- what is real, how far, what was learned
function facts(rows) {
  return h("ul", { class: "facts" }, rows.map((row) =>
    h("li", { "data-state": row.state }, h("i", { class: "mark", role: "img", "aria-label": WORDS[row.state] ?? "" }), h("span", null, h("b", null, row.name), " ", row.code && h("code", { class: "dim" }, row.code)), h("span", null, prose(row.text)))));
}

const WORDS = { ready: "there", notready: "in part", pending: "missing", failed: "not right", none: "not begun", starting: "on its way" };

function title(card, picture) {
  const { steps, done } = picture;
  const bar = h("ol", { class: "steps", role: "img", "aria-label": `${done} of ${steps.length} steps done` }, steps.map((step) => h("li", { class: step.state, title: step.name.replace(/[`*]/g, "") })));
  const how = h("span", { class: "dim small" }, h("b", null, String(done)), ` of ${steps.length} steps · about ${picture.minutes} min left`);
  const goals = h("section", { "aria-label": "You will" }, h("h3", null, "You will"), h("ul", { class: "goals" }, picture.you_will.map((goal) => h("li", null, h("span", null, prose(goal))))));
  const real = h("section", { "aria-label": "What is real here" }, h("h3", null, "What is real here"), facts(picture.real));
  const problem = picture.problem && h("p", { class: "go small" }, picture.problem);
  return [h("div", { class: "head" }, h("div", null, heading(picture)), how, bar), h("div", { class: "two" }, goals, real), problem];
}

const HEADINGS = { predict: "Your guesses", exercise: "Exercises", quiz: "Quiz", course: "All lessons" };

function recap(card, picture) {
  const rows = Object.entries(HEADINGS).map(([kind, name]) => [name, picture.rows.filter((row) => row.kind === kind)]);
  const parts = rows.filter(([, found]) => found.length).map(([name, found]) => h("section", { class: "rows", "aria-label": name }, h("h3", null, name), h("ul", null, found.map((row) =>
    h("li", { "data-state": row.state }, h("i", { class: "mark", role: "img", "aria-label": WORDS[row.state] ?? "" }), h("span", null, prose(row.name)), h("span", null, prose(row.text)))))));
  const words = h("section", { class: "rows", "aria-label": "Words" }, h("h3", null, "Words"), h("dl", null, picture.words.flatMap(({ word, means }) => [h("dt", null, word), h("dd", null, prose(means))])));
  return [...heading(picture), parts, words, picture.next && h("p", { class: "next" }, "Next: ", h("b", null, `lesson ${picture.next}`))];
}

function progress(card, picture) {
  const head = h("tr", null, ["Lesson", ...picture.columns, "steps done"].map((name) => h("th", { scope: "col" }, name)));
  const rows = picture.rows.map((row) => {
    const mark = h("i", { class: "mark", role: "img", "aria-label": WORDS[row.state] });
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("i"));
    bar.firstChild.style.inlineSize = `${(100 * row.done) / Math.max(1, row.of)}%`;
    return h("tr", { "data-state": row.state }, h("th", { scope: "row" }, mark, row.name), row.cells.map((cell) => h("td", { class: "dim" }, cell)), h("td", null, bar, `${row.done} of ${row.of}`));
  });
  return [...heading(picture), h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Every lesson" }, h("table", null, h("thead", null, head), h("tbody", null, rows))), h("p", { class: "go dim small" }, picture.note)];
}

const KINDS = { predict, quiz, check, hint, title, recap, progress };
let count = 0;

/** One card in the page. Drawn anew when its picture changed; whoever had the focus keeps it. */
class Card {
  constructor(model, el) {
    this.link = Link.of(model);
    this.id = `kl-card-${++count}`;
    this.seen = true;
    this.body = h("div");
    this.live = h("p", { class: "vh", role: "status", "aria-live": "polite" });
    this.root = h("section", { class: "kl lesson-card", "data-lm-suppress-shortcuts": "true" }, this.body, this.live);
    this.root.addEventListener("keydown", (e) => e.stopPropagation()); // the notebook has keys of its own
    el.append(this.root);
    this.observer = new IntersectionObserver(([entry]) => this.watch(entry.isIntersecting));
    this.observer.observe(this.root);
    this.link.add(this);
    this.paint();
  }

  stop() {
    this.observer.disconnect();
    clearTimeout(this.timer);
    this.link.remove(this);
    this.root.remove();
  }

  changed() {
    const { outcome } = this.link.picture, before = this.drawn?.outcome;
    this.paint();
    if (outcome && outcome.say !== before?.say) say(this.live, `${outcome.title}. ${outcome.say}`);
  }

  paint() {
    const { picture } = this.link;
    const draw = KINDS[picture.kind];
    if (picture !== this.drawn && draw) {
      const held = this.root.contains(document.activeElement) ? document.activeElement.dataset.k : null;
      this.body.replaceChildren(...draw(this, picture).flat().filter(Boolean));
      set(this.root, { "aria-label": `${picture.tag}: ${picture.ask}`.replace(/[`*]/g, ""), "data-kind": picture.kind });
      if (held) (this.root.querySelector(`[data-k="${held}"]:not([disabled])`) ?? this.root.querySelector("input:checked, .kl-btn.primary, .ask"))?.focus();
      this.drawn = picture;
    }
    this.tick();
  }

  /** What only time changes: how long ago it was checked, how long it goes on looking. */
  tick() {
    clearTimeout(this.timer);
    const el = this.body.querySelector("[data-when]"), { busy, until, checked } = this.link.picture;
    if (!el || !this.seen) return;
    const now = this.link.now(), left = Math.ceil(until - now);
    if (this.trouble_) say(el, this.trouble_);
    else if (busy) say(el, busy);
    else if (left > 0) say(el, `It looks again by itself, for ${left} s more.`);
    else say(el, checked ? `Last checked ${now - checked < 2 ? "now" : `${span(now - checked)} ago`}.` : "");
    this.timer = setTimeout(() => this.tick(), 1000);
  }

  watch(seen) {
    if (seen === this.seen) return;
    this.seen = seen;
    this.root.classList.toggle("unseen", !seen);
    this.link.looked();
    this.tick();
  }

  ask(message) {
    this.trouble_ = "";
    const late = () => this.trouble("The notebook’s kernel is busy. Your click waits for it.");
    this.link.ask(message, late).then(() => this.trouble(""), (error) => this.trouble(error.message));
  }

  lost() { this.trouble(GONE); }

  trouble(text) {
    this.trouble_ = text;
    if (text) say(this.live, text);
    this.note ??= h("p", { class: "go small dim" });
    if (this.body.querySelector("[data-when]")) return this.tick();
    say(this.note, text);
    text ? this.root.append(this.note) : this.note.remove();
  }
}

export default {
  render({ model, el }) {
    const card = new Card(model, el);
    return () => card.stop();
  },
};
