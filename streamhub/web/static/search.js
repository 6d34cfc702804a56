/** A search through a whole stream, piece by piece: what it found, how far it is, and how to stop it. */

import { byteOf } from "./client.js";

/** It reads on by itself until it has found so many; then it waits until somebody wants more, so many at a time. */
const ENOUGH = 2000;
const MORE = 1000;

export class Search {
  #client;
  #id;
  #changed;
  #window = null;
  #upTo = new Map(); // how many stand before a byte, of bytes between which the window reads

  /** @param changed called whenever there is news */
  constructor(client, id, changed) {
    this.#client = client;
    this.#id = id;
    this.#changed = changed;
    this.active = true;
    this.cancelled = false;
    /** How far it is: all before this byte is searched. */
    this.byte = 0;
    /** How many it found there, whether or not their rows are held. */
    this.found = 0;
    /** `all` that holds the text, or the `next`. */
    this.kind = "all";
  }

  /** Whether it stopped before the end: cancelled, or with enough for now. */
  get paused() {
    return !this.active && this.#window !== null && this.byte < this.#window.bound;
  }

  /** Fill a window with what its filter lets through; gives the first row of a place that the window was not at. */
  async run(window, { anew }) {
    this.#window = window;
    this.active = true;
    this.cancelled = false;
    this.#changed();
    try {
      const enough = anew ? ENOUGH : this.found + MORE;
      const first = anew ? await this.#begin() : await this.#return();
      while (this.active && !window.atEnd && this.found < enough) await window.forward();
      return first;
    } finally {
      this.active = false;
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
      this.byte = byteOf(at);
      this.#changed();
    }
    return null;
  }

  /** So many were found between two bytes. What does not join on to what is searched is not counted. */
  reached({ from, to, found }) {
    const before = this.#upTo.get(from);
    if (before === undefined || to < from || to > this.#window.ceiling) return;
    this.#upTo.set(to, before + found);
    if (to <= this.byte) return; // one has gone back, and it was counted before
    this.byte = to;
    this.found = before + found;
    this.#changed();
  }

  cancel() {
    this.active = false;
    this.cancelled = true;
    this.#changed();
  }

  #begin() {
    const { floor } = this.#window;
    this.byte = floor;
    this.found = 0;
    this.#upTo = new Map([[floor, 0]]);
    return this.#window.openAt(floor);
  }

  /** Back to where it stopped, if the window has gone where reading on does not lead there. */
  async #return() {
    const { end } = this.#window;
    if (this.#upTo.has(end)) return null;
    return this.#window.openAt(this.byte, { exact: true });
  }
}
