// Many things, one tab stop: arrow keys walk among them, and Tab leaves (the "roving tabindex" of WAI-ARIA's patterns).

/** Of a list, exactly one element can be reached by Tab: `chosen(el)`, else the one last focused, else the first. */
function stops(list, what, chosen = () => false) {
  const all = [...list.querySelectorAll(what)];
  const now = all.find(chosen) ?? all.find((el) => el.tabIndex === 0) ?? all[0];
  for (const el of all) if (el.tabIndex !== (el === now ? 0 : -1)) el.tabIndex = el === now ? 0 : -1;
}

/** Arrow keys walk over the elements `what` of a list, Home and End jump; any other key goes to `pressed(el, key)`,
    which returns true if it was for it. Disabled and hidden elements are left out. */
function walk(list, what, pressed = () => false) {
  list.addEventListener("keydown", (e) => {
    const here = e.target.closest(what);
    if (!here || e.ctrlKey || e.metaKey || e.altKey) return;
    const all = [...list.querySelectorAll(what)];
    const next = neighbour(all.filter((el) => !el.disabled && !el.hidden), here, e.key);
    if (next) {
      for (const el of all) el.tabIndex = el === next ? 0 : -1;
      next.focus();
    } else if (!pressed(here, e.key)) return;
    e.preventDefault();
  });
}

/** Where an arrow key leads: left and right in order, up and down to the nearest in the next row. */
function neighbour(all, here, key) {
  const i = all.indexOf(here);
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key === "ArrowRight") return all[(i + 1) % all.length];
  if (key === "ArrowLeft") return all[(i - 1 + all.length) % all.length];
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const at = here.getBoundingClientRect(), down = key === "ArrowDown";
  const far = (el) => {
    const r = el.getBoundingClientRect(), dy = down ? r.top - at.top : at.top - r.top;
    return dy < 4 ? Infinity : dy * 1000 + Math.abs(r.left - at.left);
  };
  const best = all.reduce((a, b) => (far(b) < far(a) ? b : a), here);
  return best === here ? all[(i + (down ? 1 : -1) + all.length) % all.length] : best;
}
