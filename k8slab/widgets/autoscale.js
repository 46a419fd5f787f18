// Autoscale: load, metric and replicas, one below the other on the same axis of time; the formula with its numbers below.

const LOAD = 48, METRIC = 84, PODS = 120, BETWEEN = 44; // px: heights of the plots, and between them
const SPAN = 180; // s that are drawn

class Autoscale extends Live {
  constructor(model, el) {
    super(model, el, "autoscale", (picture) => `Autoscaler ${picture.name ?? ""}`);
  }

  build() {
    this.title = h("h2");
    this.sums = h("div", { class: "sum" });
    this.svg = s("svg", { role: "img" });
    this.chart = h("figure", { class: "chart" }, this.svg);
    this.reckoned = h("div", { class: "formula", role: "group", "aria-label": "The formula with its numbers" });
    this.waits = h("p", { class: "small dim" });
    return [h("header", { class: "top" }, this.title, this.sums), this.chart, this.reckoned, h("div", { class: "ctl" }, this.status, this.waits)];
  }

  update() {
    const { picture } = this;
    say(this.title, `Autoscaler ${picture.name ?? ""}`);
    const told = picture.found ? [h("span", null, picture.target), h("span", null, h("b", null, picture.actual), " ready"), h("span", null, h("b", null, picture.wanted), " wanted"), h("span", null, `${picture.least} to ${picture.most}`)] : [];
    this.sums.replaceChildren(...told);
    const lines = picture.formula ?? [];
    this.reckoned.hidden = !picture.found;
    this.reckoned.replaceChildren(h("p", null, "wanted = ceil(pods × measured / wished)"), ...(lines.length ? lines : ["no measurement yet"]).map((text) => h("code", null, text)));
    this.wait();
    this.plot();
  }

  /** Only time moves "now": once a second, and nothing is asked of the kernel for it. */
  beat() {
    if (!this.picture.found) return 0;
    this.update();
    return 1000;
  }

  wait() {
    const { windows, speed, until } = this.picture, left = until ? until - this.now() : 0;
    if (!windows) return say(this.waits, ""), undefined;
    const shorter = speed > 1 ? ` Divided by ${speed} here.` : "";
    say(this.waits, left > 0 ? `It may shrink in ${span(left)}, if the load stays low.` : `Before shrinking it looks back ${windows.down} s, before growing ${windows.up} s.${shorter}`);
  }

  plot() {
    const { picture } = this, width = Math.max(320, this.chart.clientWidth - 24);
    const all = Object.values(picture.steps ?? {}).sort((a, b) => a.at - b.at), now = this.now();
    const from = Math.max(now - SPAN, Math.min(now - 20, all[0]?.at ?? now)), to = now + (now - from) * 0.08, history = since(all, from);
    const ax = axes(width, from, to), kids = [];
    const tops = [TOP, TOP + LOAD + BETWEEN, TOP + LOAD + METRIC + 2 * BETWEEN], base = tops[2] + PODS;
    const [defs, fill] = stripes();
    kids.push(defs, ...this.load(history, ax, tops[0], now), ...this.metric(history, ax, tops[1], now, fill), ...this.pods(history, ax, tops[2], now, fill));
    kids.push(line(`M${ax.x(now)} 20V${base}`, "now"), label(ax.x(now) - 6, 12, "now", { class: "strong", "text-anchor": "end" }), ...seconds(ax, base + 18, now));
    set(this.svg, { width, height: base + 26, viewBox: `0 0 ${width} ${base + 26}`, "aria-label": this.inWords() });
    this.svg.replaceChildren(...kids.filter(Boolean));
  }

  load(history, ax, top, now) {
    const most = Math.max(...history.map((step) => step.load), 1e-9) * 1.15, y = scaleY(top, LOAD, most), last = history.at(-1)?.load ?? 0;
    const name = this.picture.metric?.name ?? "load", points = history.map((step) => [step.at, step.load]);
    const style = { "--v": "var(--kl-cat-4)" };
    return [label(ax.left, top - 12, `Load: ${name} used by all pods`, { class: "strong" }), line(`M${ax.left} ${y(0)}H${ax.right}`, "grid"), s("path", { class: "fill", d: area(points.map(([at, v]) => [at, 0, v]), ax.x, y, now), ...style }), s("path", { class: "edge", d: steps(points, ax.x, y, now), ...style }), label(ax.narrow ? ax.left + 8 : ax.x(now) + 10, y(last / 2) + 4, amount(last), { class: "of", ...style })];
  }

