// Rollout: ready pods of each version, stacked, between the two lines they must not cross; failed requests below.

const HEIGHT = 168, BELOW = 44, GAP = 56; // px: the plot of pods, that of failures, between them
const AFTER = 12; // s for which time goes on in the chart once a release is complete

class Rollout extends Live {
  constructor(model, el) {
    super(model, el, "rollout", (picture) => `Rollout of the Deployment ${picture.name ?? ""}`);
    this.pulse = setInterval(() => !this.hidden() && this.picture.failures?.by === "probe" && this.connection.send({ do: "alive", id: "" }), 10000);
  }

  build() {
    this.title = h("h2");
    this.sums = h("div", { class: "sum" });
    this.pause = press("Pause", () => this.act({ do: "pause", on: !this.picture.paused }));
    this.undo = press("Undo", () => this.act({ do: "undo" }));
    this.svg = s("svg", { role: "img" });
    this.chart = h("figure", { class: "chart" }, this.svg);
    this.probe = h("input", { type: "checkbox", onchange: () => this.act({ do: "probe", on: this.probe.checked }) });
    this.probeLabel = h("label", null, this.probe, "Count failures with 5 requests a second");
    this.less = press("−", () => this.canary(-1)), this.more = press("+", () => this.canary(1));
    set(this.less, { "aria-label": "One pod less for the canary" }), set(this.more, { "aria-label": "One pod more for the canary" });
    this.shareText = h("output");
    this.share = h("div", { class: "share", role: "group", "aria-label": "Share of the canary" }, h("span", null, "Canary"), this.less, this.shareText, this.more);
    this.command = h("code", { class: "command" });
    const top = h("header", { class: "top" }, this.title, this.sums, h("div", { class: "acts" }, this.pause, this.undo));
    return [top, this.chart, h("div", { class: "ctl" }, this.share, this.probeLabel, this.command, this.status)];
  }

  update() {
    const { picture } = this, { release, canary, failures } = picture;
    say(this.title, `Rollout of ${picture.name ?? ""}`);
    const parts = [];
    if (release?.new) parts.push(h("b", null, release.old ? `${release.old} → ${release.new}` : release.new));
    if (release?.at) parts.push(h("span", null, picture.done ? "took " : "since ", h("b", null, span((picture.done || this.now()) - release.at))));
    if (picture.paused) parts.push(h("b", null, "paused"));
    this.sums.replaceChildren(...parts);
    say(this.pause, picture.paused ? "Resume" : "Pause");
    this.pause.disabled = !picture.found;
    this.undo.disabled = !picture.previous;
    set(this.pause, { title: `kubectl rollout ${picture.paused ? "resume" : "pause"} deployment/${picture.name}` });
    set(this.undo, { title: `kubectl rollout undo deployment/${picture.name}` });
    this.share.hidden = !canary?.name;
    if (canary?.name) say(this.shareText, `${canary.pods} of ${canary.of} pods`), (this.less.disabled = !canary.pods), (this.more.disabled = canary.pods >= canary.of);
    this.probeLabel.hidden = failures?.by === "traffic" || !failures?.service;
    this.probe.checked = failures?.by === "probe";
    this.command.hidden = !this.did;
    say(this.command, this.did ?? "");
    this.plot();
  }

  /** Only time moves the line "now": once a second while a release goes on, and a little after. */
  beat() {
    const { picture } = this;
    if (!picture.found || (picture.done && this.now() - picture.done > AFTER + 1)) return 0;
    this.update();
    return 1000;
  }

  act(message) {
    this.ask(message).then((answer) => answer?.command && ((this.did = answer.command), this.changed()));
  }

  canary(by) { this.act({ do: "canary", pods: this.picture.canary.pods + by }); }

  plot() {
    const { picture } = this, width = Math.max(320, this.chart.clientWidth - 24);
    const all = Object.values(picture.steps ?? {}).sort((a, b) => a.at - b.at);
    const now = picture.done ? Math.min(this.now(), Math.max(picture.done, all.at(-1)?.at ?? 0) + AFTER) : this.now();
    const zero = picture.release?.at && now - picture.release.at < 900 ? picture.release.at : now - 20;
    const from = Math.max(zero - 4, Math.min(all[0]?.at ?? zero, zero) - 4), to = Math.max(from + 20, now + (now - from) * 0.12);
    const history = since(all, from);
    const top = TOP, most = Math.max(picture.most ?? 1, ...history.map((step) => step.total), 1), y = scaleY(top, HEIGHT, most);
    const ax = axes(width, from, to), floor = top + HEIGHT, base = floor + GAP + BELOW;
    const keys = Object.entries(picture.versions ?? {}).sort((a, b) => b[1].order - a[1].order); // the newest lies lowest
    const [defs, fill] = stripes();
    const kids = [defs, label(ax.left, 12, "Ready pods", { class: "strong" }), label(ax.right, floor + 14, "dotted: all pods, ready or not", { class: "t", "text-anchor": "end" })];
    kids.push(s("rect", { x: ax.left, y: y(picture.most ?? 0), width: ax.right - ax.left, height: Math.max(0, y(picture.least ?? 0) - y(picture.most ?? 0)), fill }));
    kids.push(...this.stack(keys, history, ax, y, now));
    kids.push(line(`M${ax.left} ${y(picture.most)}H${ax.right}M${ax.left} ${y(picture.least)}H${ax.right}`, "lim"));
    kids.push(line(steps(history.map((step) => [step.at, step.total]), ax.x, y, now), "all"));
    kids.push(...this.limits(ax, y), ...this.marks(ax, zero, base, now));
    kids.push(line(`M${ax.left} ${floor}H${ax.right}`, "grid"), ...this.failed(ax, floor + GAP, now), ...seconds(ax, base + 18, zero));
    set(this.svg, { width, height: base + 26, viewBox: `0 0 ${width} ${base + 26}`, "aria-label": this.inWords() });
    this.svg.replaceChildren(...kids.filter(Boolean));
  }

