/** Text that others wrote, made fit to be looked at. */

/** Control characters, and those that turn the direction of what follows or hide. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Show what cannot be seen as its escape, so that nothing reads otherwise than it is written. */
export function visible(text) {
  return String(text).replace(HIDDEN, (character) =>
    character === "\n" ? "⏎" : character === "\t" ? "⇥" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
