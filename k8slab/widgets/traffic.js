// Traffic: header with the sums, the scene, the versions, and the controls. Joins traffic_scene.js to the picture.

const PRESETS = [["Stop", 0], ["Calm", 5], ["Busy", 40], ["Rush", 200]];
const ALIVE = 10000; // ms: how often a page that looks says so while requests are sent

class Traffic extends Live {
  constructor(model, el) {
    super(model, el, "traffic", (picture) => `Traffic to the Service ${picture.name ?? ""}`);
    this.pulse = setInterval(() => !this.hidden() && this.picture.rate && this.connection.send({ do: "alive", id: "" }), ALIVE);
  }

  build() {
    this.scene = scene(this);
    this.sums = h("div", { class: "sum" });
    this.title = h("h2");
    this.versions = h("ul", { class: "versions" });
    this.slider = h("input", { type: "range", min: 0, max: 200, step: 1, "aria-label": "Requests per second", oninput: () => this.slide(), onchange: () => this.rate(Number(this.slider.value)) });
    this.rateText = h("output");
    this.presets = PRESETS.map(([name, rate]) => h("button", { class: "kl-btn quiet", type: "button", onclick: () => this.rate(rate) }, rate ? `${name} ${rate}` : name));
    this.sticky = check("Keep each client with one pod", (on) => this.ask({ do: "sticky", on }));
    this.cookies = check("Clients keep cookies", (on) => this.ask({ do: "cookies", on }));
    this.command = h("code", { class: "command" });
    this.legend = h("p", { class: "small dim" });
    const top = h("header", { class: "top" }, this.title, this.sums, press("Count from zero", () => this.ask({ do: "zero" })));
    const foot = h("div", { class: "ctl" },
      h("label", null, "Requests ", this.slider, this.rateText),
      h("div", { class: "seg", role: "group", "aria-label": "Preset rates" }, this.presets),
      this.sticky.el, this.cookies.el, this.command, this.status, this.legend);
    return [top, this.scene.el, this.versions, foot];
  }

  update() {
    const { picture } = this, sum = picture.sum ?? {};
    say(this.title, `Traffic to ${picture.name ?? ""}`);
    const parts = [["", number(sum.answered), "answered"], [sum.failed ? "bad" : "", number(sum.failed), "failed"]];
    if (sum.half) parts.push(["", `${sum.half} ms`, "", "half within "], ["", `${sum.p95} ms`, "", "95 of 100 within "]);
    if (sum.late) parts.push(["", number(sum.late), "not sent"]);
    this.sums.replaceChildren(...parts.map(([cls, value, after, before]) => h("span", { class: cls }, before ?? "", h("b", null, value), after ? ` ${after}` : "")));
    this.scene.update();
    this.perVersion();
    const rate = this.asked ?? picture.rate ?? 0;
    if (document.activeElement !== this.slider || this.asked === undefined) this.slider.value = rate;
    say(this.rateText, `${Math.round(rate)} a second`);
    this.presets.forEach((el, i) => set(el, { "aria-pressed": String(PRESETS[i][1] === rate) }));
    this.sticky.set(picture.service?.sticky, !picture.service?.found || picture.through === "proxy");
    this.cookies.set(picture.cookies);
    say(this.command, `kubectl patch service ${picture.name} -p '{"spec":{"sessionAffinity":${picture.service?.sticky ? '"None","sessionAffinityConfig":null' : '"ClientIP"'}}}'`);
    this.command.title = "What “Keep each client with one pod” does when you press it now";
    const how = picture.through === "proxy" ? "They go through the API server’s proxy, which knows no affinity. " : "";
    say(this.legend, `${how}${this.still() ? "A line is as thick as its requests are many." : "Dots fly slower than requests, and at most 30 are drawn."} The numbers are exact.`);
  }

  perVersion() {
    const rows = Object.entries(this.picture.versions ?? {}), nobody = this.picture.nobody ?? {};
    const lost = nobody.failed || nobody.answered ? [["", { name: "", cat: 4, ...nobody }]] : [];
    const all = rows.length > 1 || lost.length ? [...rows, ...lost] : [];
    this.versions.hidden = !all.length;
    sync(this.versions, all, ([key]) => key, () => {
      const el = h("li");
      return { el, update: ([key, row]) => {
        set(el, { "--v": colour(row.cat) });
        const share = row.answered + row.failed ? ` (${((100 * row.failed) / (row.answered + row.failed)).toFixed(1)} %)` : "";
        el.replaceChildren(key ? h("span", { class: "kl-ver" }, row.name) : h("span", { class: "dim" }, row.answered ? "pod not told" : "no pod"), h("span", null, h("b", null, number(row.answered)), " answered"), h("span", { class: row.failed ? "bad" : "dim" }, h("b", null, number(row.failed)), ` failed${row.failed ? share : ""}`), row.half ? h("span", null, "half within ", h("b", null, `${row.half} ms`)) : "");
      } };
    });
  }

  slide() {
    this.asked = Number(this.slider.value);
    this.changed();
  }

  rate(rate) {
    this.asked = rate;
    this.changed();
    this.ask({ do: "rate", rate }).finally(() => ((this.asked = undefined), this.changed()));
  }

  stop() {
    clearInterval(this.pulse);
    super.stop();
  }
}

function check(label, changed) {
  const input = h("input", { type: "checkbox", onchange: () => changed(input.checked) });
  const el = h("label", null, input, label);
  return { el, set(on, hidden) {
    input.checked = Boolean(on), (el.hidden = Boolean(hidden));
  } };
}

export default staged(Traffic);
