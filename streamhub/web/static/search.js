/** A search through a whole stream, piece by piece: how far it is, and how to stop it. */

import { byteOf } from "./client.js";

/** It reads on by itself until it has so many rows; then it waits until somebody wants more. */
const ENOUGH = 2000;

export class Search {
  #client;
  #id;
  #changed;

  /** @param changed called whenever there is news */
  constructor(client, id, changed) {
    this.#client = client;
    this.#id = id;
    this.#changed = changed;
    this.active = true;
    /** It stopped before the end: cancelled, or with enough for now. */
    this.paused = false;
    this.cancelled = false;
    /** How far it is. */
    this.byte = 0;
    /** `all` that holds the text, or the `next`. */
    this.kind = "all";
  }

  /** Fill a window with what its filter lets through; gives the first row. */
  async run(window, { anew }) {
    this.byte = window.end;
    try {
      const first = anew ? await window.openAt(window.floor) : null;
      const enough = anew ? ENOUGH : window.rows.length + ENOUGH;
      while (this.active && !window.atEnd && window.rows.length < enough) await window.forward();
      return first;
    } finally {
      this.active = false;
      this.paused = !window.atEnd;
      this.byte = window.end;
      this.#changed();
    }
  }

  /** The next line from an offset on that holds a text; null when there is none. */
  async next(text, offset) {
    this.kind = "next";
    let at = offset;
    while (this.active) {
      const page = await this.#client.read(this.#id, { offset: at, contains: text, limit: 1 });
      if (page.lines.length) return page.lines[0];
      if (page.upToDate) return null;
      at = page.next;
      this.reached(byteOf(at));
    }
    return null;
  }

  reached(byte) {
    this.byte = byte;
    this.#changed();
  }

  cancel() {
    this.active = false;
    this.paused = this.cancelled = true;
    this.#changed();
  }

  /** The end was reached after all. */
  finish() {
    this.paused = false;
    this.#changed();
  }
}
