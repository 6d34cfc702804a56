/**
 * `<stream-toolbar>`: find, filter, go to a time, follow. Every button moves the view; none reaches a mission.
 *
 * Events: `find` (`{text}`), `types` (`{types}`), `moment` (`{text}`), `first`, `last`, `follow`, `cancel`,
 * `continue`, `whole` (leave the range).
 */

import { clock, spansDays } from "./clock.js";
import { h } from "./dom.js";
import { TYPES } from "./event.js";
import { count, percent } from "./format.js";
import { settings } from "./settings.js";
import { visible } from "./text.js";

const TYPING_PAUSE = 350;
/** So many types are counted by name; what the summary calls `other` is then all further ones. */
const MOST_TYPES = 32;
const REST = "other";

export class StreamToolbar extends HTMLElement {
  #search;
  #moment;
  #chips;
  #chipOf = new Map();
  #types = new Set();
  #follow;
  #progress;
  #range;
  #timer = 0;

  connectedCallback() {
    this.#search = h("input", {
      type: "search",
      placeholder: "Find in the whole stream",
      "aria-label": "Find in the whole stream",
      title: "Find (/)",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#typed(),
      onkeydown: (event) => event.key === "Enter" && this.#searchNow(),
    });
    this.#moment = h("input", {
      class: "moment",
      placeholder: "Go to time",
      "aria-label": "Go to time, or keep to a range of time",
      title:
        "12:03 · 12:03:22 · 2026-01-31T12:03Z · +5:00 into the mission · -10m before its end · 12:00..12:05 for a range",
      autocomplete: "off",
      spellcheck: "false",
      onkeydown: (event) => event.key === "Enter" && this.#tell("moment", { text: this.#moment.value }),
      oninput: () => this.complain(""),
    });
    this.#chips = h("div", { class: "chips", role: "group", "aria-label": "Show only events of these types" });
    this.#follow = h(
      "button",
      {
        class: "follow",
        "aria-pressed": "true",
        title: "Follow or freeze the view (f)",
        onclick: () => this.#tell("follow"),
      },
      "Following",
    );
    this.#progress = this.#makeProgress();
    this.#range = h("button", {
      class: "chip range",
      hidden: true,
      title: "Show the whole stream again",
      onclick: () => this.#tell("whole"),
    });
    this.replaceChildren(
      h("div", { class: "find" }, this.#search, this.#progress.box),
      this.#chips,
      this.#range,
      h(
        "div",
        { class: "moves" },
        this.#moment,
        h(
          "button",
          { class: "icon", "aria-label": "First event", title: "First event (g)", onclick: () => this.#tell("first") },
          "⤒",
        ),
        h(
          "button",
          {
            class: "icon",
            "aria-label": "Last event",
            title: "Last event, and follow (G)",
            onclick: () => this.#tell("last"),
          },
          "⤓",
        ),
        this.#follow,
      ),
    );
    for (const type of TYPES.slice(0, 4)) this.#addChip(type);
  }

  /** What is searched for. */
  get text() {
    return this.#search.value;
  }

  set text(text) {
    this.#search.value = text;
  }

  set types(types) {
    this.#types = new Set(types);
    for (const type of types) this.#addChip(type);
    this.#press();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  /** Say what is wrong with a time. */
  complain(message) {
    this.#moment.setCustomValidity(message);
    this.#moment.reportValidity();
  }

  /** The number of events of each type. */
  counts(byType, malformed) {
    const types = Object.keys(byType);
    const crowded = types.filter((type) => type !== REST && type !== "malformed").length >= MOST_TYPES;
    for (const type of types) this.#addChip(type);
    if (crowded && !this.#types.has(REST)) this.#noFilter(REST);
    if (malformed) this.#addChip("malformed");
    for (const [type, chip] of this.#chipOf) {
      const number = (byType[type] ?? 0) + (type === "malformed" ? malformed : 0);
      chip.lastElementChild.textContent = count(number);
    }
  }

  /** Show how the view stands. */
  show({ following, fresh, search, range, window, over, times }) {
    this.#follow.setAttribute("aria-pressed", String(following));
    const moving = over ? "At the end" : "Following";
    this.#follow.textContent = following ? moving : fresh ? `View frozen · ${count(fresh)} new` : "View frozen";
    this.#range.hidden = !range;
    if (range) {
      const [first, last] = [Math.min(range.since, times.first), Math.max(range.until, times.last)];
      const looks = { origin: range.origin, withDate: spansDays(first, last, settings.times) };
      const ends = [range.since, range.until].map((ms) => clock(ms, settings.times, looks));
      this.#range.replaceChildren(ends.join(" – "), h("span", {}, "✕"));
    }
    this.#showSearch(search, window);
  }

  #makeProgress() {
    const found = h("span", { class: "found" });
    const bar = h("progress", { "aria-label": "How much was searched" });
    const cancel = h("button", { class: "link", onclick: () => this.#tell("cancel") }, "Cancel");
    const resume = h("button", { class: "link", onclick: () => this.#tell("continue") }, "Go on");
    const box = h("div", { class: "progress", hidden: true }, found, bar, cancel, resume);
    return { box, found, bar, cancel, resume };
  }

  /** Its elements stay the same, so that a button can be pressed while the numbers run. */
  #showSearch(search, window) {
    this.#progress.box.hidden = !search;
    if (!search) return;
    const done = !search.active && !search.paused;
    const number = `${count(search.found)} ${search.found === 1 ? "match" : "matches"}`;
    const found = search.kind === "next" ? "Looking for the next" : number;
    this.#progress.found.textContent = done
      ? `${found} in all`
      : `${found} · ${percent(search.byte, window.tail)} searched`;
    this.#progress.bar.hidden = done;
    this.#progress.bar.max = window.tail || 1;
    this.#progress.bar.value = search.byte;
    this.#progress.cancel.hidden = !search.active;
    this.#progress.resume.hidden = !search.paused;
  }

  #addChip(type) {
    if (this.#chipOf.has(type)) return;
    const kind = TYPES.includes(type) ? type : "other";
    const chip = h(
      "button",
      { class: `chip ${kind}`, "aria-pressed": "false", onclick: () => this.#toggle(type) },
      h("i", { class: "dot", "aria-hidden": "true" }),
      h("bdi", {}, visible(type)),
      h("span", { class: "number" }),
    );
    this.#chipOf.set(type, chip);
    this.#chips.append(chip);
  }

  /** What only counts is no button. */
  #noFilter(type) {
    const chip = this.#chipOf.get(type);
    if (!chip || chip.localName !== "button") return;
    const title = `Types beyond the first ${MOST_TYPES} are counted as one: find them by their text`;
    const label = h("span", { class: "badge", title }, `${type} types `, chip.lastElementChild);
    chip.replaceWith(label);
    this.#chipOf.set(type, label);
  }

  #toggle(type) {
    if (!this.#types.delete(type)) this.#types.add(type);
    this.#press();
    this.#tell("types", { types: [...this.#types] });
  }

  #press() {
    for (const [type, chip] of this.#chipOf) {
      if (chip.localName === "button") chip.setAttribute("aria-pressed", String(this.#types.has(type)));
    }
    this.#chips.classList.toggle("some", this.#types.size > 0);
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#searchNow(), TYPING_PAUSE);
  }

  #searchNow() {
    clearTimeout(this.#timer);
    this.#tell("find", { text: this.text });
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

customElements.define("stream-toolbar", StreamToolbar);
