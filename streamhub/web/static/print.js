/** Printing: paper does not scroll, so the rows that are held are laid out one after the other. */

import { clock, iso } from "./clock.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { settings } from "./settings.js";
import { plain, visible } from "./text.js";

/** Have `printable()` (`{title, rows, origin}` or null) laid out whenever the page is printed. */
export function printWith(printable) {
  const sheet = h("section", { class: "paper", "aria-hidden": "true" });
  document.body.append(sheet);
  addEventListener("beforeprint", () => {
    const what = printable();
    if (what) sheet.replaceChildren(...layOut(what));
  });
  addEventListener("afterprint", () => sheet.replaceChildren());
}

function layOut({ title, rows, origin }) {
  return [
    h("h1", {}, visible(title)),
    h("p", {}, `${counted(rows.length, "row")} that the list held, printed ${iso(Date.now())}`),
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th", {}, "Time"), h("th", {}, "Type"), h("th", {}, "Event"))),
      h("tbody", {}, ...rows.map((row) => (row.isNote ? noteLine(row) : line(row, origin)))),
    ),
  ];
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
