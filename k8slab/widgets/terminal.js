// The terminal: one console, and the last line it wrote read out politely.

class Terminal extends Stage {
  constructor(model, el) {
    super(model, el, "terminal");
    this.console = consolePart((message) => this.ask(message));
    this.note = h("p", { class: "small", hidden: true });
    this.live.el.className = "vh";
    this.root.append(this.console.el, this.note, this.live.el);
    this.begin();
  }

  draw() {
    const { console: picture } = this.picture;
    set(this.root, { "aria-label": `Terminal of ${picture?.title ?? ""}` });
    this.console.update(picture);
    say(this.note, this.wrong ?? ""), (this.note.hidden = !this.wrong);
  }

  told() { return lastSaid(this.picture.console); }

  stop() {
    this.console.stop();
    super.stop();
  }
}

export default staged(Terminal);
