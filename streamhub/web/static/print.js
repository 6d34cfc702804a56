/** Printing: paper does not scroll, so the rows that are held are laid out one after the other. */

import { clock, iso } from "./clock.js";
import { h } from "./dom.js";
import { bytes, counted } from "./format.js";
import { settings } from "./settings.js";
import { standing } from "./standing.js";
import { plain, visible } from "./text.js";

/**
 * Have what `printable()` gives laid out whenever the page is printed: `{title, rows, origin}` of one stream or several,
 * `{title, streams}` of the list.
 */
export function printWith(printable) {
  const sheet = h("section", { class: "paper", "aria-hidden": "true" });
  document.body.append(sheet);
  addEventListener("beforeprint", () => sheet.replaceChildren(...layOut(printable())));
  addEventListener("afterprint", () => sheet.replaceChildren());
}

function layOut({ title, rows, origin, streams }) {
  const table = streams ? tableOfStreams(streams) : tableOfRows(rows, origin);
  const what = streams ? counted(streams.length, "stream") : counted(rows.length, "row");
  return [h("h1", {}, visible(title)), h("p", {}, `${what} that the list held, printed ${iso(Date.now())}`), table];
}

function tableOfRows(rows, origin) {
  return tableOf(
    ["Time", "Type", "Event"],
    rows.map((row) => (row.isNote ? noteLine(row) : line(row, origin))),
  );
}

function tableOfStreams(streams) {
  return tableOf(
    ["Last event", "State", "Stream", "Mission", "Size"],
    streams.map((stream) =>
      h(
        "tr",
        {},
        h("td", {}, clock(stream.time, settings.times === "utc" ? "utc" : "local", { withDate: true })),
        h("td", {}, standing(stream)[1]),
        h("td", { class: "free" }, stream.id),
        h("td", { class: "free" }, h("bdi", {}, visible(stream.mission_id ?? ""))),
        h("td", {}, bytes(stream.bytes)),
      ),
    ),
  );
}

function tableOf(names, lines) {
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...names.map((name) => h("th", {}, name)))),
    h("tbody", {}, ...lines),
  );
}

function line(row, origin) {
  const time = clock(row.time, settings.times, { origin, withDate: true });
  return h(
    "tr",
    { class: row.kind },
    h("td", {}, time),
    h("td", {}, row.kind),
    h("td", {}, h("bdi", {}, plain(row.parts))),
  );
}

function noteLine(note) {
  return h("tr", {}, h("td", { colspan: "3" }, note.text));
}
