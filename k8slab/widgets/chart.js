// A chart over time, drawn at its real width so that its text never scales: axes, bands, lines, marks.
// `chart(height)` gives { el, draw(data), stop() }; chart.css has its style, view.js stands above in the module.

const SVG = "http://www.w3.org/2000/svg";
const EDGE = { top: 8, right: 10, bottom: 20, left: 36 }; // room for tick labels of 11 px

/** An SVG element: svg("path", { d }, …children). */
function svg(tag, props, ...kids) {
  const el = document.createElementNS(SVG, tag);
  set(el, props ?? {});
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== false && kid !== undefined));
  return el;
}

/** Round values between two, about `count` of them: 1, 2 or 5 times a power of ten apart. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = power * ([1, 2, 5, 10].find((n) => n * power >= rough) ?? 10);
  const all = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) all.push(+at.toPrecision(12));
  return all;
}

/** A chart `height` px high, as wide as what it stands in.
    draw({ say, from, to, low?, high, unit?, bands?, lines?, marks?, xLabel?, yLabel? }), with times in seconds:
    say    the whole chart in a sentence, for those who do not see it
    bands  [{ from?, to?, low?, high?, kind }]           an area: `kind` becomes its class (warn, quiet, v)
    lines  [{ points: [[t, value]], kind?, colour?, step?, name? }]   `step` draws corners, for what changes at once
    marks  [{ at, value?, name, kind? }]                 a moment, or a point */
function chart(height) {
  const el = h("div", { class: "kl-chart", role: "img" }), drawing = svg("svg", { height, "aria-hidden": "true" });
  el.append(drawing);
  let data = null, width = 0;
  const paint = () => {
    width = Math.floor(el.clientWidth);
    if (!data || width < 80) return;
    set(drawing, { width, viewBox: `0 0 ${width} ${height}` });
    set(el, { "aria-label": data.say });
    drawing.replaceChildren(...chartParts(data, width, height));
  };
  const observer = new ResizeObserver(() => Math.floor(el.clientWidth) !== width && paint());
  observer.observe(el);
  return { el, stop: () => observer.disconnect(), draw: (now) => ((data = now), paint()) };
}

function chartParts(data, width, height) {
  const { from, to, low = 0, high } = data, right = width - EDGE.right, floor = height - EDGE.bottom;
  const x = (t) => EDGE.left + ((t - from) / (to - from || 1)) * (right - EDGE.left);
  const y = (v) => floor - ((v - low) / (high - low || 1)) * (floor - EDGE.top);
  const clip = (px, least, most) => Math.min(most, Math.max(least, px));
  const yLabel = data.yLabel ?? ((v) => `${v}${data.unit ?? ""}`), xLabel = data.xLabel ?? ((t) => (t >= to ? "now" : `−${span(to - t)}`));
  const times = ticks(from - to, 0, Math.max(2, Math.floor(width / 110))).map((ago) => to + ago);
  return [
    ...(data.bands ?? []).map((b) => {
      const left = clip(x(b.from ?? from), EDGE.left, right), top = clip(y(b.high ?? high), EDGE.top, floor);
      return svg("rect", { class: `band ${b.kind ?? ""}`, x: left, y: top, width: clip(x(b.to ?? to), left, right) - left, height: clip(y(b.low ?? low), top, floor) - top });
    }),
    ...ticks(low, high, Math.max(2, Math.floor(height / 40))).map((v) => [svg("line", { class: v === low ? "axis" : "grid", x1: EDGE.left, x2: right, y1: y(v), y2: y(v) }), svg("text", { x: EDGE.left - 6, y: y(v) + 4, "text-anchor": "end" }, yLabel(v))]).flat(),
    ...times.map((t, i) => svg("text", { x: x(t), y: height - 5, "text-anchor": i === times.length - 1 ? "end" : i ? "middle" : "start" }, xLabel(t))),
    ...(data.lines ?? []).map((line) => svg("path", { class: `line ${line.kind ?? ""}`, d: path(line, x, y, from), "--v": line.colour })),
    ...(data.marks ?? []).filter((m) => m.at >= from && m.at <= to).map((m) => (m.value === undefined
      ? svg("g", { class: `mark ${m.kind ?? ""}` }, svg("line", { x1: x(m.at), x2: x(m.at), y1: EDGE.top, y2: floor }), svg("text", { x: clip(x(m.at) + 4, EDGE.left, right - 60), y: EDGE.top + 9 }, m.name))
      : svg("circle", { class: `mark ${m.kind ?? ""}`, cx: x(m.at), cy: y(m.value), r: 3.5 }))),
  ];
}

/** The path of a line, from the chart's left edge on: the last point before it still counts. */
function path({ points, step }, x, y, from) {
  const first = Math.max(0, points.findLastIndex(([t]) => t <= from));
  let d = "", before = null;
  for (const [t, value] of points.slice(first)) {
    const at = x(Math.max(t, from)).toFixed(1), up = y(value).toFixed(1);
    d += before === null ? `M${at} ${up}` : step ? `L${at} ${before}L${at} ${up}` : `L${at} ${up}`;
    before = up;
  }
  return d;
}
