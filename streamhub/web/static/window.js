/**
 * A window onto a stream: some thousands of consecutive rows of what may be millions, read by offset as one moves.
 *
 * It is a run of chunks without a hole between `start` and `end` (bytes, each the start of a line). It grows at either
 * end and is trimmed at the other, so that what it holds is bounded whatever the stream's length. A filter leaves rows
 * out, never bytes.
 */

import { StreamhubError, byteOf } from "./client.js";
import { timeOf } from "./event.js";
import { Note, Row } from "./row.js";

/** Lines asked for at a time. */
const PAGE = 500;
const CHUNK = 250;
const MOST_ROWS = 3000;
const MOST_TEXT = 24_000_000;
/** A step backwards, in bytes: it widens while a filter leaves nothing. */
const STEP = { first: 64 * 1024, most: 16 * 1024 * 1024 };
/** So little is filtered here: the server would search far past it. */
const REST = 1024 * 1024;

export class StreamWindow extends EventTarget {
  #client;
  #places;
  #chunks = [];
  #rows = null;
  #job = new AbortController();
  #forwarding = null;
  #backwarding = null;

  /**
   * @param filter `{types, text}`: which lines become rows
   * @param range `{floor, ceiling, until}`: bytes that the window keeps between, and the time (ISO 8601) of the ceiling
   */
  constructor(client, id, places, { filter = {}, range = null } = {}) {
    super();
    this.#client = client;
    this.#places = places;
    this.id = id;
    this.types = filter.types ?? [];
    this.text = filter.text ?? "";
    this.floor = range?.floor ?? 0;
    this.ceiling = range?.ceiling ?? Infinity;
    this.until = range?.until;
    this.start = this.end = 0;
    this.tail = 0;
    this.closed = false;
  }

  /** Whether some lines are left out. */
  get filtered() {
    return this.types.length > 0 || this.text !== "";
  }

  get atStart() {
    return this.start <= this.floor;
  }

  get atEnd() {
    return this.end >= Math.min(this.tail, this.ceiling);
  }

  /** The rows, first to last. The array is the window's own: look, do not touch. */
  get rows() {
    this.#rows ??= this.#chunks.flatMap((chunk) => chunk.rows);
    return this.#rows;
  }

  /** How far down the stream a row stands, 0 to 1. */
  fractionOf(row) {
    return this.tail ? Math.min(1, row.start / this.tail) : 0;
  }

