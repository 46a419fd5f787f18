// A console in a view: rows as the kernel's screen.py keeps them, a cursor, and keys sent to the process (console.py).
// What is typed goes through a text field, so that input methods and paste work. Shift+Tab leaves: Tab is the shell's.

const KEYS = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", Delete: "\x1b[3~", Insert: "\x1b[2~", PageUp: "\x1b[5~", PageDown: "\x1b[6~",
  ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F" };

/** What a key sends; null for one that is the browser's, or comes as text. */
function keysOf(e) {
  if (e.metaKey || (e.key === "Tab" && e.shiftKey)) return null;
  if (e.ctrlKey && !e.altKey && /^[a-z@[\\\]^_]$/i.test(e.key)) {
    const copies = e.key.toLowerCase() === "c" && (e.shiftKey || String(getSelection()));
    return copies || e.key.toLowerCase() === "v" ? null : String.fromCharCode(e.key.toUpperCase().charCodeAt(0) & 31);
  }
  if (e.ctrlKey && e.key !== "Backspace") return null;
  if (e.altKey && e.key.length === 1 && !e.ctrlKey) return `\x1b${e.key}`;
  return KEYS[e.key] ?? null;
}

/** { el, update(picture), focus(), stop() } of a console. `send(message)` reaches its `act`. */
function consolePart(send) {
  const title = h("h3"), same = h("code", { class: "same-as" }), ended = h("span", { class: "small" });
  const again = button("", null, () => (send({ do: "again" }), keys.focus()), "Start again");
  const rows = h("div", { class: "rows" }), cursor = h("i", { class: "cursor", "aria-hidden": "true" });
  const keys = h("textarea", { rows: 1, autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
  const screen = h("div", { class: "screen", role: "group" }, rows, cursor, keys);
  const leave = h("p", { class: "small dim leave" }, h("kbd", null, "Shift"), " ", h("kbd", null, "Tab"), " leaves the terminal");
  const el = h("div", { class: "console" }, h("div", { class: "over" }, title, same, ended, again), screen, leave);
  let typed = "", size = "", drawn = null, timer = null;

  const flush = () => ((timer = null), send({ do: "type", keys: typed }), (typed = ""));
  const type = (text) => ((typed += text), (timer ??= setTimeout(flush, 8))); // what is typed fast goes together
  keys.onkeydown = (e) => {
    const sent = e.isComposing ? null : keysOf(e);
    e.stopPropagation();
    if (sent !== null) type(sent), e.preventDefault();
  };
  keys.oninput = (e) => {
    if (e.isComposing) return;
    type(keys.value.replace(/\r?\n/g, "\r")), (keys.value = "");
  };
  keys.addEventListener("compositionend", () => (type(keys.value), (keys.value = "")));
  screen.onmouseup = () => String(getSelection()) || keys.focus({ preventScroll: true });

  const measure = () => {
    const probe = h("span", { class: "probe" }, "0".repeat(50));
    rows.append(probe);
    const wide = probe.getBoundingClientRect().width / 50;
    probe.remove();
    const columns = Math.max(20, Math.floor((rows.clientWidth || 0) / wide)), lines = Math.max(4, Math.floor((screen.clientHeight - 24) / 18));
    if (!wide || !rows.clientWidth || size === `${columns} ${lines}`) return;
    size = `${columns} ${lines}`;
    send({ do: "resize", columns, rows: lines });
  };
  const observer = new ResizeObserver(measure);
  observer.observe(screen);

  return { el, focus: () => keys.focus(), stop: () => (observer.disconnect(), clearTimeout(timer)), update(picture) {
    if (!picture || picture === drawn) return;
    drawn = picture;
    const atEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 30;
    say(title, picture.title), say(same, picture.same), (same.hidden = !picture.same);
    say(ended, picture.ended), (again.hidden = picture.running), (ended.hidden = !picture.ended);
    set(screen, { "aria-label": `Screen of ${picture.title}` }), set(keys, { "aria-label": `Type to ${picture.title}` });
    keys.disabled = !picture.running;
    sync(rows, Object.entries(picture.rows).map(([n, runs]) => ({ n: +n, runs })).sort((a, b) => a.n - b.n), (row) => row.n, () => {
      const line = h("div", { class: "row" });
      let was = null;
      return { el: line, update({ runs }) {
        if (runs === was) return;
        line.replaceChildren(...(was = runs).map(([text, style]) => (style ? h("span", { class: style }, text) : text)));
      } };
    });
    const [n, x] = picture.cursor ?? [], at = rows.kids?.get(n)?.el;
    cursor.hidden = !at;
    if (at) set(cursor, { "--x": x, "--y": `${at.offsetTop}px` });
    if (atEnd) screen.scrollTop = screen.scrollHeight;
  } };
}

/** The last line that says something, for the live line. */
function lastSaid(picture) {
  const rows = Object.entries(picture?.rows ?? {}).sort((a, b) => b[0] - a[0]).map(([, runs]) => runs.map(([text]) => text).join("").trim());
  return picture?.ended || rows.find((row) => row && !/^\S*[$#] ?$/.test(row)) || "";
}
