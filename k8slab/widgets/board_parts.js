// The parts of the board, each { el, update() }: header, wish, waiting pods, nodes, story, footer. board_pick.js has the rest.

function topPart(board) {
  const name = h("h2"), live = h("span", { class: "live" }, glyph(), h("span"));
  const badges = h("div", { class: "badges" });
  return { el: h("header", { class: "top" }, name, badges, live), update() {
    const { lab } = board.picture;
    say(name, lab?.name ?? "Board");
    const away = board.picture.problem && board.link === "ready";
    const word = { ready: "Connected, up to date", starting: "Waiting for the notebook’s kernel", failed: "The last click failed", gone: "The notebook’s kernel is gone" }[board.link];
    set(live, { "data-state": away || board.link === "gone" ? "unknown" : board.link, title: board.picture.problem || null }), say(live.lastChild, away ? "The cluster does not answer" : word);
    if (!lab || lab === this.lab) return;
    this.lab = lab;
    badges.replaceChildren(...[fences(lab), speed(lab), lab.version && h("span", { class: "kl-badge" }, h("span", null, "Kubernetes ", h("b", null, lab.version)))].filter(Boolean));
  } };
}

/** What is real about containers here: as many bars as there are fences, the real ones full. */
function fences(lab) {
  if (!lab.runtime) return null;
  const all = lab.real ? lab.all_fences.length : 0, real = lab.fences.length;
  const missing = Object.entries(lab.missing).map(([fence, why]) => `${fence}: ${why}`).join("\n");
  const told = `Real here: ${lab.fences.join(", ") || "nothing, containers are records"}.${missing ? `\nMissing:\n${missing}` : ""}`;
  return h("span", { class: "kl-badge", title: told },
    all > 0 && h("span", { class: "fences", "aria-hidden": "true" }, Array.from({ length: all }, (_, i) => h("i", { class: i < real ? "on" : "" }))),
    h("span", null, h("b", null, lab.runtime), lab.real ? all > 0 && ` · ${real} of ${all} fences` : " · records, not processes"));
}

function speed(lab) {
  const told = lab.speed === 1 ? "Time passes as on a real cluster." : `Kubernetes’ own waits are ${lab.speed} times shorter here.`;
  return h("span", { class: "kl-badge", title: told }, h("span", null, h("b", null, `×${lab.speed}`), lab.speed === 1 ? " real time" : " lesson time"));
}

function wishPart(board) {
  const kind = h("p", { class: "kind" }), loud = h("h3", { class: "say" });
  const count = h("output", { "aria-live": "off" });
  const less = button("", "One less", () => board.scale(-1), "−"), more = button("", "One more", () => board.scale(1), "+");
  const scale = h("div", { class: "scale", role: "group" }, h("span", { class: "dim small" }, "Replicas"), h("span", { class: "stepper" }, less, count, more));
  const slots = h("div", { class: "slots", role: "img" }), handle = scaleHandle(board), others = h("p", { class: "others" });
  const el = h("section", { class: "wish" }, h("div", null, kind, loud), scale, h("div", { class: "pulled" }, slots, handle.el), others);
  return { el, update() {
    const all = board.wishes(), wish = board.wish();
    scale.hidden = slots.hidden = handle.el.hidden = !wish;
    others.hidden = all.length < 2;
    if (!wish) return bare(board, kind, loud, el);
    set(el, { "aria-label": `${wish.kind} ${wish.name}: wish and reality` });
    kind.replaceChildren(`${wish.kind} `, h("b", null, wish.name), board.several() ? ` in ${wish.ns}` : "", wish.note ? ` · ${wish.note}` : "");
    const wants = board.target(wish);
    loud.replaceChildren("wants ", h("b", null, wants), h("span", { class: "dim" }, " · "), "has ", h("b", null, wish.ready), " ready");
    say(count, wants), (less.disabled = wants === 0);
    set(scale, { "aria-label": `Replicas of ${wish.name}` }), set(slots, { "aria-label": wish.told });
    slots.replaceChildren(...slotsOf(board, wish)), handle.update(wish);
    others.replaceChildren(h("span", null, "Also here:"), ...all.filter((w) => w.uid !== wish.uid).slice(0, 8).map((w) => h("button", { class: "also", type: "button", onclick: () => board.focus(w.uid) }, h("b", null, w.name), ` wants ${w.wants}, has ${w.ready}`)));
  } };
}

function bare(board, kind, loud, el) {
  const pods = board.pods().length;
  set(el, { "aria-label": "Wish and reality" });
  say(kind, pods ? "Pods that nobody wished for: a pod that is deleted stays deleted" : "Write down what should be there, and watch it come");
  loud.replaceChildren(...(pods ? ["no wish", h("span", { class: "dim" }, " · "), h("b", null, pods), pods === 1 ? " pod" : " pods"] : ["Nothing is here yet"]));
}

