// The selected pod: what it is, what can be done to it, the kubectl line that does the same, and its log.

const ACTS = [
  ["logs", "Logs", "L"],
  ["exec", "Exec", "E"],
  ["crash", "Crash", "C"],
  ["delete", "Delete", "Del"],
];

function kubectl(act, pod) {
  const at = pod.ns && pod.ns !== "default" ? ` -n ${pod.ns}` : "";
  if (act === "logs") return `kubectl logs ${pod.name}${at}`;
  if (act === "exec") return `kubectl exec -it ${pod.name}${at} -- sh`;
  return act === "delete" ? `kubectl delete pod ${pod.name}${at}` : null;
}

function pickPart(board) {
  const name = h("code"), ver = h("span", { class: "kl-ver" }), who = h("p", { class: "who" }, glyph(), name, ver);
  const facts = h("p", { class: "dim small facts" }), why = h("p", { class: "small why" });
  const acts = h("div", { class: "acts", role: "toolbar" }, ACTS.map(([act, word, key]) => {
    const el = button(act === "delete" ? "danger" : "", null, () => board.act(act), word, h("kbd", { "aria-hidden": "true" }, key));
    el.onfocus = el.onmouseenter = () => same(act);
    el.onblur = el.onmouseleave = () => same("delete");
    return set(el, { "data-act": act, tabindex: act === "logs" ? "0" : "-1" });
  }));
  const line = h("p", { class: "same" }), hint = h("p", { class: "dim small hint" }, "Select a pod to read its log, open a terminal in it, crash it or delete it. Arrow keys walk from pod to pod, Enter leads here.");
  const el = h("section", { class: "panel pick", "aria-label": "Selected pod" }, h("div", null, who, facts, why), acts, line, hint);
  walk(acts, "button");
  let pod = null;
  const same = (act) => {
    if (!pod) return;
    const word = ACTS.find(([a]) => a === act)[1], command = kubectl(act, pod);
    line.replaceChildren(...(command ? [h("span", null, `${word} does the same as`), h("code", null, command)] : [h("span", null, "Crash ends the container’s first process, as a bug would. kubectl has no command for it.")]));
  };
  return { el, tick() {
    if (pod) say(facts.lastChild, pod.gone ? "" : ` · ${age(board, pod)}`);
  }, update() {
    const was = pod;
    pod = board.picked();
    el.classList.toggle("empty", !pod), (hint.hidden = !!pod);
    for (const part of [who, facts, why, acts, line]) part.hidden = !pod;
    if (!pod) return;
    set(who, { "data-state": pod.gone ? "terminating" : pod.state, "--v": `var(--kl-cat-${pod.cat})`, "--kl-left": board.left01(pod) });
    say(name, pod.name), say(ver, pod.version), say(why, pod.gone ? "It is gone." : pod.why), (why.hidden = !why.textContent);
    const chain = pod.owners.map(([kind, owner], i) => `${kind} ${i ? owner.slice(owner.lastIndexOf("-") + 1) : owner}`);
    facts.replaceChildren([...chain, chain.length ? "this pod" : "no owner"].join(" › "), ...[pod.node, pod.ip].flatMap((t, i) => (t ? [" · ", i ? h("code", null, t) : t] : [])), h("span"));
    set(acts, { "aria-label": `Actions on ${pod.name}` });
    for (const one of acts.children) {
      one.disabled = pod.gone && one.dataset.act !== "logs";
      one.hidden = one.dataset.act === "crash" && !board.picture.lab?.crash;
    }
    if (pod.uid !== was?.uid) same("delete");
    this.tick();
  } };
}

function age(board, pod) {
  if (pod.state === "terminating") return pod.ends > board.now() ? `${(pod.ends - board.now()).toFixed(1)} s left to finish` : "about to end";
  return pod.state === "ready" ? `ready for ${span(board.now() - pod.since)}` : `${span(board.now() - pod.born)} old`;
}

function logPart(board) {
  const title = h("h3"), note = h("span", { class: "dim small" });
  const text = h("pre", { tabindex: "0", role: "region" });
  const previous = button("", null, () => board.readLog(!board.log.previous));
  const again = button("", "Read the log again", () => board.readLog(board.log.previous), "Refresh");
  const shut = button("", "Close the log", () => board.closeLog(), "Close");
  const el = h("section", { class: "panel logs", "aria-label": "Log" }, h("header", null, title, note, previous, again, shut), text);
  return { el, update() {
    const { log } = board;
    el.hidden = !log;
    if (!log) return;
    const pod = board.picture.pods?.[log.uid];
    say(title, `Log of ${log.name}`), set(text, { "aria-label": `Log of ${log.name}` });
    say(note, log.text === null ? "reading …" : log.previous ? "before the last restart" : "its last 500 lines");
    previous.hidden = !pod?.restarts, say(previous, log.previous ? "Since the restart" : "Before the restart");
    if (log.text === null || log.drawn === log.text) return;
    say(text, (log.drawn = log.text) || "It has written nothing."), text.classList.toggle("dim", !log.text);
    text.scrollTop = text.scrollHeight;
  } };
}