  metric(history, ax, top, now, fill) {
    const { metric, tolerance } = this.picture, title = metric ? `Metric: ${metric.name}, ${metric.unit === "%" ? "% of what each pod requests" : metric.unit}` : "Metric: not measured yet";
    if (!metric) return [label(ax.left, top - 12, title, { class: "strong" })];
    const low = metric.target * (1 - tolerance.down), high = metric.target * (1 + tolerance.up);
    const most = Math.max(...history.map((step) => step.current), high) * 1.15, y = scaleY(top, METRIC, most), style = { "--v": "var(--kl-cat-2)" };
    const right = ax.narrow ? [] : [label(ax.right + 8, y(metric.target) + 4, `wished ${amount(metric.target)}${metric.unit === "%" ? " %" : ""}`), label(ax.right + 8, y(metric.target) + 18, `tolerance ±${Math.round(tolerance.up * 100)} %`, { class: "t" })];
    return [label(ax.left, top - 12, title, { class: "strong" }), s("rect", { x: ax.left, width: ax.right - ax.left, y: y(high), height: y(low) - y(high), fill }), line(`M${ax.left} ${y(metric.target)}H${ax.right}`, "lim"), line(`M${ax.left} ${y(0)}H${ax.right}`, "grid"), s("path", { class: "edge", d: steps(history.map((step) => [step.at, step.current]), ax.x, y, now), ...style }), label(ax.narrow ? ax.left + 8 : ax.x(now) + 10, y(metric.current) + (Math.abs(y(metric.current) - y(metric.target)) < 16 ? -10 : 4), `${amount(metric.current)}${metric.unit === "%" ? " %" : ""}`, { class: "of", ...style }), label(ax.left - 10, y(0) + 4, 0, { class: "t", "text-anchor": "end" }), ...right];
  }

  pods(history, ax, top, now, fill) {
    const { most = 1, least = 0 } = this.picture, y = scaleY(top, PODS, Math.max(most, ...history.map((step) => step.actual))), style = { "--v": "var(--kl-cat-1)" };
    const held = history.map((step, i) => [step, history[i + 1]?.at ?? now]).filter(([step]) => step.held);
    const wait = held.map(([step, end]) => s("rect", { x: ax.x(step.at), width: Math.max(0, ax.x(end) - ax.x(step.at)), y: top, height: PODS, fill }));
    const points = history.map((step) => [step.at, step.actual]), wanted = history.map((step) => [step.at, step.wanted]);
    const right = ax.narrow ? [] : [label(ax.right + 8, y(most) + 4, `at most ${most}`), label(ax.right + 8, y(least) + 4, `at least ${least}`), held.length ? label(ax.right + 8, top + PODS / 2, "striped: held back", { class: "t" }) : null];
    return [label(ax.left, top - 12, "Replicas: filled ready, dashed wanted", { class: "strong" }), s("path", { class: "fill", d: area(points.map(([at, v]) => [at, 0, v]), ax.x, y, now), ...style }), s("path", { class: "edge", d: steps(points, ax.x, y, now), ...style }), ...wait, line(steps(wanted, ax.x, y, now), "wish"), line(`M${ax.left} ${y(most)}H${ax.right}M${ax.left} ${y(least)}H${ax.right}`, "lim"), line(`M${ax.left} ${y(0)}H${ax.right}`, "grid"), ...ticks(most).map((n) => label(ax.left - 10, y(n) + 4, n, { class: "t", "text-anchor": "end" })), ...right];
  }

  inWords() {
    const { picture } = this, metric = picture.metric;
    return picture.found ? `Load, metric and replicas over time. ${metric ? `Now ${amount(metric.current)} ${metric.unit} of ${metric.name}, ${amount(metric.target)} wished. ` : ""}${picture.actual} ready, ${picture.wanted} wanted, ${picture.least} to ${picture.most} allowed.` : picture.say ?? "";
  }
}

/** 0.25 cores as 250m, as kubectl writes it; large numbers with their unit. */
function amount(n) {
  if (n >= 2 ** 20) return `${Math.round(n / 2 ** 20)} Mi`;
  if (n >= 10 || Number.isInteger(n)) return String(Math.round(n));
  return `${Math.round(n * 1000)}m`;
}

export default staged(Autoscale);
