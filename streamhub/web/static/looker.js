/** Looking into the streams of the list that are in sight: the last event of each, and its sums. */

import { parseTime } from "./event.js";
import { Row } from "./row.js";

/** So many are looked into at a time, and each is summed up not more often than this (ms). */
const MOST = 3;
const PAUSE = 5000;
const BUCKETS = 96;

export class Looker {
  #client;
  #find;
  #told;
  #abort = new AbortController();
  #looking = new Set();
  #queue = new Set();

  /**
   * @param find gives the entry of an id, as the server lists it, with what was told of it
   * @param told called with an id and what was found: `{row, looked}`, `{summary, summed, counted}`, or
   *   `{looked, summed}` for one that is gone
   */
  constructor(client, { find, told }) {
    this.#client = client;
    this.#find = find;
    this.#told = told;
  }

  /** Look into a stream, if it has grown since. */
  ask(id) {
    const entry = this.#find(id);
    if (!entry || (entry.looked === entry.tail && !this.#due(entry))) return;
    this.#queue.add(id);
    this.#work();
  }

  stop() {
    this.#abort.abort();
    this.#queue.clear();
  }

  #due({ summary, summed, tail, closed, counted }) {
    return summed !== tail && (!summary || closed || Date.now() - counted >= PAUSE);
  }

  #work() {
    for (const id of this.#queue) {
      if (this.#looking.size >= MOST) return;
      if (this.#looking.has(id)) continue; // and once more after that, should it have grown meanwhile
      this.#queue.delete(id);
      this.#looking.add(id);
      this.#look(id).finally(() => {
        this.#looking.delete(id);
        this.#work();
      });
    }
  }

  async #look(id) {
    const { signal } = this.#abort;
    const entry = this.#find(id);
    if (!entry) return;
    const { tail } = entry;
    try {
      if (entry.looked !== tail) {
        const { lines } = await this.#client.read(id, { tail: 1, signal });
        this.#told(id, { row: lines.length ? new Row(lines.at(-1)) : null, looked: tail });
      }
      if (!this.#due(entry)) return;
      const summary = await this.#client.summary(id, { buckets: BUCKETS, signal });
      for (const bucket of summary.buckets) bucket.time = parseTime(bucket.from);
      this.#told(id, { summary, summed: tail, counted: Date.now() });
    } catch (error) {
      // Gone or not to be reached: the list itself says so. What is gone is asked for again only when there is news of it.
      if (error.status === 404) this.#told(id, { looked: tail, summed: tail });
    }
  }
}
