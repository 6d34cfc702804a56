/** The keys, and the window that names them. */

import { h } from "./dom.js";

/** Keys, what they stand for, and in words. */
export const KEYS = [
  ["/", "find", "Find in the whole stream; in the list, filter"],
  ["j", "next", "Next event"],
  ["k", "previous", "Previous event"],
  ["g", "first", "First event"],
  ["G", "last", "Last event, and follow"],
  ["f", "follow", "Follow, or freeze the view (the mission goes on)"],
  ["n", "match", "Next event that holds what was searched for"],
  ["Enter", "open", "Open the chosen event"],
  ["Escape", "escape", "Close, cancel, leave a field"],
  ["?", "help", "This help"],
];

/** The window with the keys. */
export function makeHelp() {
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h(
      "dl",
      {},
      ...KEYS.flatMap(([key, , meaning]) => [
        h("dt", {}, h("kbd", {}, key === "Escape" ? "Esc" : key)),
        h("dd", {}, meaning),
      ]),
    ),
    h("p", { class: "dim" }, "Nothing here reaches a mission: freezing freezes this view, and no more."),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}
