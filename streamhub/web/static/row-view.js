/** How a row looks. */

import { clock } from "./clock.js";
import { h } from "./dom.js";
import { settings } from "./settings.js";
import { stateOf } from "./standing.js";
import { marked } from "./text.js";

/** So long without an event is shown. */
const SILENCE = 60_000;

/**
 * The element of a row. `origin` and `withDate` are for its time, `tag(row)` names its stream (`{name, order}`),
 * `highlight` is marked; `previous` is the row before it.
 */
export function rowElement(row, { origin, withDate, tag, highlight }, previous) {
  const time = clock(row.time, settings.times, { origin, withDate });
  const quiet = row.time !== null && previous?.time && row.time - previous.time >= SILENCE;
  return h(
    "div",
    {
      class: `row ${row.kind}${quiet ? " after-silence" : ""}${row.gap ? " gap" : ""}`,
      role: "row",
      "data-state": stateOf(row) || null,
    },
    h("span", { class: "time", role: "gridcell" }, time || "no time"),
    tag && tagElement(tag(row)),
    h("span", { class: "type", role: "gridcell" }, row.kind),
    h("span", { class: "words", role: "gridcell" }, ...words(row.parts, highlight)),
  );
}

function tagElement({ name, order }) {
  return h("span", { class: `tag stream-${order}`, role: "gridcell", title: name }, h("bdi", {}, name));
}

/** A sentence's parts as elements. */
export function words(parts, highlight = "") {
  return parts.flatMap((part) => {
    const text = highlight ? marked(part.text, highlight) : [part.text];
    const element = part.href
      ? h(
          "a",
          { class: part.role, href: part.href, target: "_blank", rel: "noopener noreferrer", tabindex: "-1" },
          ...text,
        )
      : h("bdi", { class: part.role }, ...text);
    return [element, " "];
  });
}

/** The element of a note. */
export function noteElement(note) {
  return h(
    "div",
    { class: `row note ${note.kind}`, role: "row" },
    h(
      "span",
      { class: "words", role: "gridcell" },
      note.text,
      note.action && h("button", { class: "link", onclick: note.action.run }, note.action.label),
    ),
  );
}
