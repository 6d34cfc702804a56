/** What a stream's summary says, kept up while the stream grows. Event: `change`. */

import { StreamhubError } from "./client.js";
import { iso } from "./clock.js";
import { parseTime } from "./event.js";

const BUCKETS = 240;
/** A long stream takes the server a while the first time: it is asked the less often the longer it took. */
const PAUSE = { least: 2000, most: 60_000, factor: 10 };

export class Counts extends EventTarget {
  #client;
  #id;
  #places;
  #tail;
  #timer = 0;
  #due = 0;
  #asking = false;
  #pause = PAUSE.least;
  #stopped = false;

  /**
   * @param places the `Places` that learn the buckets' offsets, and know which file is meant
   * @param tail how far the stream is known to go, as a function
   */
  constructor(client, id, { places, tail }) {
    super();
    this.#client = client;
    this.#id = id;
    this.#places = places;
    this.#tail = tail;
    /** The summary, its times as milliseconds (`first`, `last`, each bucket's `time`); null until there is one. */
    this.summary = null;
  }

  /** Ask, in a while; what is to be asked sooner stays so. */
  soon(pause = this.#pause) {
    const due = performance.now() + pause;
    if (this.#stopped || this.#asking || (this.#timer && this.#due <= due)) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#ask(), pause);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The summary of a range of time (milliseconds). */
  async ofRange({ since, until }) {
    return this.#read(await this.#client.summary(this.#id, { buckets: BUCKETS, since: iso(since), until: iso(until) }));
  }

  async #ask() {
    const begun = performance.now();
    const tail = this.#tail();
    let refused = false;
    this.#asking = true;
    try {
      const summary = this.#read(await this.#client.summary(this.#id, { buckets: BUCKETS }));
      if (this.#stopped) return;
      this.summary = summary;
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      // a server without it, or none just now: counts and the timeline are left out until it answers
      refused = error.status >= 400 && error.status < 429;
    }
    this.#pause = Math.min(PAUSE.most, Math.max(PAUSE.least, PAUSE.factor * (performance.now() - begun)));
    this.#timer = 0;
    this.#asking = false;
    if (!refused && (this.#tail() > tail || this.summary === null)) this.soon();
  }

  #read(summary) {
    if (!this.#places.includes(summary.tail))
      throw new StreamhubError("these are the sums of another file", { status: 410 });
    for (const bucket of summary.buckets) {
      bucket.time = parseTime(bucket.from);
      this.#places.learn(bucket.offset); // its first line may be later than the bucket begins
    }
    const time = (text) => (text === null ? null : parseTime(text));
    return { ...summary, firstTime: time(summary.first), lastTime: time(summary.last) };
  }
}
