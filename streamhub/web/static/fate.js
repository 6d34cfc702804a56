/** What may become of a stream, and what the list says of it at its end. */

import { Note } from "./row.js";

const NOTES = {
  ended: ["The stream is closed: this is the end of the mission", "end"],
  missing: ["There is no such stream yet; it appears here when its mission begins", "note"],
  replaced: ["The file was cut or replaced: what stands above is what it was", "reset"],
  deleted: ["The file was deleted: what stands above is what it was", "reset"],
  refused: ["The server refuses", "reset"],
};

/** The last row for a fate (null: none); `reopen` reads a replaced file from its beginning. */
export function footerOf(fate, { trouble, reopen }) {
  if (fate === null) return null;
  const [text, kind] = NOTES[fate];
  const action = fate === "replaced" ? { label: "Read the new one", run: reopen } : null;
  return new Note(fate === "refused" && trouble ? trouble : text, { kind, action });
}
