/** The streams that are ticked in the list, and the ways to see them together. */

import { announce } from "./announcer.js";
import { h } from "./dom.js";
import { boardHash } from "./router.js";

const MOST = 6;

export class Choice {
  #ids = new Set();

  /** What stands above the list while there is a choice. */
  element = h("span", { class: "choice", hidden: true });

  has(id) {
    return this.#ids.has(id);
  }

  /** Take a stream's box as it was ticked; one too many is unticked again, and it is said why. */
  take(id, box) {
    if (!box.checked) this.#ids.delete(id);
    else if (this.#ids.size < MOST) this.#ids.add(id);
    const refused = box.checked && !this.#ids.has(id);
    if (refused) {
      box.checked = false;
      announce(`Not chosen: ${MOST} streams at most are shown together.`, { urgent: true });
    }
    this.#draw(refused);
  }

  #draw(refused) {
    const ids = [...this.#ids];
    this.element.hidden = ids.length < 2;
    this.element.replaceChildren(
      h("span", { class: refused && "trouble" }, refused ? `${MOST} at most: ` : `${ids.length} chosen: `),
      h("a", { class: "button", href: boardHash(ids) }, "Side by side"),
      h("a", { class: "button", href: boardHash(ids, { merged: true }) }, "Merged by time"),
    );
  }
}
