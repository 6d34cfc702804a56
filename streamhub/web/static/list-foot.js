/** What stands below the list of streams: what was found of a filter, the way to more, how to begin. */

import { h } from "./dom.js";
import { count } from "./format.js";

/** How to begin, for those who have no stream yet. */
const EXAMPLE = `from streamhub import Emitter

with Emitter(mission_id="hello") as stream:
    stream.signal(name="greeting", value="hi")`;

export class ListFoot {
  #note = h("p", { class: "empty", role: "status" }, "Looking for streams…");
  #more;

  /** @param more called when more streams are asked for */
  constructor(more) {
    this.#more = h("button", { hidden: true, onclick: more });
    this.elements = [this.#note, this.#more];
  }

  /**
   * Say what became of a look at the server. `shown` streams are in the list, of so many that are `wanted`; `found` is
   * what `listStreams` gave, null while it is on the way; `filtered` says whether by a text.
   */
  show({ shown, wanted, found, filtered }) {
    const { more = false, searched = 0 } = found ?? {};
    const enough = shown >= wanted;
    this.#more.hidden = !more;
    this.#more.textContent = enough ? "More streams" : "Search on";
    this.#note.hidden = shown > 0 && (!more || enough);
    if (this.#note.hidden) return;
    if (filtered) this.say(found ? notCalled(shown, more ? searched : null) : "Searching…");
    else if (found && this.#note.childElementCount === 0) this.#note.replaceChildren(...firstSteps());
  }

  /** Say something else, for want of a list; the note is read aloud, and what stands there already is not said again. */
  say(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }
}

/** What a filter says that found so few; `searched` is how many streams it went through, null when it was all of them. */
function notCalled(shown, searched) {
  if (searched === null) return "No stream is called like that.";
  const newest = `among the ${count(searched)} newest`;
  return shown > 0 ? `These are the ones ${newest}.` : `No stream is called like that ${newest}.`;
}

/** What the empty list says. */
function firstSteps() {
  return [
    h("b", {}, "No stream yet"),
    h("span", {}, "The first one appears here by itself, as soon as a mission emits into the folder that is served:"),
    h("code", {}, EXAMPLE),
  ];
}
