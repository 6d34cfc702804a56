/**
 * A window onto a stream: some thousands of consecutive rows of what may be millions, read by offset as one moves.
 *
 * It is a run of chunks without a hole between `start` and `end` (bytes, each the start of a line). It grows at either
 * end and is trimmed at the other, so that what it holds is bounded whatever the stream's length. A filter leaves rows
 * out, never bytes.
 */

import { MOST_ROWS, Chunks } from "./chunks.js";
import { StreamhubError, byteOf } from "./client.js";
import { timeOf } from "./event.js";
import { Note, Row } from "./row.js";

/** Lines asked for at a time. */
const PAGE = 500;
/** A step backwards, in bytes: it widens while a filter leaves nothing. */
const STEP = { first: 64 * 1024, most: 16 * 1024 * 1024 };
/** So little is filtered here: the server would search far past it. */
const REST = 1024 * 1024;

export class StreamWindow extends EventTarget {
  #client;
  #places;
  #held = new Chunks();
  #job = new AbortController();
  #forwarding = null;
  #backwarding = null;
  #opening = 0;
  #former = null; // what was held, until something is read elsewhere

  /**
   * @param filter `{types, text}`: which lines become rows
   * @param range `{floor, ceiling, until}`: bytes that the window keeps between, and the last time in it (milliseconds)
   */
  constructor(client, id, places, { filter = {}, range = null } = {}) {
    super();
    this.#client = client;
    this.#places = places;
    this.id = id;
    this.types = filter.types ?? [];
    this.text = filter.text ?? "";
    this.range = range;
    /** Whether anything of it was read yet. */
    this.answered = false;
    this.floor = range?.floor ?? 0;
    this.ceiling = range?.ceiling ?? Infinity;
    this.until = range ? new Date(Math.ceil(range.until)).toISOString() : undefined;
    this.tail = 0;
    this.closed = false;
    /** A `Note` that stands after the last row of the stream. */
    this.footer = null;
  }

  /** Whether some lines are left out. */
  get filtered() {
    return this.types.length > 0 || this.text !== "";
  }

  get atStart() {
    return this.start <= this.floor;
  }

  get atEnd() {
    return this.end >= this.bound;
  }

  /** The byte that it can be read up to. */
  get bound() {
    return Math.min(this.tail, this.ceiling);
  }

  /** The rows, first to last. The array is the window's own: look, do not touch. */
  get rows() {
    return this.#held.rows;
  }

  /** The bytes that it holds, from one start of a line to another. */
  get start() {
    return this.#held.start;
  }

  get end() {
    return this.#held.end;
  }

  /** How far down the stream a row stands, 0 to 1. */
  fractionOf(row) {
    return this.tail ? Math.min(1, row.start / this.tail) : 0;
  }

  /** Whether it is on its way to another place: it holds next to nothing, but that is no place to read on from. */
  get opening() {
    return this.#opening > 0;
  }

  /** Begin again around a byte, which need not be the start of a line; gives the first row from there on. */
  openAt(byte, options) {
    return this.#arriving(this.#openAt(byte, options));
  }

  /** Begin again at the end. `seen`: how far the stream goes was asked for just now. */
  openEnd(options) {
    return this.#arriving(this.#openEnd(options));
  }