/** One slot per wished pod, those beyond the wish after it; with many, one per version and state. */
function slotsOf(board, wish) {
  const pods = (uids) => uids.map((uid) => board.picture.pods[uid]).filter(Boolean);
  const slot = (pod, cls, n) => h("span", { class: `slot ${cls}`, "data-state": pod.state, "--v": `var(--kl-cat-${pod.cat})`, "--kl-left": board.left01(pod) }, glyph(), h("span", { class: "kl-ver" }, pod.version), n > 1 && h("b", null, `×${n}`));
  const gathered = (all, cls) => {
    if (wish.wants <= 20 && all.length <= 20) return all.map((pod) => slot(pod, cls, 1));
    const kinds = new Map();
    for (const pod of all) kinds.set(pod.of + pod.state, [...(kinds.get(pod.of + pod.state) ?? []), pod]);
    return [...kinds.values()].map((same) => slot(same[0], cls, same.length));
  };
  const lacking = wish.wants - wish.pods.length;
  const empty = lacking > 0 ? (wish.wants <= 20 ? Array.from({ length: lacking }, () => h("span", { class: "slot none" })) : [h("span", { class: "slot none" }, `${lacking} missing`)]) : [];
  const more = gathered(pods(wish.more), "going");
  return [...gathered(pods(wish.pods), ""), ...empty, ...(more.length ? [h("span", { class: "small dim more" }, "for a moment also"), ...more] : [])];
}

function waitingPart(board) {
  const title = h("h3"), why = h("p", { class: "dim small" }), list = h("ul", { class: "pods" });
  roving(list, ".tile", board);
  const el = h("section", { class: "panel waiting", "aria-label": "Pods waiting for a node" }, list, h("div", null, title, why));
  return { el, update() {
    const pods = board.pods().filter((pod) => !pod.node && pod.state === "pending" && (pod.why || board.now() - pod.born > 3));
    el.hidden = !pods.length;
    say(title, pods.length > 1 ? `${pods.length} pods wait for a node` : "Waiting for a node");
    const shown = pods.find((pod) => pod.uid === board.local.selected) ?? pods[0];
    say(why, shown ? shown.why || "No scheduler has looked at it yet." : "");
    const gone = new Set(pods.map((pod) => pod.uid));
    board.left_ = new Map([...list.querySelectorAll(".tile")].filter((el) => !gone.has(el.dataset.uid)).map((el) => [el.dataset.uid, el.getBoundingClientRect()]));
    sync(list, pods.slice(0, 12), (pod) => pod.uid, () => {
      const one = tile();
      return { el: h("li", null, one.el), update: one.update };
    });
    oneStop(list, ".tile", board.local.selected);
  } };
}

function nodesPart(board) {
  const cardsEl = h("div", { class: "nodes" }), rest = h("p", { class: "dim small" });
  const el = h("div", { class: "place" }, cardsEl, rest);
  return { el, cards: () => [...(cardsEl.kids?.values() ?? [])], update() {
    if ((el.hidden = board.local.by === "owner")) return;
    const on = new Map();
    for (const pod of board.pods()) on.set(pod.node, [...(on.get(pod.node) ?? []), pod]);
    const cards = ordered(board.picture.nodes).map((node) => ({ ...node, pods: on.get(node.name) ?? [], level: board.picture.density }));
    const { nodes, pods } = board.picture.undrawn ?? {};
    const undrawn = [nodes && plural(nodes, "more node", "more nodes"), pods && plural(pods, "more pod", "more pods")].filter(Boolean).join(" and ");
    const { power, crash } = board.picture.lab ?? {};
    const cannot = power && crash ? "" : `${!power && !crash ? "A real cluster has no button to pull a plug or to crash a container" : !power ? "No plug can be pulled here" : "No container can be crashed here"}. Drain a node, or delete a pod, instead.`;
    say(rest, [undrawn && `Not drawn: ${undrawn}.`, cannot].filter(Boolean).join(" ")), (rest.hidden = !rest.textContent);
    set(cardsEl, { "data-count": Math.min(cards.length, 3) });
    sync(cardsEl, cards, (node) => node.name + node.level, () => nodeCard(board));
  } };
}

