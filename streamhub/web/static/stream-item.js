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

  /** Show an entry of the list, with what was seen by looking into the stream: its last `row`, its `summary`. */
  fill(entry) {
    const { summary, row } = entry;
    const mission = visible(entry.mission_id ?? entry.id);
    if (this.#name.textContent !== mission) this.#name.textContent = mission;
    [this.#state.dataset.state, this.#state.textContent] = standing(entry);
    this.#when.textContent = entry.time === null ? "" : ago(entry.time);
    const malformed = summary?.malformed ? ` · ${count(summary.malformed)} malformed` : "";
    this.#size.textContent = summary ? `${counted(summary.events, "event")}${malformed}` : bytes(entry.bytes);
    this.#size.classList.toggle("bad", malformed !== "");
    this.#size.title = bytes(entry.bytes);
    if (summary && summary !== this.#shown.summary) this.#spark.replaceChildren(sparkline(summary));
    if (row && row !== this.#shown.row) {
      this.#last.replaceChildren(...words(inShort(row.parts)));
      this.#last.className = `last ${row.kind}`;
      this.#last.dataset.state = stateOf(row);
    }
    this.#shown = { summary, row };
  }
}

/** A sentence for the list: the state stands beside it, and the whole item is a link already. */
function inShort(parts) {
  return parts.filter((part) => part.role !== "final").map((part) => ({ ...part, href: null }));
}
