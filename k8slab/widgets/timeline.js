// What charts share: axes at the chart's real width, step lines, bands that must not be crossed.
// live.js is below it; rollout.js, autoscale.js and race.js above.

const LEFT = 64, RIGHT = 190, TOP = 30; // px around the plot; text does not scale with it

/** Where a moment and a number are on the page. */
function axes(width, from, to) {
  const right = width < 700 ? 20 : RIGHT;
  const x = (at) => LEFT + ((width - LEFT - right) * (Math.min(Math.max(at, from), to) - from)) / (to - from);
  return { width, x, left: LEFT, right: width - right, narrow: width < 700, from, to };
}

const scaleY = (top, height, most) => (value) => top + height - (height * Math.min(value, most)) / most;

/** A line that keeps each value until the next: points are [at, value], oldest first. */
function steps(points, x, y, until) {
  if (!points.length) return "";
  let d = `M${x(points[0][0]).toFixed(1)} ${y(points[0][1]).toFixed(1)}`;
  for (const [at, value] of points.slice(1)) d += `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`;
  return d + `H${x(until).toFixed(1)}`;
}

/** The area between two step lines of the same moments. */
function area(points, x, y, until) {
  if (!points.length) return "";
  let d = steps(points.map(([at, , high]) => [at, high]), x, y, until);
  for (const [at, low] of [...points].reverse()) d += `V${y(low).toFixed(1)}H${x(at).toFixed(1)}`;
  return d + "Z";
}

/** The steps from a moment on; the one that was true then begins with it. */
function since(all, from) {
  const first = all.findLastIndex((step) => step.at <= from);
  return all.slice(Math.max(0, first)).map((step) => (step.at < from ? { ...step, at: from } : step));
}

const label = (x, y, text, props) => s("text", { x, y, ...props }, text);
const line = (d, cls) => s("path", { d, class: cls });
/** Numbers for an axis: 0 and two to five round ones above. */
function ticks(most) {
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000].find((n) => most / n <= 5) ?? 10000;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

/** The seconds along the bottom, counted from `zero`. */
function seconds(ax, y, zero) {
  const span = ax.to - ax.from, step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((n) => span / n <= (ax.narrow ? 5 : 8)) ?? 1800;
  const marks = [];
  for (let at = Math.ceil((ax.from - zero) / step) * step; at <= ax.to - zero; at += step) marks.push(at);
  return marks.map((at) => label(ax.x(zero + at), y, step >= 60 ? `${at / 60} min` : `${at} s`, { class: "t", "text-anchor": "middle" }));
}

let patterns = 0;
/** Diagonal stripes, as a fill. */
function stripes() {
  const id = `kl-stripes-${++patterns}`;
  const def = s("defs", null, s("pattern", { id, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("path", { d: "M0 0V7", class: "stripe" })));
  return [def, `url(#${id})`];
}