  async #arriving(opened) {
    this.#opening += 1;
    try {
      return await opened;
    } catch (error) {
      if (error.name !== "AbortError") this.#goBack(); // or another opening has begun
      throw error;
    } finally {
      this.#opening -= 1;
      this.#changed();
    }
  }

  async #openAt(byte, { exact = false, before = 80 } = {}) {
    const signal = this.#restart();
    const target = Math.min(Math.max(byte, this.floor), this.ceiling);
    const place = exact ? target : Math.max(this.floor, await this.#places.near(target, { signal }));
    this.#beginAt(place);
    while (!this.atEnd && (this.end <= target || this.#countFrom(target) < 150)) {
      if (!(await this.#readForward(signal))) break;
      if (this.filtered && this.end > target && this.rows.length > 0) break;
    }
    const index = this.rows.findIndex((row) => row.start >= target);
    if ((index < 0 ? this.rows.length : index) < before) await this.backward(before);
    return this.rows.find((row) => row.start >= target) ?? this.rows.at(-1) ?? null;
  }

  async #openEnd({ seen = false } = {}) {
    const signal = this.#restart();
    if (this.ceiling === Infinity && !seen) {
      const { tail, closed } = await this.#client.head(this.id, { signal });
      if (!this.#places.includes(tail)) throw new StreamhubError("the file was replaced", { status: 410 });
      this.see(tail, closed);
    }
    const end = this.bound;
    const short = end <= STEP.first && this.floor === 0;
    this.#beginAt(short ? 0 : end);
    if (short || this.filtered || this.ceiling !== Infinity) {
      if (short) await this.forward(Infinity);
      else await this.backward(150);
    } else {
      // Two questions, but no guess: where the last lines begin is then an offset that the server gave.
      const probe = await this.#client.read(this.id, { tail: PAGE / 2 + 1, limit: 1, signal });
      this.#places.learn(probe.next);
      this.#beginAt(byteOf(probe.next));
      await this.forward(Infinity);
    }
    return this.rows.at(-1) ?? null;
  }

  /** Grow at the end by some rows, or up to the end. */
  forward(want = PAGE) {
    this.#forwarding ??= this.#goForward(want, this.#job.signal).finally(() => (this.#forwarding = null));
    return this.#forwarding;
  }

  /** Grow at the start by some rows, or up to the start. */
  backward(want = PAGE / 2) {
    this.#backwarding ??= this.#goBackward(want, this.#job.signal).finally(() => (this.#backwarding = null));
    return this.#backwarding;
  }

  /** Break off what is being read. */
  stop() {
    this.#job.abort();
    this.#job = new AbortController();
  }

  /** Learn how far the stream goes. */
  see(token, closed = this.closed) {
    this.tail = Math.max(this.tail, byteOf(token));
    this.closed = closed;
    this.#places.learn(token);
  }

  /**
   * Take a live batch. Gives its new rows, also those that are not kept because the window is elsewhere, or full and
   * not `following`; or null when the window ends within the batch and has to be read on.
   */
  append({ lines, from, next }, { following }) {
    const [begin, stop] = [byteOf(from), byteOf(next)];
    const wasAtEnd = this.end === begin || (this.end === this.tail && this.end > begin);
    this.see(next);
    if (stop <= this.end) return [];
    const fresh = lines.filter((line) => line.start >= this.end || !line.exact).filter((line) => this.#wants(line));
    if (!wasAtEnd || this.ceiling !== Infinity || (!following && this.rows.length >= MOST_ROWS)) return fresh;
    if (begin < this.end && lines.some((line) => !line.exact)) return null;
    this.#held.push({ start: this.end, end: stop, rows: fresh.map((line) => new Row(line)) });
    if (following) this.#held.trimFront();
    this.#arrived();
    return fresh;
  }

  /** Put a note after the last row, if the window stands at the end. */
  note(text, options) {
    if (!this.atEnd && this.tail > 0) return;
    this.#held.push({ start: this.end, end: this.end, rows: [new Note(text, { ...options, at: this.end })] });
    this.#changed();
  }

  async #goForward(want, signal) {
    let got = 0;
    while (got < want && !this.atEnd) {
      const added = await this.#readForward(signal);
      if (added === false) break;
      got += added;
    }
  }

  /** One answer more at the end; gives how many rows it brought, or false when there is nothing more to be had now. */
  async #readForward(signal) {
    const begin = this.end;
    const page = await this.#read(begin, signal);
    signal.throwIfAborted();
    if (this.end !== begin) return 0; // live events came meanwhile
    const stop = Math.min(byteOf(page.next), this.ceiling);
    if (page.upToDate) this.see(page.next, page.closed);
    else this.tail = Math.max(this.tail, stop);
    if (stop <= begin) return false;
    const rows = page.lines.filter((line) => line.start < this.ceiling).map((line) => new Row(line));
    this.#held.push({ start: begin, end: stop, rows });
    this.#held.trimFront();
    this.#arrived();
    this.#progress(begin, stop, rows.length);
    return rows.length;
  }

  async #goBackward(want, signal) {
    let got = 0;
    let step = STEP.first;
    while (got < want && !this.atStart) {
      const stop = this.start;
      const from = Math.max(this.floor, await this.#places.near(Math.max(this.floor, stop - step), { signal }));
      const chunk = await this.#chunkBetween(from, stop, signal);
      signal.throwIfAborted();
      if (this.start !== stop) return;
      this.#held.unshift(chunk);
      this.#held.trimBack();
      this.#arrived();
      this.#progress(chunk.start, stop, chunk.rows.length);
      got += chunk.rows.length;
      if (chunk.rows.length < want) step = Math.min(STEP.most, step * 4);
    }
  }

  /** The rows from one start of a line to another; no more than a window holds, those next to the latter. */
  async #chunkBetween(from, stop, signal) {
    let start = from;
    let rows = [];
    for (let at = from; at < stop;) {
      if (this.filtered && stop - at <= REST) {
        rows.push(...(await this.#plainLines(at, stop, signal)).map((line) => new Row(line)));
        break;
      }
      const page = await this.#read(at, signal, 4 * PAGE);
      const next = byteOf(page.next);
      if (next <= at) throw new StreamhubError("the stream was cut while it was read", { status: 410 });
      const lines =
        next <= stop ? page.lines : this.filtered ? await this.#plainLines(at, stop, signal) : before(page.lines, stop);
      rows.push(...lines.map((line) => new Row(line)));
      if (rows.length > MOST_ROWS && rows.at(-PAGE).exact) {
        rows = rows.slice(-PAGE); // no start of a line was to be found near
        start = rows[0].start;
      }
      at = next;
    }
    return { start, end: stop, rows };
  }

  /** A filtered answer does not say which of its lines stand before a byte; all lines do. */
  async #plainLines(from, stop, signal) {
    const wanted = [];
    for (let at = from; at < stop;) {
      const page = await this.#client.read(this.id, { offset: this.#places.token(at), signal });
      if (byteOf(page.next) <= at) break;
      wanted.push(...before(page.lines, stop).filter((line) => this.#wants(line)));
      at = byteOf(page.next);
    }
    return wanted;
  }

  async #read(byte, signal, limit = PAGE) {
    const page = await this.#client.read(this.id, {
      offset: this.#places.token(byte),
      limit,
      eventTypes: this.types,
      contains: this.text,
      until: this.filtered ? this.until : undefined,
      signal,
    });
    const first = page.lines[0];
    this.#places.learn(page.next);
    if (first && !this.filtered) this.#places.learn(this.#places.token(byte), timeOf(first.event));
    return page;
  }

  #wants(line) {
    if (this.text && !lower(line.text).includes(lower(this.text))) return false;
    return this.types.length === 0 || this.types.includes(line.event.event_type);
  }

  #countFrom(byte) {
    const index = this.rows.findIndex((row) => row.start >= byte);
    return index < 0 ? 0 : this.rows.length - index;
  }

  #restart() {
    this.stop();
    this.#forwarding = this.#backwarding = null;
    return this.#job.signal;
  }

  /** Hold nothing, from a byte on; what was held comes back if nothing can be read there. */
  #beginAt(byte) {
    if (this.rows.length > 0) this.#former = this.#held;
    this.#held = new Chunks();
    this.#held.begin(byte);
  }

  #goBack() {
    this.#held = this.#former ?? this.#held;
    this.#former = null;
  }

  #arrived() {
    this.answered = true;
    this.#former = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** So many rows were read between two bytes. */
  #progress(from, to, found) {
    this.dispatchEvent(new CustomEvent("progress", { detail: { from, to, found } }));
  }
}

function before(lines, byte) {
  return lines.filter((line) => line.start < byte);
}

/** As the server compares: ASCII case ignored, nothing else. */
function lower(text) {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
