/**
 * `<stream-ruler>`: the scrollbar of a whole stream, of which the list holds but a window.
 *
 * What it shows is true: the thumb stands where the rows in sight stand in the stream (in bytes), and is as long as
 * they are. Ticks mark status changes and malformed lines. Event: `go` (`{fraction, done}`), while dragging and at its
 * end, and for the keys of a scrollbar.
 */

import { h } from "./dom.js";

const LEAST = 24;
/** How far a key goes: so much of the stream, or so much of what is in sight if that is more. */
const STEPS = {
  ArrowUp: [-0.01, -0.1],
  ArrowDown: [0.01, 0.1],
  PageUp: [-0.1, -1],
  PageDown: [0.1, 1],
  Home: [-1, 0],
  End: [1, 0],
};
/** More of a kind than this mark nothing. */
const MOST_TICKS = 60;

export class StreamRuler extends HTMLElement {
  #thumb;
  #ticks;
  #hint;
  #dragging = false;
  #grip = 0;
  #place = { from: 0, to: 1 };

  /** The words for a place, 0 to 1. */
  describe = (fraction) => `${Math.round(fraction * 100)} %`;

  connectedCallback() {
    this.#thumb = h("div", { class: "thumb" });
    this.#ticks = h("div", { class: "ticks", "aria-hidden": "true" });
    this.#hint = h("div", { class: "hint", hidden: true, "aria-hidden": "true" });
    this.replaceChildren(this.#ticks, this.#thumb, this.#hint);
    for (const [name, value] of Object.entries({
      role: "scrollbar",
      tabindex: "0",
      "aria-orientation": "vertical",
      "aria-label": "Place in the stream",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": "0",
    })) {
      this.setAttribute(name, value);
    }
    this.addEventListener("pointerdown", (event) => this.#grab(event));
    this.addEventListener("pointermove", (event) => this.#drag(event));
    this.addEventListener("pointerup", (event) => this.#drop(event));
    this.addEventListener("pointercancel", (event) => this.#drop(event));
    this.addEventListener("keydown", (event) => this.#step(event));
    this.addEventListener("pointerleave", () => (this.#hint.hidden = true));
    this.#resizer = new ResizeObserver(() => this.#draw());
    this.#resizer.observe(this);
  }

  disconnectedCallback() {
    this.#resizer.disconnect();
  }

  #resizer;

  /** Show the rows from one fraction of the stream to another. */
  show(from, to) {
    this.#place = { from, to };
    this.setAttribute("aria-valuenow", String(Math.round(from * 100)));
    this.setAttribute("aria-valuetext", this.describe(from));
    if (!this.#dragging) this.#draw();
  }

  /** Mark places: `{at, kind}`. */
  mark(ticks) {
    const kinds = Map.groupBy(ticks, (tick) => tick.kind);
    const elements = [];
    for (const [kind, places] of kinds) {
      if (places.length > MOST_TICKS && kind !== "malformed") continue;
      for (const { at } of thinned(places)) {
        const tick = h("i", { class: kind });
        tick.style.top = `${(at * 100).toFixed(2)}%`;
        elements.push(tick);
      }
    }
    this.#ticks.replaceChildren(...elements);
  }

  #draw() {
    const height = this.clientHeight;
    const size = Math.max(LEAST, (this.#place.to - this.#place.from) * height);
    // The thumb's ends touch the bar's ends exactly when the rows in sight are the first or the last.
    this.#thumb.hidden = this.#place.from <= 0 && this.#place.to >= 1; // all of it is in sight
    const slack = 1 - (this.#place.to - this.#place.from);
    const share = slack > 0 ? Math.min(1, this.#place.from / slack) : 0;
    this.#thumb.style.height = `${Math.min(size, height)}px`;
    this.#thumb.style.transform = `translateY(${share * (height - Math.min(size, height))}px)`;
  }

  #step(event) {
    if (!Object.hasOwn(STEPS, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { from, to } = this.#place;
    const [ofAll, ofSight] = STEPS[event.key];
    const by = Math.sign(ofAll) * Math.max(Math.abs(ofAll), Math.abs(ofSight) * (to - from));
    const fraction = Math.min(1, Math.max(0, from + by));
    this.dispatchEvent(new CustomEvent("go", { detail: { fraction, done: true } }));
  }

  #grab(event) {
    if (event.button !== 0) return;
    const thumb = this.#thumb.getBoundingClientRect();
    this.#dragging = true;
    this.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (event.clientY >= thumb.top && event.clientY <= thumb.bottom) {
      this.#grip = event.clientY - thumb.top;
      return;
    }
    // Beside the thumb, where one presses is where one goes: halfway down is the middle of the stream.
    const bar = this.getBoundingClientRect();
    const at = (event.clientY - bar.top) / bar.height;
    this.#grip = event.clientY - bar.top - at * (bar.height - thumb.height);
    this.#go(event, false);
  }

  #drag(event) {
    const bar = this.getBoundingClientRect();
    const at = Math.min(1, Math.max(0, (event.clientY - bar.top) / bar.height));
    this.#hint.hidden = false;
    this.#hint.textContent = this.describe(at);
    this.#hint.style.top = `${at * 100}%`;
    if (this.#dragging) this.#go(event, false);
  }

  #drop(event) {
    if (!this.#dragging) return;
    this.#go(event, true);
    this.#dragging = false;
  }

  #go(event, done) {
    const bar = this.getBoundingClientRect();
    const size = this.#thumb.offsetHeight;
    const room = Math.max(1, bar.height - size);
    const top = Math.min(room, Math.max(0, event.clientY - bar.top - this.#grip));
    this.#thumb.style.transform = `translateY(${top}px)`;
    this.dispatchEvent(new CustomEvent("go", { detail: { fraction: top / room, done } }));
  }
}

/** One of those that would be drawn over each other. */
function thinned(places) {
  return [...new Map(places.map((place) => [Math.round(place.at * 200), place])).values()];
}

customElements.define("stream-ruler", StreamRuler);
