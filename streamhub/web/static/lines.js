/** Lines of a stream, and the offsets between them. */

/** The token of an empty stream; it always means the beginning. */
export const ZERO = "00000000_0000000000000000";

const TOKEN = /^([0-9a-f]{8})_(\d{16})$/;
const STAND_IN = '{"event_type":"malformed","payload":{"offset":"';
const EVENTS_HEAD = /^\{"type":"events","stream":"([^"\\]*)","next":"([^"\\]*)","upToDate":(true|false),"events":\[/;

/** The byte that an offset token stands for. */
export function byteOf(token) {
  const match = TOKEN.exec(token);
  if (!match) throw new RangeError(`offset ${JSON.stringify(token)} is no token: use one that the server gave`);
  return Number(match[2]);
}

/** The generation of an offset token: two files with the same first line have the same one. */
export function generationOf(token) {
  const match = TOKEN.exec(token);
  if (!match) throw new RangeError(`offset ${JSON.stringify(token)} is no token: use one that the server gave`);
  return match[1];
}

/** The token of a byte that is known to be the start of a line. */
export function tokenAt(generation, byte) {
  return `${generation}_${String(byte).padStart(16, "0")}`;
}

/**
 * One line of a stream: its text, and where it stands.
 *
 * `start` and `end` are bytes. `exact` is false when they are estimates: of lines that a filter let through, or beside
 * empty lines, which are not delivered. `Client.locate` finds out.
 */
export class Line {
  #event;

  constructor(stream, generation, text, start, end, exact, origin) {
    this.stream = stream;
    this.generation = generation;
    this.text = text;
    this.start = start;
    this.end = end;
    this.exact = exact;
    this.origin = origin;
  }

  /** The event. Parsed when it is first asked for. */
  get event() {
    this.#event ??= JSON.parse(this.text);
    return this.#event;
  }

  /** The offset of the line, or null when it is not known exactly. */
  get offset() {
    return this.exact ? tokenAt(this.generation, this.start) : null;
  }
}

function utf8Length(text) {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) length += 1;
    else if (code < 0xd800 || code > 0xdbff) length += 2;
    else {
      length += 2; // a pair: four bytes for two units
      i += 1;
    }
  }
  return length;
}

/** What a malformed line's stand-in says of where it stands; null for any other line. */
export function toldOffset(line) {
  return line.text.startsWith(STAND_IN) ? line.event.payload.offset : null;
}

/** How many bytes of the file a delivered line stands for, its newline included. */
export function sizeInFile(text, isAscii) {
  if (text.startsWith(STAND_IN)) {
    const { bytes } = JSON.parse(text).payload;
    if (Number.isSafeInteger(bytes)) return bytes + 1;
  }
  return (isAscii ? text.length : utf8Length(text)) + 1;
}

/** Give lines their places between two offsets: exact when their sizes fill the space between, else estimates. */
export function placeLines(stream, texts, from, next, { filtered = false, isAscii = false, query = null } = {}) {
  const generation = generationOf(next);
  const stop = byteOf(next);
  const sizes = texts.map((text) => sizeInFile(text, isAscii));
  const sum = sizes.reduce((total, size) => total + size, 0);
  const begin = from === null ? stop - sum : byteOf(from);
  const exact = from !== null && !filtered && begin + sum === stop;
  const stretch = exact || sum === 0 ? 1 : (stop - begin) / sum;
  let place = begin;
  return texts.map((text, index) => {
    const start = Math.round(place);
    place += sizes[index] * stretch;
    return new Line(stream, generation, text, start, Math.round(place), exact, { from, query, index });
  });
}

/** Split the inside of a JSON array, from `at` on, into the texts of its elements. */
export function splitElements(text, at) {
  const elements = [];
  let depth = 0;
  let start = at;
  for (let i = at; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // a string: go to the quote that is not escaped
        for (i = text.indexOf('"', i + 1); i > 0 && isEscaped(text, i); i = text.indexOf('"', i + 1));
        if (i < 0) return null;
        break;
      case 0x7b:
      case 0x5b:
        depth += 1;
        break;
      case 0x7d:
        depth -= 1;
        break;
      case 0x5d:
        if (depth === 0) {
          if (i > start) elements.push(text.slice(start, i));
          return elements;
        }
        depth -= 1;
        break;
      case 0x2c:
        if (depth === 0) {
          elements.push(text.slice(start, i));
          start = i + 1;
        }
    }
  }
  return null;
}

function isEscaped(text, quote) {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

/** A frame of the multiplexed socket; of events each line's own text, so that its bytes can be counted. */
export function readFrame(data) {
  const head = EVENTS_HEAD.exec(data);
  const texts = head && splitElements(data, head[0].length);
  if (texts) return { type: "events", stream: head[1], next: head[2], upToDate: head[3] === "true", texts };
  const frame = JSON.parse(data);
  if (frame.type === "events") frame.texts = frame.events.map((event) => JSON.stringify(event));
  return frame;
}
