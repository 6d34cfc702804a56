/** Following where no WebSocket can be had: by asking again and again. */

import { ZERO } from "./lines.js";
import { matches } from "./query.js";

/** Requests at once: a browser has six connections to a server, and pages need some for other questions. */
const MOST = 3;
/** Milliseconds until a stream is read again that cannot be waited for, because there are too many. */
const PAUSE = 1500;
/** Between two looks for streams that match. */
const SCAN = 2000;
/** After a long-poll that brought nothing and took no time: a server that is about to go answers at once. */
const BREATH = 250;

/**
 * Stands in for the multiplexed socket, and brings the frames that `readFrame` makes of a socket's messages.
 *
 * As many streams as there may be requests are waited for by long-polls; more are read in turn.
 */
export class Polls {
  #client;
  #part;
  #tail;
  #match;
  #isKnown;
  #on;
  /** @type {Map<string, { id: string, place: string | null, opened: boolean, behind: boolean, listed?: string | null }>} */
  #streams = new Map();
  #abort = new AbortController();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  #requests = 0;
  /** @type {(() => void)[]} */
  #waiting = [];
  #heard = false;

  /**
   * @param {import("./client.js").Client} client
   * @param {{ streams: [string, string | null][], match: string[], isKnown: (id: string) => boolean, begun: boolean,
   *   tail?: number, eventTypes?: string[], contains?: string }} what `begun`: streams that match come from their
   *   beginning already, not with their last `tail` lines
   * @param {{ frame: (frame: object) => void, close: (why: { code: number, error?: any }) => void }} on
   */
  constructor(client, { streams, match, isKnown, begun, tail, ...part }, on) {
    this.#client = client;
    this.#part = part;
    this.#tail = tail;
    this.#match = match;
    this.#isKnown = isKnown;
    this.#on = on;
    for (const [id, place] of streams) this.#join(id, place);
    let place = begun ? ZERO : null;
    const look = async () => {
      await this.#lookForMore(place);
      place = ZERO;
      return SCAN;
    };
    if (match.length > 0) this.#keep(look);
  }

  /** Ask no more. */
  close() {
    this.#abort.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Whether each stream can be waited for; one request is kept for looking for more. */
  get #areFew() {
    return this.#streams.size <= (this.#match.length > 0 ? MOST - 1 : MOST);
  }

  #join(id, place) {
    const stream = { id, place, opened: false, behind: true };
    this.#streams.set(id, stream);
    this.#keep(() => this.#read(stream));
  }

  /** Do something again and again: it gives the milliseconds until then, or null when it is over. */
  async #keep(step) {
    try {
      let pause = await this.#inTurn(step);
      while (pause !== null) {
        await this.#sleep(pause);
        pause = await this.#inTurn(step);
      }
      if (this.#streams.size === 0 && this.#match.length === 0) this.#end(1000);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#end(1006, error);
    }
  }

  async #inTurn(step) {
    if (this.#requests < MOST) this.#requests += 1;
    else await new Promise((go) => this.#waiting.push(() => go(null)));
    try {
      return await step();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#requests -= 1;
    }
  }

  #sleep(pause) {
    return new Promise((done) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        done(null);
      }, pause);
      this.#timers.add(timer);
    });
  }

  async #read(stream) {
    if (!this.#areFew && stream.place !== null && stream.listed === stream.place) return PAUSE;
    const { signal } = this.#abort;
    try {
      stream.place ??= await this.#beginningOf(stream.id);
      const options = { ...this.#part, offset: stream.place, wait: stream.place === ZERO, signal };
      const isLive = this.#areFew && !stream.behind;
      const asked = Date.now();
      const page = await this.#client.read(stream.id, { ...options, live: isLive });
      this.#hear();
      const pause = await this.#take(stream, page);
      return pause === BREATH && Date.now() - asked > BREATH ? 0 : pause; // in a hidden page even a short one may last
    } catch (error) {
      if (error.status !== 404 && error.status !== 410) throw error;
      this.#streams.delete(stream.id);
      this.#say({ type: "reset", stream: stream.id, earliest: error.earliest });
      return null;
    }
  }

  /** Where the last lines begin that are asked for. */
  async #beginningOf(id) {
    if (this.#tail === undefined) return ZERO;
    const { signal } = this.#abort;
    const { lines, next } = await this.#client.read(id, { tail: this.#tail, limit: 1, wait: true, signal });
    return lines.length > 0 ? this.#client.locate(lines[0], { signal }) : next;
  }

  async #take(stream, { lines, next, upToDate, closed }) {
    const { id } = stream;
    const from = stream.place === "now" ? next : stream.place;
    stream.behind = !upToDate;
    if (!stream.opened && next !== ZERO) {
      const { tail } = upToDate ? { tail: next } : await this.#client.head(id, { signal: this.#abort.signal });
      this.#say({ type: "open", streams: [{ stream: id, offset: from, tail, closed }] });
      stream.opened = true;
    }
    stream.place = next;
    const texts = lines.map(({ text }) => text);
    if (from !== next) this.#say({ type: "events", stream: id, next, upToDate, texts });
    if (closed) {
      this.#streams.delete(id);
      this.#say({ type: "end", stream: id, next });
      return null;
    }
    if (!this.#areFew) return upToDate ? PAUSE : 0;
    return from === next ? BREATH : 0;
  }

  async #lookForMore(place) {
    const { signal } = this.#abort;
    const tails = new Map();
    let after = null;
    do {
      const page = await this.#client.streams({ limit: 1000, after, signal });
      for (const { id, tail } of page.streams) tails.set(id, tail);
      after = page.next;
    } while (after !== null);
    this.#hear();
    for (const id of tails.keys())
      if (!this.#streams.has(id) && !this.#isKnown(id) && matches(id, this.#match)) this.#join(id, place);
    for (const stream of this.#streams.values()) stream.listed = tails.get(stream.id) ?? null;
  }

  /** Every answer is a sign of life; the first one says that the way is open, even if no stream is there yet. */
  #hear() {
    this.#say(this.#heard ? { type: "heartbeat" } : { type: "open", streams: [] });
    this.#heard = true;
  }

  #say(frame) {
    if (!this.#abort.signal.aborted) this.#on.frame(frame);
  }

  #end(code, error) {
    this.close();
    this.#on.close({ code, error });
  }
}
