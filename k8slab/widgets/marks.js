// The signs all views share: state glyphs, version chips, buttons, small words. The look's README says what they mean.

const STATES = { pending: "Pending", starting: "Starting", notready: "Not ready", ready: "Ready", terminating: "Terminating", failed: "Failed", unknown: "Unknown" };

/** The glyph of whatever [data-state] it stands in. */
const glyph = () => h("span", { class: "kl-glyph", "aria-hidden": "true" });
/** The chip of a version; its colour is that of [--v] around it. */
const versionChip = (name) => h("span", { class: "kl-ver" }, name);
/** The CSS value of a version's colour, 1 to 4. */
const versionColour = (cat) => `var(--kl-cat-${Math.min(Math.max(cat, 1), 4)})`;
const icon = (name) => h("span", { class: `icon ${name}`, "aria-hidden": "true" });
const button = (cls, label, onclick, ...inside) => h("button", { class: `kl-btn ${cls}`, type: "button", "aria-label": label, onclick }, ...inside);
const ordered = (things) => Object.values(things ?? {}).sort((a, b) => a.order - b.order);
const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
