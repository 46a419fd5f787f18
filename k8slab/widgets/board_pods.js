// Pods, as densely as their number asks for: tiles, chips, cells, bars. The first two keep their places; see look/README.

function podLabel(pod) {
  const again = pod.restarts ? `, ${plural(pod.restarts, "restart", "restarts")}` : "";
  const of = pod.total > 1 && pod.ready >= 0 ? `, ${pod.ready} of ${pod.total} containers ready` : "";
  return `Pod ${pod.name}, version ${pod.version}, ${pod.word.toLowerCase()}${of}${again}`;
}

/** What the tile's button says to everyone: state, version colour, name. */
function dress(el, pod) {
  set(el, { "data-state": pod.state, "data-uid": pod.uid, "--v": `var(--kl-cat-${pod.cat})`, "aria-label": podLabel(pod), title: pod.why || null });
}

function tile() {
  const [name, ver, id, pips, word, again] = ["name", "kl-ver", "id", "pips", "word", "again"].map((c) => h("span", { class: c }));
  const el = h("button", { class: "tile", type: "button", "aria-pressed": "false", tabindex: "-1" }, glyph(), name, ver, id, pips, h("span", { class: "st" }, word, again));
  return { el, update(pod) {
    dress(el, pod);
    say(name, pod.id ? pod.app : pod.name), say(ver, pod.version), say(word, pod.word), say(again, pod.restarts ? `↻ ${pod.restarts}` : "");
    say(id, pod.id || "no owner"), id.classList.toggle("none", !pod.id);
    set(name, { title: pod.name }), set(id, { "data-node": pod.node || "no node" });
    if (pod.state === "terminating") return;
    const dots = pod.total <= 4 ? Array.from({ length: pod.total }, (_, i) => h("i", { class: i < pod.ready ? "ok" : "" })) : [];
    pips.replaceChildren(...dots, `${pod.ready < 0 ? "?" : pod.ready}/${pod.total}`);
  } };
}

function chip() {
  const id = h("code"), ver = h("span", { class: "kl-ver" });
  const el = h("button", { class: "chip", type: "button", "aria-pressed": "false", tabindex: "-1" }, glyph(), id, ver);
  return { el, update(pod) {
    dress(el, pod), say(id, pod.id || pod.name), say(ver, pod.version);
  } };
}

/** A place on a node. It stays when its pod goes, so that no other pod has to move. */
function place(make, board) {
  const el = h("li");
  let kid = null, uid = null;
  const empty = (gone) => {
    if (gone.el.isConnected) gone.el.remove();
    board.settle();
  };
  return { el, leaving: false, update({ pod }) {
    if (kid && pod?.uid !== uid) {
      const gone = kid;
      board.left(uid, gone.el);
      [kid, uid, this.leaving] = [null, null, !pod && !board.still()];
      gone.el.classList.add("kl-goes"), set(gone.el, { tabindex: "-1", "aria-hidden": "true" });
      if (this.leaving) setTimeout(() => ((this.leaving = false), empty(gone)), 220);
      else gone.el.remove();
    }
    el.classList.toggle("hole", !pod);
    if (!pod) return;
    if (!kid) {
      el.replaceChildren((kid = make()).el), (uid = pod.uid);
      const waited = board.left_?.get(uid);
      if (waited && !board.still()) flight(waited, kid.el);
      else if (!board.first) kid.el.classList.add("kl-came");
    } else if (kid.state !== pod.state) {
      kid.el.classList.remove("kl-came", "kl-news");
      void kid.el.offsetWidth; // so that the animation starts again
      kid.el.classList.add("kl-news");
    }
    if (kid.item !== pod) kid.state = pod.state, kid.update((kid.item = pod));
  } };
}

