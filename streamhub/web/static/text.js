/** Text that others wrote, made fit to be looked at. */

/** Control characters, and those that turn the direction of what follows or hide. */
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Show what cannot be seen as its escape, so that nothing reads otherwise than it is written. */
export function visible(text) {
  return String(text).replace(HIDDEN, (character) =>
    character === "\n" ? "⏎" : character === "\t" ? "⇥" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Text in pieces, those that match in a `mark`; ASCII case is ignored, as in the server's search. */
export function marked(text, wanted) {
  const needle = wanted.toLowerCase();
  const hay = text.toLowerCase();
  if (needle === "" || hay.length !== text.length) return [text];
  const pieces = [];
  let at = 0;
  for (let found = hay.indexOf(needle); found >= 0; found = hay.indexOf(needle, at)) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(found, found + needle.length);
    pieces.push(text.slice(at, found), mark);
    at = found + needle.length;
  }
  pieces.push(text.slice(at));
  return pieces;
}

/** A sentence's parts as plain text. */
export function plain(parts) {
  return parts.map((part) => part.text).join(" ");
}
