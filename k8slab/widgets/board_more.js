// More parts of the board: which namespace and how grouped, Services and whom they reach, the scale handle, the pod's terminal.

/** Namespace, grouping, Services: what the reader looks at. Nothing here changes the cluster. */
function lookPart(board) {
  const space = h("select", { "aria-label": "Namespace", onchange: () => ((board.local.ns = space.value), board.paint()) });
  const ways = [["node", "Nodes"], ["owner", "Owners"]].map(([by, word]) => h("button", { class: "also", type: "button", "data-by": by, onclick: () => ((board.local.by = by), board.paint()) }, word));
  const grouping = h("div", { class: "switch", role: "group", "aria-label": "Group pods by" }, h("span", { class: "dim" }, "Group by"), ways);
  const services = h("div", { class: "switch", role: "group", "aria-label": "Light up a Service’s endpoints" });
  const told = h("p", { class: "dim" });
  const el = h("div", { class: "look" }, h("label", { class: "switch space" }, h("span", { class: "dim" }, "Namespace"), space), grouping, services, told);
  return { el, update() {
    const names = board.picture.namespaces ?? [], all = board.services();
    el.firstChild.hidden = names.length < 2;
    if (space.names !== names.join()) {
      space.names = names.join();
      space.replaceChildren(h("option", { value: "" }, "all"), ...names.map((name) => h("option", { value: name }, name)));
    }
    space.value = names.includes(board.local.ns) ? board.local.ns : "";
    for (const way of ways) set(way, { "aria-pressed": String((board.local.by ?? "node") === way.dataset.by) });
    services.hidden = !all.length;
    const shown = [{ uid: "", name: "Services" }, ...all.slice(0, 8)];
    sync(services, shown, (s) => s.uid, (s) => (s.uid ? serviceButton(board) : { el: h("span", { class: "dim" }, "Services") }));
    const lit = board.service();
    for (const one of services.querySelectorAll("button")) set(one, { "aria-pressed": String(one.dataset.service === board.local.service) });
    (told.hidden = !lit), say(told, lit ? lit.told : "");
  } };
}

function serviceButton(board) {
  const el = h("button", { class: "also", type: "button" }, h("b"), h("span"));
  return { el, update(service) {
    say(el.firstChild, service.name), say(el.lastChild, ` → ${service.pods.length}`);
    set(el, { "aria-label": `Service ${service.name}: ${plural(service.pods.length, "pod gets", "pods get")} its requests`, title: `${service.ip}:${service.ports}`, "data-service": service.uid });
    el.onclick = () => ((board.local.service = board.local.service === service.uid ? null : service.uid), board.paint());
  } };
}

/** Cards of owners instead of nodes: a Deployment's pods wherever they run. */
function ownersPart(board) {
  const el = h("div", { class: "nodes owners" });
  return { el, update() {
    el.hidden = board.local.by !== "owner";
    if (el.hidden) return;
    const groups = new Map(board.wishes().map((w) => [`${w.ns}/${w.kind}/${w.name}`, []]));
    for (const pod of board.pods()) groups.set(pod.group, [...(groups.get(pod.group) ?? []), pod]);
    const cards = [...groups].map(([group, pods]) => ({ group, pods, name: group, level: board.picture.density }));
    set(el, { "data-count": Math.min(cards.length, 3) });
    sync(el, cards, (card) => card.group + card.level, () => ownerCard(board));
  } };
}

function ownerCard(board) {
  const name = h("h3"), told = h("span", { class: "dim small" });
  const el = h("section", { class: "panel node" }, h("header", null, name, told));
  let inside = null;
  return { el, update(card) {
    const [ns, kind, owner] = card.group.split("/"), wish = board.wishes().find((w) => w.kind === kind && w.name === owner && w.ns === ns);
    const ready = card.pods.filter((pod) => pod.state === "ready").length;
    if (!inside) el.append((inside = card.level === "tiles" ? placed("tile", board, "spot") : card.level === "chips" ? placed("chip", board, "spot") : grouped(board)).el);
    set(el, { "aria-label": owner ? `${kind} ${owner}` : "Pods without an owner" });
    say(name, owner || "No owner");
    say(told, [owner && kind, board.several() && ns, wish ? `wants ${wish.wants}, has ${ready} ready` : `${ready} of ${card.pods.length} ready`].filter(Boolean).join(" · "));
    inside.update(card);
  } };
}

/** The handle at the end of the slots: pulled to the right it wishes for more, to the left for less; arrow keys do the same. */
function scaleHandle(board) {
  const WIDE = 34; // px of the way to one pod more
  const el = h("span", { class: "pull", role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": "1000", title: "Pull to wish for more or fewer" }, h("i"), h("b"));
  let from = null, wants = 0;
  const show = () => (say(el.lastChild, from === null ? "" : wants), set(el, { "aria-valuenow": wants }));
  const end = (kept) => {
    const wish = board.wish(), was = from;
    from = null;
    el.classList.remove("held"), show();
    if (kept && was && wish && wants !== was.wants) board.scale(wants - was.wants);
  };
  el.onpointerdown = (e) => {
    const wish = board.wish();
    if (!wish || e.button) return;
    (from = { x: e.clientX, wants: board.target(wish) }), (wants = from.wants);
    el.setPointerCapture(e.pointerId), el.classList.add("held"), show();
  };
  el.onpointermove = (e) => from && ((wants = Math.max(0, from.wants + Math.round((e.clientX - from.x) / WIDE))), show());
  el.onpointerup = () => end(true);
  el.onpointercancel = () => end(false);
  el.onkeydown = (e) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[e.key];
    if (!by) return;
    e.preventDefault(), board.scale(by);
  };
  return { el, update(wish) {
    if (from) return;
    wants = board.target(wish);
    set(el, { "aria-label": `Replicas of ${wish.name}`, "aria-valuetext": plural(wants, "pod wished", "pods wished") }), show();
  } };
}

/** The terminal in a pod, as wide as the board; it stays until it is closed. */
function consolePanel(board) {
  const part = consolePart((message) => board.ask(message));
  const shut = button("", "Close the terminal", () => board.hangUp(), "Close");
  const el = h("section", { class: "panel exec", "aria-label": "Terminal" }, part.el);
  part.el.querySelector(".over").append(shut);
  let open = false;
  return { el, stop: part.stop, update() {
    const { console: picture } = board.picture;
    el.hidden = !picture;
    part.update(picture);
    if (picture && !open && board.local.wantsConsole) (board.local.wantsConsole = false), part.focus();
    open = !!picture;
  } };
}

/** A pod that comes out of the waiting room is seen going to its node. */
function flight(from, el) {
  const to = el.getBoundingClientRect();
  el.animate([{ translate: `${from.left - to.left}px ${from.top - to.top}px`, zIndex: 2 }, { translate: "0 0" }], { duration: 220, easing: "cubic-bezier(.2,.7,.3,1)" });
}
