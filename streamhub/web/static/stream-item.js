/** One stream in the list. */

import { ago } from "./clock.js";
import { h } from "./dom.js";
import { bytes, count, counted } from "./format.js";
import { words } from "./row-view.js";
import { streamHash } from "./router.js";
import { sparkline } from "./sparkline.js";
import { standing, stateOf } from "./standing.js";
import { visible } from "./text.js";

export class StreamItem {
  #name = h("bdi", {});
  #state = h("span", { class: "badge" });
  #last = h("span", { class: "last" });
  #spark = h("span", { class: "activity" });
  #size = h("span", { class: "size" });
  #when = h("span", { class: "when" });
  #shown = {};

  /** @param choose called with the box that chooses it, whenever that changes */
  constructor(id, choose) {
    const box = h("input", {
      type: "checkbox",
      "aria-label": `Choose ${id}, to show it beside others`,
      title: "Show beside others",
      onchange: () => choose(box),
    });
    const link = h("a", { class: "open", href: streamHash({ id }) }, this.#name);
    const name = h("span", { class: "name" }, link, h("span", { class: "id" }, id));
    this.element = h("li", {}, box, name, this.#state, this.#last, this.#spark, this.#size, this.#when);
    this.element.dataset.id = id;
  }

  /**
   * Show an entry of the list, with what was seen by looking into the stream: its last `row`, its `summary`. `known` is
   * false while the server is away.
   */
  fill(entry, { known = true } = {}) {
    const { summary, row } = entry;
    const [state, inWords] = standing({ ...entry, known });
    put(this.#name, visible(entry.mission_id ?? entry.id));
    put(this.#state, inWords);
    this.#state.dataset.state = state;
    put(this.#when, entry.time === null ? "" : ago(entry.time));
    if (!summary) put(this.#size, bytes(entry.bytes));
    this.#size.title = bytes(entry.bytes);
    if (summary && summary !== this.#shown.summary) this.#sum(summary);
    if (row && row !== this.#shown.row) {
      this.#last.replaceChildren(...words(inShort(row.parts)));
      this.#last.className = `last ${row.kind}`;
      this.#last.dataset.state = stateOf(row);
    }
    this.#shown = { summary, row };
  }

  #sum(summary) {
    const { events, malformed } = summary;
    this.#size.replaceChildren(counted(events, "event"));
    if (malformed) this.#size.append(" ", h("span", { class: "bad" }, `${count(malformed)} malformed`));
    this.#spark.replaceChildren(sparkline(summary));
  }
}

/** Set a text, unless it stands there already: the list is gone through every second. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A sentence for the list: the state stands beside it, and the whole item is a link already. */
function inShort(parts) {
  return parts.filter((part) => part.role !== "final").map((part) => ({ ...part, href: null }));
}
