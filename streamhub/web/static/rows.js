/**
 * `<event-rows>`: the rows of a source, of which only those in sight are elements.
 *
 * A source has `rows`, `footer`, `atStart`, `atEnd` and says `change`. All rows are of one height (`--row`), so where a
 * row stands is arithmetic. Whatever the source grows or loses, the row at the top stays where it is.
 *
 * Events: `pick` (a row was chosen), `view` (`{first, last}` rows in sight), `more` (`{direction}`), `away` and `back`
 * (the viewer left the end, or came to it).
 */

import { h } from "./dom.js";
import { noteElement, rowElement } from "./row-view.js";
import { settings } from "./settings.js";

const OVERSCAN = 8;
const NEAR_EDGE = 60;
/** Live rows are drawn at most so often: faster, nobody can read. */
const PACE = 80;

let serial = 0;

export class EventRows extends HTMLElement {
  #view;
  #sheet;
  #source = null;
  #unlisten = null;
  #nodes = new Map();
  #height = 26;
  #anchor = null;
  #frame = 0;
  #drawn = 0;
  #placed = 0; // where the view was scrolled to when it was drawn
  #following = false;
  #stale = false;
  #selected = null;

  /** `{origin, withDate}` for times, `tag(row)` for a stream's name, the text to highlight. */
  options = { origin: 0, withDate: false, tag: null, highlight: "" };

