// What the views with a scene or a chart add to a Stage: they are built at once, drawn again when their width changes, and
// make SVG. traffic.js, rollout.js and autoscale.js stand upon it: each gives build() and update(), and may give beat().

class Live extends Stage {
  constructor(model, el, name, label) {
    super(model, el, `live ${name}`);
    this.label = label;
    this.status = this.live.el;
    this.status.classList.add("said");
    this.root.append(...this.build());
    this.begin();
    this.sizer = new ResizeObserver(() => this.changed());
    this.sizer.observe(this.root);
  }

  hidden() { return this.stopped || !this.seen || document.visibilityState === "hidden"; }
  told() { return this.picture.problem ? "The cluster does not answer. This is how it was last seen." : this.picture.say ?? ""; }

  draw() {
    set(this.root, { "aria-label": this.label(this.picture) });
    this.status.classList.toggle("bad", Boolean(this.wrong));
    this.update();
  }

  stop() {
    this.sizer.disconnect();
    super.stop();
  }
}

const press = (label, onclick, cls = "") => h("button", { class: `kl-btn ${cls}`, type: "button", onclick }, label);
/** 12345 as 12 345: a narrow space, in every language read as one number. */
const number = (n) => String(n ?? 0).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/** An SVG element, as h() makes HTML ones. */
function s(tag, props, ...kids) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(el, props ?? {});
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== false && kid !== undefined));
  return el;
}