  stack(keys, history, ax, y, now) {
    const below = history.map(() => 0), fills = [], edges = [], told = [];
    for (const [key, version] of keys) {
      const points = history.map((step, i) => [step.at, below[i], below[i] + (step.ready[key] ?? 0)]);
      points.forEach((point, i) => (below[i] = point[2]));
      const style = { "--v": `var(--kl-cat-${version.cat})` }, newest = key === keys[0][0];
      if (points.some((point) => point[1] !== point[2])) {
        fills.push(s("path", { class: "fill", d: area(points, ax.x, y, now), ...style }));
        edges.unshift(s("path", { class: "edge", d: steps(points.map((p) => [p[0], p[2]]), ax.x, y, now), ...style }));
      }
      const middle = version.ready ? y((points.at(-1)[1] + points.at(-1)[2]) / 2) + 4 : y(0) - 6;
      if (version.ready || (newest && !this.picture.done)) told.push(label(ax.narrow ? ax.left + 8 : ax.x(now) + 10, middle, `${version.ready} of ${version.name}${version.canary ? " (canary)" : ""}`, { class: "of", ...style }));
    }
    return [...fills, ...edges, ...told];
  }

  limits(ax, y) {
    const { most, least, wish, surge, unavailable } = this.picture;
    const marks = [...new Set([0, least, wish, most])].map((n) => label(ax.left - 10, y(n) + 4, n === wish ? `wish ${n}` : n, { class: "t", "text-anchor": "end" }));
    if (ax.narrow || !this.picture.found) return marks;
    const x = ax.right + 8, apart = y(least) - y(most) < 30 ? 12 : 0;
    return [...marks, label(x, y(most) + 4 - apart, `at most ${most} in all`), label(x, y(most) + 18 - apart, `maxSurge ${surge}`, { class: "t" }), label(x, y(least) + 4 + apart, `at least ${least} ready`), label(x, y(least) + 18 + apart, `maxUnavailable ${unavailable}`, { class: "t" })];
  }

  marks(ax, zero, base, now) {
    const { release } = this.picture, kids = [line(`M${ax.x(now)} 20V${base}`, "now"), label(ax.x(now) - 6, 12, "now", { class: "strong", "text-anchor": "end" })];
    if (release?.at === zero && ax.x(zero) < ax.x(now) - 120) kids.push(line(`M${ax.x(zero)} 20V${base}`, "lim"), label(ax.x(zero) + 6, 12 + (ax.x(zero) < ax.left + 90 ? 14 : 0), `${release.new} wished for`));
    return kids;
  }

  failed(ax, top, now) {
    const { by, seconds: bars = {} } = this.picture.failures ?? {};
    const found = Object.entries(bars).map(([at, n]) => [Number(at), n]).filter(([at]) => at >= ax.from - 1);
    const most = Math.max(2, ...found.map(([, n]) => n)), y = scaleY(top, BELOW, most), total = found.reduce((sum, [, n]) => sum + n, 0);
    const title = !by ? "Failed requests: nobody counts them" : total ? `Failed requests a second: ${total} in all` : `Failed requests a second: none${by === "traffic" ? ", says Traffic" : ""}`;
    const width = Math.max(2, ax.x(ax.from + 1) - ax.x(ax.from) - 1);
    return [label(ax.left, top - 12, title, { class: "strong" }), line(`M${ax.left} ${y(0)}H${ax.right}`, "grid"), label(ax.left - 10, y(0) + 4, 0, { class: "t", "text-anchor": "end" }), label(ax.left - 10, y(most) + 4, most, { class: "t", "text-anchor": "end" }), ...found.map(([at, n]) => s("rect", { class: "err", x: ax.x(at), y: y(n), width, height: y(0) - y(n), rx: 1.5 }))];
  }

  inWords() {
    const { picture } = this, have = Object.values(picture.versions ?? {}).map((v) => `${v.ready} of ${v.name}`).join(", ");
    return picture.found ? `Ready pods over time. Now: ${have || "none"}. At most ${picture.most} pods in all, at least ${picture.least} ready.` : picture.say ?? "";
  }

  stop() {
    clearInterval(this.pulse);
    super.stop();
  }
}

export default staged(Rollout);
