/**
 * Starts of lines that are known, and how to find one near any byte.
 *
 * The server reads forward from an offset, and an offset is the start of a line. To show what stands in the middle of a
 * stream, a start near there is needed: those that went by are kept, and more are found by asking for times between
 * (`since=` is a bisection on the server, and costs it next to nothing).
 */

import { byteOf, generationOf, tokenAt } from "./client.js";
import { iso } from "./clock.js";
import { timeOf } from "./event.js";

/** A start within so many bytes before a place is near it. */
const NEAR = 192 * 1024;
const MOST = 8192;
const PROBES = 48;

export class Places {
  #client;
  #stream;
  #known = [{ byte: 0, time: null }];
  #last = null;

  constructor(client, stream) {
    this.#client = client;
    this.#stream = stream;
    this.generation = null;
  }

  /** The token of a known start. */
  token(byte) {
    return tokenAt(this.generation ?? "00000000", byte);
  }

  /** Whether an offset is of the file that the known ones are of; as far as is known. */
  includes(token) {
    return this.generation === null || generationOf(token) === this.generation;
  }

  /** Note a start of a line, and its time when that is known. */
  learn(token, time = null) {
    const byte = byteOf(token);
    if (byte === 0) {
      if (time !== null) this.#known[0].time = time;
      return this.#known[0];
    }
    this.generation ??= generationOf(token);
    const index = this.#indexBefore(byte);
    const found = this.#known[index];
    if (found.byte === byte) {
      found.time ??= time;
      return found;
    }
    const place = { byte, time };
    this.#known.splice(index + 1, 0, place);
    if (this.#known.length > MOST) this.#known = this.#known.filter((_, at) => at % 2 === 0);
    return place;
  }

  /** A start at or before a byte, as near as one can be found. */
  async near(byte, { signal } = {}) {
    let stuck = 0;
    let latest = Infinity;
    for (let probe = 0; probe < PROBES && stuck < 12; probe++) {
      const index = this.#indexBefore(byte);
      const low = this.#known[index];
      if (byte - low.byte <= NEAR) break;
      low.time ??= await this.#timeAt(low.byte, signal);
      const high = await this.#after(index, signal);
      const end = Math.min(high.time ?? -Infinity, latest);
      if (low.time === null || end - low.time < 0.002) break;
      // By the rate between the two, and halving by turns, since missions are not steady.
      const share =
        probe % 2 ? 0.5 : Math.min(0.98, Math.max(0.02, (byte - NEAR / 2 - low.byte) / (high.byte - low.byte)));
      const time = low.time + (end - low.time) * share;
      const found = await this.#since(time, signal);
      if (found === null || found.byte >= high.byte) {
        latest = time;
        stuck += 1;
      } else if (found.byte <= low.byte) {
        break; // times that run backwards: a foreign file
      } else if (found.byte > byte) latest = Infinity;
    }
    return this.#known[this.#indexBefore(byte)].byte;
  }

  /** Where the first line at or after a time begins, or close before it. Null: after the last line. */
  async atTime(ms, { signal } = {}) {
    const page = await this.#client.read(this.#stream, { since: iso(ms), limit: 1, signal });
    if (page.lines.length === 0) return null;
    this.learn(page.next);
    const { start } = page.lines[0];
    try {
      await this.#client.head(this.#stream, { offset: this.token(start), signal });
      return start;
    } catch (error) {
      if (error.status !== 400) throw error;
      return this.near(start, { signal }); // empty lines came after it
    }
  }

  /** The bytes that a range of time lies between: those of its first line, and of the first one after it. */
  async between({ since, until }) {
    const [floor, ceiling] = await Promise.all([this.atTime(since), this.atTime(until + 0.001)]);
    return { floor: floor ?? Infinity, ceiling: ceiling ?? Infinity };
  }

  async #since(ms, signal) {
    const page = await this.#client.read(this.#stream, { since: iso(ms), limit: 1, signal });
    // The line's own start is sure only where no empty line follows it, `next` always is.
    return page.lines.length ? this.learn(page.next, timeOf(page.lines[0].event)) : null;
  }

  async #timeAt(byte, signal) {
    const page = await this.#client.read(this.#stream, { offset: this.token(byte), limit: 16, signal });
    for (const line of page.lines) {
      const time = timeOf(line.event);
      if (time !== null) return time;
    }
    return null;
  }

  /** The first known place after one, with a time; at last the stream's last line. */
  async #after(index, signal) {
    for (let at = index + 1; at < this.#known.length; at++) {
      if (this.#known[at].time !== null) return this.#known[at];
    }
    if (this.#last === null || this.#last.byte <= this.#known[index].byte) {
      const page = await this.#client.read(this.#stream, { tail: 1, signal });
      const line = page.lines.at(-1);
      this.#last = line ? { byte: line.start, time: timeOf(line.event) } : { byte: byteOf(page.next), time: null };
    }
    return this.#last;
  }

  #indexBefore(byte) {
    let low = 0;
    let high = this.#known.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#known[middle].byte <= byte) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
