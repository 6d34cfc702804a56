/** Text that others wrote, made fit to be looked at. */

/**
 * Control characters, those that turn the direction of what follows, and those that cannot be seen: fillers, tags, and
 * what asks for a variant where there is none: pictures and Han characters have them.
 */
const HIDDEN = new RegExp(
  [
    "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f]",
    "[\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufff9-\\ufffb\\u{e0000}-\\u{e00ff}]",
    "(?<!\\p{Extended_Pictographic}|[0-9#*](?=\\ufe0f\\u20e3))[\\ufe0e\\ufe0f]",
    "(?<!\\p{Script=Han})[\\u{e0100}-\\u{e01ef}]",
  ].join("|"),
  "gu",
);

/** Show what cannot be seen as its escape, so that nothing reads otherwise than it is written. */
export function visible(text) {
  return String(text).replace(HIDDEN, (character) => {
    if (character === "\n") return "⏎";
    if (character === "\t") return "⇥";
    const code = character.codePointAt(0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
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