  /** Begin again around a byte, which need not be the start of a line; gives the first row from there on. */
  async openAt(byte, { exact = false, before = 80 } = {}) {
    const signal = this.#restart();
    const target = Math.min(Math.max(byte, this.floor), this.ceiling);
    const place = exact ? target : Math.max(this.floor, await this.#places.near(target, { signal }));
    this.#begin(place);
    while (!this.atEnd && (this.end <= target || this.#countFrom(target) < 150)) {
      if (!(await this.#readForward(signal))) break;
      if (this.filtered && this.end > target && this.rows.length > 0) break;
    }
    const index = this.rows.findIndex((row) => row.start >= target);
    if ((index < 0 ? this.rows.length : index) < before) await this.backward(before);
    this.#changed();
    return this.rows.find((row) => row.start >= target) ?? this.rows.at(-1) ?? null;
  }

  /** Begin again at the end. */
  async openEnd() {
    const signal = this.#restart();
    let end = this.ceiling;
    if (end === Infinity) {
      const { tail, closed } = await this.#client.head(this.id, { signal });
      this.see(tail, closed);
      end = this.tail;
    }
    const short = end <= STEP.first && this.floor === 0;
    this.#begin(short ? 0 : end);
    if (short || this.filtered || this.ceiling !== Infinity) {
      if (short) await this.forward(Infinity);
      else await this.backward(150);
    } else {
      // Two questions, but no guess: where the last lines begin is then an offset that the server gave.
      const probe = await this.#client.read(this.id, { tail: PAGE / 2 + 1, limit: 1, signal });
      this.#places.learn(probe.next);
      this.#begin(byteOf(probe.next));
      await this.forward(Infinity);
    }
    this.#changed();
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
    this.#push({ start: this.end, end: stop, rows: fresh.map((line) => new Row(line)) });
    if (following) this.#trimFront();
    this.#changed();
    return fresh;
  }

  /** Put a note after the last row, if the window stands at the end. */
  note(text, options) {
    if (!this.atEnd && this.tail > 0) return;
    const note = new Note(text, options);
    note.start = note.end = this.end;
    this.#push({ start: this.end, end: this.end, rows: [note] });
    this.#changed();
  }

  /** Take a note away again. */
  erase(note) {
    for (const chunk of this.#chunks) chunk.rows = chunk.rows.filter((row) => row !== note);
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
    this.#push({ start: begin, end: stop, rows });
    this.#trimFront();
    this.#changed();
    this.#progress(stop, 1);
    return rows.length;
  }

  async #goBackward(want, signal) {
    let got = 0;
    let step = STEP.first;
    while (got < want && !this.atStart) {
      const stop = this.start;
      const from = Math.max(this.floor, await this.#places.near(Math.max(this.floor, stop - step), { signal }));
      const rows = await this.#rowsBetween(from, stop, signal);
      signal.throwIfAborted();
      if (this.start !== stop) return;
      this.#unshift(rows.cut ?? { start: from, end: stop, rows });
      this.#trimBack();
      this.#changed();
      this.#progress(this.start, -1);
      got += rows.length;
      if (rows.length < want) step = Math.min(STEP.most, step * 4);
    }
  }

  /** The rows from one start of a line to another. */
  async #rowsBetween(from, stop, signal) {
    let rows = [];
    let cut = null;
    for (let at = from; at < stop; ) {
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
      if (rows.length > MOST_ROWS && rows[rows.length - CHUNK].exact) {
        rows = rows.slice(-CHUNK); // no place near was to be found: keep what is next to the window
        cut = rows[0].start;
      }
      at = next;
    }
    if (cut !== null) rows.cut = { start: cut, end: stop, rows };
    return rows;
  }

  /** A filtered answer does not say which of its lines stand before a byte; all lines do. */
  async #plainLines(from, stop, signal) {
    const wanted = [];
    for (let at = from; at < stop; ) {
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

  #begin(byte) {
    this.#chunks = [];
    this.#rows = null;
    this.start = this.end = byte;
  }

  #push(chunk) {
    const last = this.#chunks.at(-1);
    if (last && last.rows.length + chunk.rows.length <= CHUNK) {
      last.rows.push(...chunk.rows);
      last.end = chunk.end;
    } else this.#chunks.push(chunk);
    this.end = chunk.end;
    if (this.#rows) this.#rows.push(...chunk.rows);
  }

  #unshift(chunk) {
    const first = this.#chunks[0];
    if (first && (chunk.rows.length === 0 || first.rows.length === 0)) {
      first.rows.unshift(...chunk.rows);
      first.start = chunk.start;
    } else this.#chunks.unshift(chunk);
    this.start = chunk.start;
    this.#rows = null;
  }

  get #isFull() {
    const rows = this.rows;
    return rows.length > MOST_ROWS || rows.reduce((sum, row) => sum + row.weight, 0) > MOST_TEXT;
  }

  #trimFront() {
    while (this.#chunks.length > 3 && this.#isFull) {
      this.#chunks.shift();
      this.start = this.#chunks[0].start;
      this.#rows = null;
    }
  }

  #trimBack() {
    while (this.#chunks.length > 3 && this.#isFull) {
      this.#chunks.pop();
      this.end = this.#chunks.at(-1).end;
      this.#rows = null;
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #progress(byte, direction) {
    this.dispatchEvent(new CustomEvent("progress", { detail: { byte, direction } }));
  }
}

function before(lines, byte) {
  return lines.filter((line) => line.start < byte);
}

/** As the server compares: ASCII case ignored, nothing else. */
function lower(text) {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
