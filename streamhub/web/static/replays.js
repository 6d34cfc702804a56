/** Streams that come again from their beginning, since an address had no room for their places. */

import { byteOf, generationOf, sizeInFile } from "./lines.js";

/**
 * Tells what was had before from what is news.
 *
 * Where lines are left out, or a file has empty ones, sizes do not tell which line stands before a place. So lines are
 * counted, of streams that were read from their beginning.
 */
export class Replays {
  /** @type {Map<string, number>} */
  #had = new Map();
  /** @type {Map<string, { start: string, count: number }>} */
  #replayed = new Map();

  /** Another connection: nothing has come on it yet. */
  begin() {
    this.#replayed.clear();
  }

  /** Whether it is known how many lines of a stream were had since its beginning. */
  counts(stream) {
    return this.#had.has(stream);
  }

  /** A stream is read from `offset` on, and was had up to `place`. Gives whether it is still the same file. */
  open({ stream, offset, tail }, place) {
    const [start, reached] = [byteOf(offset), byteOf(place)];
    if (start === 0 && reached === 0) this.#had.set(stream, 0);
    if (start >= reached) return true;
    this.#replayed.set(stream, { start: offset, count: 0 });
    return generationOf(tail) === generationOf(place) && byteOf(tail) >= reached;
  }

  /** Of lines that end at `next` those that come after `place`; null: `place` is not reached yet. */
  news({ stream, texts, next }, place) {
    const replayed = this.#replayed.get(stream);
    let news = texts;
    if (replayed) {
      if (byteOf(next) < byteOf(place)) {
        this.#replayed.set(stream, { start: next, count: replayed.count + texts.length });
        return null;
      }
      this.#replayed.delete(stream);
      const had = this.#had.get(stream);
      const left = had === undefined ? countBefore(texts, replayed.start, place) : Math.max(0, had - replayed.count);
      news = texts.slice(left);
    }
    if (this.#had.has(stream)) this.#had.set(stream, this.#had.get(stream) + news.length);
    return news;
  }

  /** A stream is read from another place on. */
  forget(stream) {
    this.#had.delete(stream);
    this.#replayed.delete(stream);
  }
}

/** How many of the lines that begin at `start` end at or before a place, if none were left out between them. */
function countBefore(texts, start, place) {
  let end = byteOf(start);
  const after = texts.findIndex((text) => (end += sizeInFile(text, false)) > byteOf(place));
  return after < 0 ? texts.length : after;
}
