// The handshake: two lanes and what crosses between them. Time runs downwards; the rungs are evenly spaced, their times are written.

const STEPS = [["connect", "Connect"], ["ask", "Ask and answer"], ["leave", "Client hangs up"], ["close", "Server hangs up"]];

class Handshake extends Stage {
  constructor(model, el) {
    super(model, el, "live handshake");
    this.from = h("p", { class: "dim small source" });
    this.steps = h("div", { class: "acts", role: "toolbar", "aria-label": "What to do next" }, STEPS.map(([word, label]) => set(button("", null, () => this.ask({ do: word }), label), { "data-step": word })));
    this.ends = Object.fromEntries(["client", "server"].map((end) => [end, { name: h("b"), say: h("span", { class: "small dim" }) }]));
    const lane = (end, label) => h("div", { class: `end ${end}` }, h("h3", null, label), this.ends[end].name, this.ends[end].say);
    this.rungs = h("ol", { class: "rungs", "aria-label": "What was seen, oldest first" });
    this.http = h("div", { class: "http", "aria-label": "What HTTP said over it" });
    walk(this.steps, "button");
    this.root.append(
      h("header", { class: "top" }, h("h2", null, "TCP handshake"), this.steps),
      h("div", { class: "lanes" }, lane("client", "Client"), lane("server", "Server")),
      this.rungs, this.http, this.from, set(this.live.el, { class: "said" }));
    this.begin();
  }

  draw() {
    const { states, events, next, source, request, answer } = this.picture;
    set(this.root, { "aria-label": "TCP handshake between a client and a server" });
    say(this.from, source);
    for (const [end, parts] of Object.entries(this.ends)) say(parts.name, states[end].name), say(parts.say, states[end].say);
    for (const one of this.steps.children) {
      one.disabled = one.dataset.step !== next;
      one.classList.toggle("primary", one.dataset.step === next);
    }
    stops(this.steps, "button", (one) => !one.disabled);
    sync(this.rungs, Object.values(events).sort((a, b) => a.n - b.n), (e) => `${e.step} ${e.n} ${e.at}`, () => rung(this));
    this.http.hidden = !request;
    this.http.replaceChildren(...[["Request", request], ["Answer", answer]].map(([title, text]) => h("div", null, h("h3", null, title), h("pre", null, text))));
  }
}

function rung(view) {
  const el = h("li", { class: view.first ? "" : "kl-came" });
  return { el, update(event) {
    set(el, { class: `${event.kind} from-${event.from} ${el.classList.contains("kl-came") ? "kl-came" : ""}` });
    const at = h("span", { class: "at" }, event.kind === "state" ? "" : `${event.at.toFixed(event.at < 10 ? 3 : 1)} ms`);
    if (event.kind === "state") return el.replaceChildren(at, h("p", { class: "change" }, h("span", { class: "small dim" }, event.was), " → ", h("b", null, event.now)), h("p", { class: "small" }, event.say));
    const numbers = `seq ${event.seq}${event.ack == null ? "" : ` · ack ${event.ack}`}${event.size ? ` · ${event.size} bytes` : ""}`;
    el.replaceChildren(at,
      h("div", { class: "arrow" }, h("span", { class: "flags" }, event.flags.split(" ").map((flag) => h("b", { class: `flag ${flag}` }, flag))), h("span", { class: "wire", "aria-hidden": "true" }), h("span", { class: "small dim numbers" }, numbers)),
      h("p", { class: "small" }, h("span", { class: "vh" }, `${event.from} to ${event.from === "client" ? "server" : "client"}: `), event.say, event.data && h("code", { class: "data" }, event.data)));
  } };
}

export default staged(Handshake);