  connectedCallback() {
    this.#sheet = h("div", { class: "sheet", role: "rowgroup" });
    this.#view = h(
      "div",
      {
        class: "view",
        role: "grid",
        tabindex: "0",
        "aria-label": this.getAttribute("label") ?? "Events",
        "aria-rowcount": "-1",
      },
      this.#sheet,
    );
    this.replaceChildren(this.#view);
    this.#view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#view.addEventListener("wheel", (event) => event.deltaY < 0 && this.#leave(), { passive: true });
    this.#view.addEventListener("touchmove", () => this.#leave(), { passive: true });
    this.#view.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key)) this.#leave();
    });
    this.#sheet.addEventListener("click", (event) => this.#clicked(event));
    this.#resizer = new ResizeObserver(() => this.#measure());
    this.#resizer.observe(this);
    this.#redraw = () => this.redraw();
    settings.addEventListener("change", this.#redraw);
  }

  disconnectedCallback() {
    this.#unlisten?.();
    this.#resizer.disconnect();
    settings.removeEventListener("change", this.#redraw);
    cancelAnimationFrame(this.#frame);
  }

  #resizer;
  #redraw;

  get source() {
    return this.#source;
  }

  set source(source) {
    this.#unlisten?.();
    this.#source = source;
    const changed = () => this.refresh();
    source.addEventListener("change", changed);
    this.#unlisten = () => source.removeEventListener("change", changed);
    this.#anchor = { row: null, delta: 0, top: 0 };
    this.refresh({ now: true });
  }

  /** Whether the end is kept in sight. */
  get following() {
    return this.#following;
  }

  set following(following) {
    if (this.#following === following) return;
    this.#following = following;
    this.refresh({ now: true });
  }

  get selected() {
    return this.#selected;
  }

  set selected(row) {
    this.#selected = row;
    this.refresh({ now: true });
  }

  /** The first row in sight. */
  get top() {
    return this.#anchor?.row ?? null;
  }

  focus() {
    this.#view.focus({ preventScroll: true });
  }

  /** Move by so many pixels. */
  nudge(delta) {
    if (delta < 0) this.#leave();
    this.#view.scrollTop += delta;
  }

  /** Bring a row into sight: `center`, `start`, or as little as it takes. */
  reveal(row, where = "nearest") {
    const index = this.#source.rows.indexOf(row);
    if (index < 0) return;
    const top = index * this.#height;
    const room = this.#view.clientHeight;
    let place = this.#anchorTop();
    if (where === "center") place = top - (room - this.#height) / 2;
    else if (where === "start") place = top;
    else if (top < place) place = top;
    else if (top + this.#height > place + room) place = top + this.#height - room;
    this.#anchorAt(Math.max(0, place));
    this.refresh({ now: true });
  }

  /** Draw every row anew: how they look has changed. */
  redraw() {
    this.#stale = true;
    this.refresh({ now: true });
  }

  /** Draw soon. */
  refresh({ now = false } = {}) {
    if (now) this.#drawn = 0;
    if (this.#frame) return;
    const draw = (time) => {
      if (time - this.#drawn < PACE) {
        this.#frame = requestAnimationFrame(draw);
        return;
      }
      this.#frame = 0;
      this.#drawn = time;
      this.#draw();
    };
    this.#frame = requestAnimationFrame(draw);
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  get #count() {
    const { rows, footer, atEnd } = this.#source;
    return rows.length + (footer && (atEnd || footer.last) ? 1 : 0);
  }

  #rowAt(index) {
    return this.#source.rows[index] ?? this.#source.footer;
  }

  #draw() {
    if (!this.#source || !this.isConnected) return;
    if (this.#stale) this.#clear();
    const count = this.#count;
    const room = this.#view.clientHeight;
    const height = count * this.#height;
    this.#sheet.style.height = `${height}px`;
    const most = Math.max(0, height - room);
    const top = this.#following ? most : Math.min(most, this.#anchorTop());
    if (Math.abs(this.#view.scrollTop - top) >= 1) this.#view.scrollTop = top;
    this.#placed = this.#view.scrollTop;
    const first = Math.floor(top / this.#height);
    const last = Math.min(count - 1, Math.ceil((top + room) / this.#height) - 1);
    this.#place(Math.max(0, first - OVERSCAN), Math.min(count - 1, last + OVERSCAN));
    // With nothing in it, it was opened elsewhere: what comes first stands at the top.
    this.#anchor = { row: this.#rowAt(first) ?? null, delta: top - first * this.#height, top };
    this.#tell("view", { first: this.#rowAt(first) ?? null, last: this.#rowAt(last) ?? null, count });
    if (first < NEAR_EDGE && !this.#source.atStart) this.#tell("more", { direction: -1 });
    if (count - last < NEAR_EDGE && !this.#source.atEnd) this.#tell("more", { direction: 1 });
  }

  #clear() {
    for (const node of this.#nodes.values()) node.remove();
    this.#nodes.clear();
    this.#stale = false;
  }

  #place(first, last) {
    const wanted = new Set();
    for (let index = first; index <= last; index++) {
      const row = this.#rowAt(index);
      wanted.add(row);
      let node = this.#nodes.get(row);
      if (!node) {
        node = this.#make(row, index > 0 ? this.#rowAt(index - 1) : null);
        this.#nodes.set(row, node);
      }
      node.style.transform = `translateY(${index * this.#height}px)`;
      const chosen = row === this.#selected;
      if (chosen !== (node.getAttribute("aria-selected") === "true"))
        node.setAttribute("aria-selected", String(chosen));
    }
    for (const [row, node] of this.#nodes) {
      if (wanted.has(row)) continue;
      node.remove();
      this.#nodes.delete(row);
    }
    // Elements in the order of the rows: screen readers and copying go by it.
    let before = null;
    for (let index = last; index >= first; index--) {
      const node = this.#nodes.get(this.#rowAt(index));
      if (node.nextSibling !== before || node.parentNode !== this.#sheet) this.#sheet.insertBefore(node, before);
      before = node;
    }
    const chosen = this.#nodes.get(this.#selected);
    if (chosen) this.#view.setAttribute("aria-activedescendant", chosen.id);
    else this.#view.removeAttribute("aria-activedescendant");
  }

  #make(row, previous) {
    serial += 1;
    const node = row.isNote ? noteElement(row) : rowElement(row, this.options, previous);
    node.id = `row-${serial}`;
    node.setAttribute("aria-selected", "false");
    return node;
  }

  // --- moving ------------------------------------------------------------------------------------------------------

  /** Where the view stands, in pixels from the first row. */
  #anchorTop() {
    if (!this.#anchor) return this.#view.scrollTop;
    const index = this.#source.rows.indexOf(this.#anchor.row);
    return index < 0 ? this.#anchor.top : index * this.#height + this.#anchor.delta;
  }

  #anchorAt(top) {
    const index = Math.min(this.#count - 1, Math.floor(top / this.#height));
    this.#anchor = index < 0 ? null : { row: this.#rowAt(index), delta: top - index * this.#height, top };
  }

  #scrolled() {
    const moved = this.#view.scrollTop - this.#placed;
    if (Math.abs(moved) < 1) return; // what was drawn put it there
    const top = Math.max(0, this.#anchorTop() + moved); // rows may have come before it since it was drawn
    this.#placed = this.#view.scrollTop;
    const most = this.#sheet.offsetHeight - this.#view.clientHeight;
    if (this.#following && moved < -2) this.#leave();
    else if (!this.#following && moved > 0 && this.#placed >= most - 1 && this.#source?.atEnd) this.#tell("back");
    if (!this.#following && this.#source) this.#anchorAt(top);
    this.refresh({ now: true });
  }

  #leave() {
    if (!this.#following || this.#view.scrollHeight <= this.#view.clientHeight) return;
    this.#following = false;
    this.#tell("away");
  }

  #measure() {
    const height = parseFloat(getComputedStyle(this).getPropertyValue("--row")) || 26;
    if (height !== this.#height) {
      this.#height = height;
      this.redraw();
    } else this.refresh({ now: true });
  }

  #clicked(event) {
    const node = event.target.closest("[role=row]");
    if (!node || event.target.closest("a, button") || String(getSelection()).length > 0) return;
    for (const [row, candidate] of this.#nodes) {
      if (candidate === node && !row.isNote) this.#tell("pick", { row });
    }
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("event-rows", EventRows);
