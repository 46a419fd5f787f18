// Traffic's scene: client, Service and pods, the lines between them, and the requests that fly along them.

const ROW = 48, MOST_DOTS = 30;
const FLY = 900, TRUNK = 480; // ms a request takes over each part of its way, at the same pace
const colour = (cat) => `var(--kl-cat-${cat})`;

/** The way from the Service to the i-th of n rows; w is the width of the gap. */
function way(i, n, w) {
  const from = (n * ROW) / 2, to = ROW * (i + 0.5);
  return `M0 ${from}C${w * 0.57} ${from} ${w * 0.43} ${to} ${w} ${to}`;
}

function scene(view) {
  const client = box("Client"), service = box("Service");
  const trunk = h("div", { class: "links trunk", "aria-hidden": "true" }, s("svg"));
  const fan = h("div", { class: "links fan", "aria-hidden": "true" }, s("svg"));
  const pods = h("ul", { class: "col pods" }), rows = h("ul", { class: "col rows" });
  const heads = h("div", { class: "row head" }, ...["answered", "half within", "95 % within", "failed"].map((text, i) => h("span", { class: i === 2 ? "opt" : "" }, text)));
  const more = h("p", { class: "small dim more" });
  const el = h("div", { class: "scene" }, h("span", { class: "small dim heads" }, "Pods behind it"), heads, client.el, trunk, service.el, fan, pods, rows, more);
  let flown = null;
  return { el, update() {
    const { picture } = view, list = ordered(picture.pods), n = Math.max(2, list.length), w = fan.clientWidth || 112;
    set(el, { "--rows": n });
    const found = picture.service?.found;
    client.fill("Client", null, h("p", null, picture.through === "proxy" ? "through the API server" : "6 clients"), h("p", { class: "rate" }, h("b", null, Math.round(picture.rate ?? 0)), picture.on || !picture.rate ? " requests/s" : " requests/s, waiting"));
    service.fill("Service", picture.name, found ? h("p", null, h("code", null, picture.service.address)) : h("p", null, "not there"), h("p", { class: "rate" }, h("b", null, picture.service?.serving ?? 0), ` of ${picture.service?.pods ?? 0} serve`));
    const most = Math.max(1, ...list.map((pod) => pod.answered + pod.failed));
    lines(trunk, [{ d: `M0 ${(n * ROW) / 2}H${trunk.clientWidth || 60}`, width: picture.on ? Math.min(8, 2 + Math.sqrt(picture.rate) / 2) : 1.5, cut: !picture.on }], n);
    lines(fan, list.map((pod, i) => ({ d: way(i, n, w), cat: pod.cat, cut: !pod.serving, width: 1.4 + 3 * ((pod.answered + pod.failed) / most) })), n);
    sync(pods, list, (pod) => pod.uid, podBox);
    sync(rows, list.map((pod) => ({ ...pod, peak: most })), (pod) => pod.uid, countRow);
    more.hidden = !picture.more;
    say(more, `${picture.more} more pods stand behind it. Their requests are in the sums.`);
    const flight = picture.flights ?? {};
    if (flown !== null && flight.number !== flown && !view.still() && !view.hidden()) flight.dots.forEach(([uid, failed], i) => setTimeout(() => view.stopped || fly(uid, failed), i * 60));
    flown = flight.number ?? 0;
  } };

  /** One request on its way: to the Service, then to its pod; one that nobody answered ends at the Service. */
  function fly(uid, failed) {
    if (el.querySelectorAll(".dot").length >= MOST_DOTS) return;
    const list = ordered(view.picture.pods), i = list.findIndex((pod) => pod.uid === uid), n = Math.max(2, list.length);
    const first = dot(trunk, `M0 ${(n * ROW) / 2}H${trunk.clientWidth}`, null, false, TRUNK);
    first.onfinish = () => {
      first.effect.target.remove();
      if (view.stopped || (i < 0 && !failed)) return;
      const path = i < 0 ? `M0 ${(n * ROW) / 2}H${fan.clientWidth * 0.3}` : way(i, n, fan.clientWidth);
      const second = dot(fan, path, list[i]?.cat, failed, FLY);
      second.onfinish = () => second.effect.target.remove();
    };
  }
}

function dot(place, path, cat, failed, duration) {
  const el = h("i", { class: failed ? "dot fail" : "dot", "--way": `path("${path}")`, ...(cat ? { "--v": colour(cat) } : {}) });
  place.append(el);
  return el.animate([{ offsetDistance: "0%" }, { offsetDistance: "100%" }], { duration, easing: "linear" });
}

function box(title) {
  const name = h("h3"), rest = h("div");
  return { el: h("div", { class: "box" }, name, rest), fill(text, of, ...inside) {
    name.replaceChildren(text, ...(of ? [" ", h("span", { class: "dim" }, of)] : []));
    rest.replaceChildren(...inside);
  } };
}

function lines(place, all, n) {
  const svg = place.firstElementChild;
  place.style.height = svg.style.height = `${n * ROW}px`;
  while (svg.children.length > all.length) svg.lastElementChild.remove();
  all.forEach((line, i) => {
    const path = svg.children[i] ?? svg.appendChild(s("path"));
    set(path, { class: line.cut ? "wire cut" : "wire", d: line.d, "stroke-width": line.cut ? 1.2 : line.width.toFixed(1), "--v": line.cat ? colour(line.cat) : "var(--kl-ink)" });
  });
}

function podBox() {
  const name = h("code"), ver = h("span", { class: "kl-ver" }), glyph = h("span", { class: "kl-glyph", "aria-hidden": "true" });
  const el = h("li", { class: "pod" }, glyph, name, ver);
  return { el, update(pod) {
    set(el, { "data-state": pod.state, "--v": colour(pod.cat), title: `${pod.name} on ${pod.node || "no node"}`, "data-uid": pod.uid });
    say(name, pod.id), say(ver, pod.version);
    el.querySelector(".vh")?.remove();
    el.append(h("span", { class: "vh" }, `, ${pod.word}`));
  } };
}

function countRow() {
  const answered = h("span"), bar = h("i", { class: "kl-fill" }), half = h("span"), most = h("span", { class: "opt" }), failed = h("span"), why = h("em");
  const share = h("div", { class: "share" }, answered, bar);
  const el = h("li", { class: "row" }, share, half, most, failed, why);
  return { el, update(pod) {
    const any = pod.answered + pod.failed > 0;
    set(el, { "--v": colour(pod.cat), "--to": `${(100 * pod.answered) / pod.peak}%`, "data-pod": pod.id });
    for (const cell of [share, half, most, failed]) cell.hidden = !any;
    say(answered, number(pod.answered)), say(half, pod.half ? `${pod.half} ms` : "–"), say(most, pod.p95 ? `${pod.p95} ms` : "–");
    failed.className = pod.failed ? "bad" : "dim", say(failed, number(pod.failed));
    say(why, pod.why), (why.hidden = !pod.why), why.classList.toggle("alone", !any);
  } };
}
