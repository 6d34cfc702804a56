/** What stands in the list: a row for each line of the stream, and notes of what happened to this view of it. */

import { StreamhubError } from "./client.js";
import { isGap, kindOf, sentence, timeOf } from "./event.js";

/** A longer line is not kept: what its row says is, and the rest is read again when somebody looks. */
const LONG = 16 * 1024;

/** One line of a stream. */
export class Row {
  #line;
  #parts = null;
  #time;
  #kind = null;
  #gap = false;

  constructor(line) {
    this.#line = line;
    this.stream = line.stream;
    this.start = line.start;
    this.end = line.end;
    this.size = line.text.length;
    if (line.exact && line.text.length > LONG) {
      this.#read();
      this.#line = null;
    }
    this.exact = line.exact;
    this.offset = line.offset;
  }

  /** Characters of text that this row holds on to. */
  get weight() {
    return this.#line ? this.size : 1024;
  }

  get time() {
    this.#read();
    return this.#time;
  }

  get kind() {
    this.#read();
    return this.#kind;
  }

  /** Whether it tells that something is missing here. */
  get gap() {
    this.#read();
    return this.#gap;
  }

  /** The sentence, in parts. */
  get parts() {
    this.#read();
    return this.#parts;
  }

  /** The line's own text. */
  async text(client) {
    if (this.#line) return this.#line.text;
    const page = await client.read(this.stream, { offset: this.offset, limit: 1 });
    if (page.lines.length === 0) throw new StreamhubError("this line is not in the stream any more", { status: 410 });
    return page.lines[0].text;
  }

  /** Its offset, which has to be asked for after a search. */
  async locate(client, options) {
    this.offset ??= await client.locate(this.#line, options);
    return this.offset;
  }

  #read() {
    if (this.#kind !== null) return;
    const { event } = this.#line;
    this.#time = timeOf(event);
    this.#kind = kindOf(event);
    this.#parts = sentence(event);
    this.#gap = isGap(event);
  }
}

/** Something that happened to the view, not to the mission. */
export class Note {
  /** `last`: as a footer it stands after the last row that is held, even if others come after that. */
  constructor(text, { kind = "note", action = null, at = 0, last = false } = {}) {
    this.text = text;
    this.kind = kind;
    this.action = action;
    this.last = last;
    this.start = this.end = at;
    this.time = null;
    this.weight = text.length;
    this.isNote = true;
  }
}
