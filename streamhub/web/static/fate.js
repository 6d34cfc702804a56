/** What may become of a stream, and what the list says of it at its end. */

import { Note } from "./row.js";

const NOTES = {
  ended: ["The stream is closed: this is the end of the mission", "end"],
  missing: ["There is no such stream yet, or none that you may read; it appears here when its mission begins", "note"],
  replaced: ["The file was cut or replaced: what stands above is what was read of it", "reset"],
  deleted: ["The file was deleted: what stands above is what was read of it", "reset"],
  refused: ["The server refuses", "reset"],
  "signed-out": ["The token is good no longer: open /?token=… with a new one, here or in another tab", "reset"],
};

/** What is said when more is asked for of a stream that is replaced or deleted. */
export const REST = "the rest is gone";

/** The last row for a fate (null: none); `reopen` reads a replaced file from its beginning, `retry` asks once more. */
export function footerOf(fate, { trouble, reopen, retry }) {
  if (fate === null) return null;
  const [text, kind] = NOTES[fate];
  const actions = {
    replaced: { label: "Read the new one", run: reopen },
    "signed-out": { label: "Try again", run: retry },
    refused: { label: "Try again", run: retry },
  };
  return new Note(fate === "refused" && trouble ? trouble : text, { kind, action: actions[fate] ?? null, last: kind === "reset" });
}