/** The pods of one node, tiles or chips, each in its place. */
function placed(kind, board, where = "place") {
  const el = h("ul", { class: kind === "tile" ? "pods" : "chips" });
  roving(el, ".tile, .chip", board);
  return { el, update({ pods }) {
    const at = new Map(pods.map((pod) => [pod[where], pod]));
    const most = Math.max(-1, ...at.keys());
    const kids = el.kids ?? new Map();
    let count = most + 1;
    while (kids.get(count)?.leaving || kids.get(count)?.item?.pod) count++; // what goes is seen going
    sync(el, Array.from({ length: count }, (_, i) => ({ i, pod: at.get(i) })), (p) => p.i, () => place(kind === "tile" ? tile : chip, board));
    oneStop(el, ".tile, .chip", board.local.selected);
  } };
}

/** Groups of cells, or of bars: by app and version, exceptions first, and only they carry a glyph. */
function grouped(board) {
  const list = h("div", { class: "groups" });
  let node = "";
  const more = h("button", { class: "kl-btn quiet", type: "button", onclick: () => board.toggleCells(node) });
  return { el: h("div", { class: "grouped" }, list, more), update({ name, pods }) {
    const groups = new Map();
    for (const pod of pods) groups.set(pod.of, [...(groups.get(pod.of) ?? []), pod]);
    const few = board.picture.density === "cells", cells = few || board.local.cells?.has(name);
    node = name;
    (more.hidden = few || !pods.length), say(more, cells ? "Show bars" : "Show each pod");
    sync(list, [...groups].map(([of, all]) => ({ of, all, cells })), (g) => g.of + g.cells, (g) => (g.cells ? cellGroup(board) : barGroup()));
  } };
}

function head(all) {
  const [pod] = all;
  const ready = all.filter((p) => p.state === "ready").length;
  return [h("span", { class: "kl-ver" }, pod.version), ` ${pod.app}: `, h("b", null, all.length), ` ${all.length === 1 ? "pod" : "pods"}, ${ready} ready`];
}

function cellGroup(board) {
  const line = h("p", { class: "small" }), list = h("ul", { class: "cells", role: "listbox" });
  roving(list, ".cell", board);
  return { el: h("div", null, line, list), update({ all }) {
    set(line.parentNode, { "--v": `var(--kl-cat-${all[0].cat})` });
    line.replaceChildren(...head(all));
    set(list, { "aria-label": `${all[0].app} ${all[0].version}` });
    const odd = (pod) => (pod.state === "ready" ? 1 : 0);
    sync(list, [...all].sort((a, b) => odd(a) - odd(b)), (pod) => pod.uid, () => {
      const el = h("li", { class: "cell", role: "option", "aria-selected": "false", tabindex: "-1" }, glyph());
      return { el, update: (pod) => dress(el, pod) };
    });
    oneStop(list, ".cell", board.local.selected);
  } };
}

function barGroup() {
  const line = h("p", { class: "small" }), fill = h("i", { class: "kl-fill" });
  const el = h("div", { class: "group-bar" }, line, h("div", { class: "bar", "aria-hidden": "true" }, fill));
  return { el, update({ all }) {
    const ready = all.filter((pod) => pod.state === "ready").length;
    set(el, { "--v": `var(--kl-cat-${all[0].cat})`, "--to": `${(100 * ready) / all.length}%` });
    line.replaceChildren(...head(all));
  } };
}

/** Arrow keys walk, Enter selects and goes to the actions, a letter acts at once; a click selects. */
function roving(list, what, board) {
  const act = { l: "logs", e: "exec", c: "crash", Delete: "delete", Backspace: "delete" };
  list.addEventListener("click", (e) => {
    const el = e.target.closest(what);
    if (el && !el.classList.contains("kl-goes")) board.select(el.dataset.uid), oneStop(list, what, el.dataset.uid);
  });
  walk(list, what, (el, key) => {
    if (key === "Enter") board.select(el.dataset.uid, true);
    else if (key === " ") board.select(el.dataset.uid);
    else if (act[key]) board.select(el.dataset.uid), board.act(act[key]);
    else return false;
    return true;
  });
}

const oneStop = (list, what, selected) => stops(list, what, (el) => el.dataset.uid === selected);