function nodeCard(board) {
  const name = h("h3"), word = h("span", { class: "dim small" }), where = h("p", { class: "where" }), told = h("span");
  const plug = button("quiet", null, () => board.power(card.node), icon("plug"), h("span"));
  const cordon = button("quiet small", null, () => board.cordon(card.node)), drain = button("quiet small", null, () => board.drain(card.node), "Drain");
  const cpu = meter("CPU"), memory = meter("Memory"), cap = h("div", { class: "cap" }, cpu.el, memory.el);
  const silence = h("p"), fill = h("i", { class: "kl-fill" });
  const note = h("div", { class: "note" }, silence, h("div", { class: "bar", "aria-hidden": "true" }, fill));
  const el = h("section", { class: "panel node" }, h("header", null, icon("server"), name, word, plug), where, cap, note);
  where.append(told, drain, cordon);
  let inside = null;
  const card = { el, node: null, update(node) {
    this.node = node;
    const dark = node.state === "off" || node.state === "silent";
    if (!inside) el.append((inside = node.level === "tiles" ? placed("tile", board) : node.level === "chips" ? placed("chip", board) : grouped(board)).el);
    set(el, { "aria-label": `${node.name}, ${node.word.toLowerCase()}`, "data-node": node.name }), el.classList.toggle("off", dark);
    say(name, node.name), say(word, node.word);
    const draining = board.picture.draining?.[node.name];
    const facts = draining ? [draining] : [node.zone && `zone ${node.zone}`, dark ? "no answer" : node.cidr && h("code", null, node.cidr), node.level !== "tiles" && plural(node.pods.length, "pod", "pods")];
    told.replaceChildren(...facts.filter(Boolean).flatMap((fact, i) => (i ? [" · ", fact] : [fact])));
    say(cordon, node.cordoned ? "Uncordon" : "Cordon"), set(cordon, { "aria-label": `${node.cordoned ? "Uncordon" : "Cordon"} ${node.name}`, title: node.cordoned ? "Let new pods come here again" : "Let no new pod come here" });
    plug.hidden = !board.picture.lab?.power, cordon.hidden = dark, drain.hidden = dark || !!draining;
    set(drain, { "aria-label": `Drain ${node.name}`, title: "Evict its pods, as disruption budgets allow, and let no new one come" });
    const on = dark; // whoever pulled it
    plug.classList.toggle("quiet", !on);
    say(plug.lastChild, on ? "Power on" : "Pull plug"), set(plug, { "aria-label": `${on ? "Power on" : "Pull the plug of"} ${node.name}`, title: on ? "Put the plug back in" : "A power cut: no warning, no clean-up" });
    cap.hidden = dark, note.hidden = !dark;
    cpu.update(node.cpu, 1, ""), memory.update(node.memory, 2 ** 30, " Gi");
    if (dark) this.tick();
    inside.update(node);
  }, tick() {
    const { silent, due } = this.node;
    if (!silent) return say(silence, "How its pods are, nobody knows."), undefined;
    const left = due - board.now();
    silence.replaceChildren(`Silent for ${span(board.now() - silent)}. How its pods are, nobody knows. `, ...(left > 0 ? ["They are replaced in ", h("b", null, span(left)), "."] : ["They are given up and replaced."]));
    set(fill, { "--to": `${Math.min(100, (100 * (board.now() - silent)) / (due - silent))}%` });
  } };
  return card;
}

/** What the pods of a node have asked for, of what there is. */
function meter(what) {
  const now = h("b"), of = h("span"), fill = h("i", { class: "kl-fill" });
  const el = h("div", { title: `${what} that the pods here have asked for (requests)` }, h("p", null, h("span", null, what), h("span", null, now, of)), h("div", { class: "bar", "aria-hidden": "true" }, fill));
  return { el, update([used, total], unit, name) {
    const short = (n) => Number((n / unit).toFixed(1));
    say(now, short(used)), say(of, ` of ${short(total)}${name}`);
    set(fill, { "--to": `${total ? Math.min(100, (100 * used) / total) : 0}%` });
  } };
}

function storyPart(board) {
  const list = h("ol"), none = h("p", { class: "dim small none" }, "Nothing has happened since the board was opened. Change something, here or with kubectl.");
  const el = h("section", { class: "story", "aria-label": "What happened", tabindex: "0" }, h("h3", null, "What happened ", h("span", { class: "dim" }, "newest first")), none, list);
  return { el, update() {
    const chapters = Object.entries(board.picture.story ?? {}).map(([n, c]) => [Number(n), c]).sort((a, b) => b[0] - a[0]);
    none.hidden = chapters.length > 0;
    sync(list, chapters, ([n]) => n, () => chapter(board));
  } };
}

function chapter(board) {
  const time = h("time"), title = h("p"), lines = h("ol");
  const el = h("li", { class: board.first ? "" : "kl-came" }, time, title, lines);
  return { el, update([, told]) {
    say(time, new Date((told.at + board.connection.behind) * 1000).toLocaleTimeString([], { hour12: false }));
    if (this.title !== told.title) title.replaceChildren(...rich((this.title = told.title)));
    lines.hidden = !told.lines.length;
    sync(lines, told.lines.map((line, i) => ({ ...line, i })), (line) => line.i, () => {
      const li = h("li");
      return { el: li, update: (line) => (li.classList.toggle("bad", line.bad), li.replaceChildren(...rich(line.say))) };
    });
  } };
}

function footPart(board) {
  const legend = Object.entries(STATES).map(([state, word]) => h("li", { "data-state": state, "--kl-left": 0.6 }, glyph(), word));
  return { el: h("div", { class: "foot" }, board.live.el, h("ul", { "aria-label": "Legend" }, legend)), update() {} };
}
