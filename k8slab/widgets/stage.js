// What every view does in the page: it is drawn at most once a frame and not while nobody sees it, ticks while something
// runs out, asks the kernel and says so when it is late, and tells its news in one polite line.
// A view extends Stage: it builds its elements into `root`, then calls begin(). It gives draw(), and if it needs them
// beat(), told() and escape(). view.js stands above this in the module.

const TOLD_EVERY = 2000; // ms between two sentences of the live line

/** A line that screen readers read out when it changes: { el, say(text), stop() }. At most one sentence every two seconds. */
function liveLine() {
  const el = h("p", { role: "status", "aria-live": "polite" });
  let last = 0, timer = null, next = "";
  const tell = () => ((last = Date.now()), (timer = null), say(el, next));
  return { el, stop: () => clearTimeout(timer), say(text) {
    next = text;
    timer ??= setTimeout(tell, Math.max(0, last + TOLD_EVERY - Date.now()));
  } };
}

class Stage {
  constructor(model, el, name) {
    this.connection = Link.of(model);
    this.local = this.connection.local; // what the reader chose: shared by the copies of a view, outlives the elements
    this.seen = this.first = true; // nothing is animated when the view itself appears
    this.link = this.connection.dead ? "gone" : "ready"; // ready | starting (late) | failed (the last click) | gone
    this.motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.live = liveLine();
    this.root = h("section", { class: `kl ${name}`, "data-lm-suppress-shortcuts": "true" });
    this.root.addEventListener("keydown", (e) => {
      e.stopPropagation(); // the notebook has keys of its own
      if (e.key === "Escape") this.escape(e);
    });
    el.append(this.root);
  }

  /** Once everything is built: draw, and follow the kernel from now on. */
  begin() {
    this.observer = new IntersectionObserver(([entry]) => this.watch(entry.isIntersecting));
    this.observer.observe(this.root);
    this.connection.add(this);
    this.paint();
    this.first = false;
  }

  stop() {
    this.stopped = true;
    this.observer.disconnect();
    clearTimeout(this.timer), clearTimeout(this.slow), cancelAnimationFrame(this.frame);
    this.live.stop();
    this.connection.remove(this);
    this.root.remove();
  }

  // -- for the view to give
  draw() {}
  /** What only time changes. Returns in how many ms it will change again; nothing when it will not. */
  beat() {}
  /** The news, in a sentence. */
  told() { return this.picture.say ?? ""; }
  escape() {}

  // -- for the view to use
  get picture() { return this.connection.picture; }
  now() { return this.connection.now(); }
  still() { return this.motion.matches; }

  /** Ask the kernel; say so when it is late or refuses. The answer, or null when it was refused. */
  async ask(message) {
    this.calm();
    const late = () => this.trouble("The notebook’s kernel is busy or gone. Your click waits; run this cell again if nothing happens.", "starting");
    try {
      const answer = await this.connection.ask(message, late);
      if (this.link === "starting") this.calm(), this.paint();
      return answer;
    } catch (error) {
      if (!this.connection.dead) this.trouble(error.message);
      return null;
    }
  }

  /** Say what went wrong, in place of the news, for a while. */
  trouble(text, link = "failed") {
    [this.wrong, this.link] = [text, link];
    this.paint();
    clearTimeout(this.slow);
    if (link !== "gone") this.slow = setTimeout(() => (this.calm(), this.paint()), link === "failed" ? 8000 : 60000);
  }

  // -- its own
  calm() {
    if (this.connection.dead) return;
    [this.wrong, this.link] = [null, "ready"];
  }

  lost() { this.trouble(GONE, "gone"); }

  changed() {
    if (this.stopped) return;
    if (this.link === "gone") this.calm();
    if (this.seen) this.frame ??= requestAnimationFrame(() => ((this.frame = null), this.paint()));
  }

  paint() {
    if (this.stopped) return;
    set(this.root, { "data-link": this.link });
    this.draw();
    this.live.say(this.wrong ?? this.told());
    this.tick();
  }

  tick() {
    clearTimeout(this.timer);
    if (this.stopped || !this.seen || document.visibilityState === "hidden") return;
    const next = this.beat();
    if (next) this.timer = setTimeout(() => this.tick(), next);
  }

  watch(seen) {
    if (seen === this.seen) return;
    this.seen = seen;
    this.root.classList.toggle("unseen", !seen);
    this.connection.looked();
    if (seen) this.paint();
  }
}

/** What a module exports for a Stage: `export default staged(Board)`. */
const staged = (View) => ({
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.stop();
  },
});
