// The shop: customers' browsers side by side, what the shop says they are, and the pods they were answered by.

const GOODS = ["tea", "lamp", "book"];
const HINTS = {
  steal: "Take the other browser’s cookie. Whoever has the cookie is that customer.",
  tamper: "Change what the cookie says, and see whether the shop believes it.",
  forget: "Throw the cookie away, as a private window does.",
};

class Shop extends Stage {
  constructor(model, el) {
    super(model, el, "live shop");
    this.title = h("h2");
    this.state = h("span", { class: "kl-badge", "aria-label": "Where the state lives" });
    this.where = h("p", { class: "where" });
    this.browsers = h("div", { class: "browsers" });
    this.pods = h("ul", { class: "pods" });
    this.none = h("p", { class: "dim small" });
    this.root.append(
      h("header", { class: "top" }, this.title, this.state, this.where),
      this.browsers,
      h("section", { class: "behind", "aria-label": "Pods of the shop" }, h("h3", null, "Pods behind the Service"), this.none, this.pods),
      set(this.live.el, { class: "said" }),
    );
    walk(this.pods, "button");
    this.begin();
  }

  draw() {
    const { url, state, where, problem } = this.picture;
    set(this.root, { "aria-label": `The shop at ${url}` });
    say(this.title, url.replace("http://", ""));
    this.state.replaceChildren("state in ", h("b", null, { memory: "memory", cookie: "the cookie", redis: "Redis" }[state] ?? "?"));
    say(this.where, where);
    sync(this.browsers, ordered(this.picture.browsers), (one) => one.name, () => browserCard(this));
    const pods = ordered(this.picture.pods);
    say(this.none, problem || (pods.length ? "" : "No pod stands behind it."));
    this.none.hidden = !this.none.textContent;
    sync(this.pods, pods, (pod) => pod.uid, () => podTile(this));
    stops(this.pods, "button");
  }

  told() {
    const talks = ordered(this.picture.browsers).filter((one) => one.visits.length);
    const last = talks.find((one) => one.name === this.local.last) ?? talks[0];
    return last ? `${last.name}: ${last.say}` : "Log in with one of the browsers, and put something into the cart.";
  }

  press(who, act, value) {
    this.local.last = who;
    return this.ask({ do: act, who, with: value ?? "" });
  }
}

/** A pod's colour: the same in every row in which it answered. */
function podColour(view, short) {
  const pod = Object.values(view.picture.pods ?? {}).find((one) => one.short === short);
  return pod ? versionColour((pod.order % 4) + 1) : "var(--kl-text-3)";
}

function browserCard(view) {
  let name = "";
  const press = (act, value) => () => view.press(name, act, value);
  const who = h("p", { class: "who" }), cart = h("p", { class: "cart" }), note = h("p", { class: "note small" });
  const jar = h("code", { class: "jar" }), read = h("p", { class: "small dim read" }), rush = h("p", { class: "small rush" });
  const rows = h("ol", { class: "visits", "aria-label": "Requests, newest last" }), head = h("h3");
  const login = button("primary", null, press("login"), "Log in");
  const buy = GOODS.map((item) => button("", `Put ${item} into the cart`, press("add", item), `+ ${item}`));
  const more = [["checkout", "Check out"], ["logout", "Log out"]].map(([act, word]) => button("quiet", null, press(act), word));
  const tricks = [["steal", "Steal cookie"], ["tamper", "Tamper"], ["forget", "Forget"]].map(([act, word]) => button("quiet", `${word}. ${HINTS[act]}`, press(act), word));
  const el = h("section", { class: "browser" },
    h("div", { class: "bar" }, head, button("", "Reload the page", press("look"), "Reload"), button("quiet", "Reload twenty times, and count", press("rush"), "× 20")),
    h("div", { class: "page" }, who, cart, note),
    h("div", { class: "acts" }, login, ...buy, ...more),
    h("div", { class: "cookie" }, h("span", { class: "small dim" }, "Cookie"), jar, read, h("div", { class: "acts" }, ...tricks)),
    rush, rows);
  return { el, update(one) {
    name = one.name;
    set(el, { "aria-label": `Browser of ${one.name}`, "data-verdict": one.verdict });
    say(head, one.name);
    login.onclick = press("login", one.name);
    set(login, { "aria-label": `Log in as ${one.name}` });
    say(who, one.user ? `You are ${one.user}` : "Who are you?");
    say(cart, one.cart ? `Cart: ${one.cart}` : one.orders ? `Cart: empty · orders: ${one.orders}` : "Cart: empty");
    say(note, one.say);
    say(jar, one.cookie ? one.cookie : "none");
    set(jar, { title: one.cookie || null });
    say(read, one.reading ? `Anybody can read in it: ${one.reading}` : one.cookie ? "It is only a number: a session’s name." : "");
    read.hidden = !read.textContent;
    rush.hidden = !one.rush;
    if (one.rush) say(rush, `Of ${one.rush.asked} reloads, ${one.rush.known} found a pod that knew you, ${one.rush.asked - one.rush.known} did not.`);
    sync(rows, one.visits, (visit) => visit.n, () => visitRow(view));
  } };
}

function visitRow(view) {
  const asked = h("code"), pod = h("span", { class: "kl-ver" }), word = h("span", { class: "verdict" });
  const el = h("li", { class: view.first ? "" : "kl-came" }, asked, pod, word);
  const words = { known: "knows you", new: "knows nobody", anew: "began anew", lost: "does not know you", left: "forgot you", failed: "failed" };
  return { el, update(visit) {
    set(el, { "data-verdict": visit.verdict, "--v": podColour(view, visit.pod) });
    say(asked, visit.asked), say(pod, visit.pod || "nobody"), say(word, visit.status >= 400 ? `${words[visit.verdict]} (${visit.status})` : words[visit.verdict]);
  } };
}

function podTile(view) {
  let uid = "";
  const name = h("code"), word = h("span", { class: "small dim" }), knows = h("p", { class: "small knows" });
  const kill = button("danger quiet", null, () => view.ask({ do: "kill", uid }), "Kill");
  const el = h("li", { class: `pod ${view.first ? "" : "kl-came"}` }, glyph(), h("div", null, name, " ", word, knows), kill);
  return { el, update(pod) {
    uid = pod.uid;
    set(el, { "data-state": pod.state, "--v": versionColour((pod.order % 4) + 1) });
    say(name, pod.short), say(word, pod.word);
    set(name, { title: pod.name });
    say(knows, pod.knows.length ? `knows ${pod.knows.join(" and ")}` : ""), (knows.hidden = !pod.knows.length);
    set(kill, { "aria-label": `Kill pod ${pod.name}` }), (kill.disabled = pod.state === "terminating");
  } };
}

export default staged(Shop);
