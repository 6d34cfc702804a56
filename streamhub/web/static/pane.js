/**
 * `<stream-pane>`: the rows of a session with their scrollbar, and the way back to the end. Event: `pick` (`{row}`).
 */

import "./rows.js";
import "./ruler.js";
import { announce } from "./announcer.js";
import { h } from "./dom.js";
import { count, counted, percent } from "./format.js";
import { plain } from "./text.js";

export class StreamPane extends HTMLElement {
  #session = null;
  #listening = null;
  #rows;
  #ruler;
  #pill;
  #empty;
  #seeking = null;
  #heard = null;
  #moving = null; // keys that come while one is on the way wait for it

  connectedCallback() {
    this.#rows = h("event-rows", { label: this.getAttribute("label") });
    this.#ruler = h("stream-ruler", {});
    this.#pill = h("button", { class: "pill", hidden: true, onclick: () => this.goLast() });
    this.#empty = h("p", { class: "empty", hidden: true });
    this.replaceChildren(this.#rows, this.#ruler, this.#pill, this.#empty);
    this.#rows.addEventListener("more", ({ detail }) => this.#session?.more(detail.direction));
    this.#rows.addEventListener("away", () => this.#session?.freeze());
    this.#rows.addEventListener("back", () => this.#session?.resume());
    this.#rows.addEventListener("view", ({ detail }) => this.#sawRows(detail));
    this.#rows.addEventListener("pick", ({ detail }) => this.select(detail.row));
    this.#ruler.addEventListener("wheel", ({ deltaY }) => this.#rows.nudge(deltaY), { passive: true });
    this.#ruler.addEventListener("go", ({ detail }) => this.#seek(detail.fraction));
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  get rows() {
    return this.#rows;
  }

  get ruler() {
    return this.#ruler;
  }

  get selected() {
    return this.#rows.selected;
  }

  set session(session) {
    this.#listening?.abort();
    this.#listening = new AbortController();
    this.#session = session;
    const on = (type, handle) => session.addEventListener(type, handle, { signal: this.#listening.signal });
    on("window", () => this.#lookThrough());
    on("state", () => this.#state());
    this.#lookThrough();
  }

  /** Choose a row (null: none), and bring it into sight. */
  select(row, where = "nearest") {
    this.#rows.selected = row;
    if (row) {
      if (row !== this.#session.window.rows.at(-1)) this.#session.freeze();
      this.#rows.reveal(row, where);
    }
    this.dispatchEvent(new CustomEvent("pick", { detail: { row } }));
  }

  /** Choose the row so many after the chosen one. */
  async step(by) {
    await this.#moving;
    const rows = this.#session.window.rows;
    const from = this.#rows.selected ? rows.indexOf(this.#rows.selected) : rows.indexOf(this.#rows.top) - Math.sign(by);
    let index = Math.min(rows.length - 1, Math.max(0, from + by));
    while (rows[index]?.isNote && rows[index + Math.sign(by)]) index += Math.sign(by);
    if (rows[index] && !rows[index].isNote) this.select(rows[index]);
  }

  goFirst() {
    this.#moving = this.#session.goFirst().then((row) => row && this.#rows.reveal(row, "start"));
    return this.#moving;
  }

  goLast() {
    this.#moving = this.#session.goLast();
    return this.#moving;
  }

  /** Show a row that was just opened: chosen, in the middle. */
  arrive(row, { choose = false } = {}) {
    if (!row) return;
    if (choose) this.select(row, "center");
    else this.#rows.reveal(row, "start");
  }

  #lookThrough() {
    if (this.#rows.source !== this.#session.window) this.#rows.source = this.#session.window;
    this.#state();
  }

  #state() {
    const { following, fresh } = this.#session;
    this.#rows.following = following;
    this.#pill.hidden = following || fresh === 0;
    this.#pill.textContent = `${count(fresh)} new ↓`;
    this.#rows.refresh();
    this.#say();
  }

  /** At most a word in a while: how many came, and the last of them. */
  #say() {
    const row = this.#session.lastRow;
    if (!row || row === this.#heard) return;
    if (this.#heard)
      announce(
        `${this.#session.fresh ? `${counted(this.#session.fresh, "new event")}. ` : ""}Last: ${plain(row.parts)}`,
      );
    this.#heard = row;
  }

  #sawRows({ first, last, count: shown }) {
    const { window, search } = this.#session;
    const from = first ? window.fractionOf(first) : 0;
    const atEnd = last && window.atEnd && (last === window.rows.at(-1) || last === window.footer);
    this.#ruler.show(from, atEnd ? 1 : last ? Math.max(from, window.fractionOf(last)) : 1);
    this.#empty.hidden = shown > 0;
    if (shown > 0) return;
    if (search?.active || !window.atEnd || !window.atStart) {
      const share = percent(window.end - window.start, window.tail);
      this.#empty.textContent = window.filtered ? `Searching… ${share}` : "Reading…";
    } else
      this.#empty.textContent = window.filtered
        ? "No event is like that."
        : "No event yet: the first one appears here.";
  }

  /** While dragging, one question at a time, and the last place wins. */
  async #seek(fraction) {
    const busy = this.#seeking !== null;
    this.#seeking = fraction;
    if (busy) return;
    for (let at = null; at !== this.#seeking;) {
      at = this.#seeking;
      const row = await this.#session.goToFraction(at);
      if (row && at < 1) this.#rows.reveal(row, "start");
    }
    this.#seeking = null;
  }
}

customElements.define("stream-pane", StreamPane);
