/** Consecutive rows in chunks: cheap to grow at either end and to give up at the other. */

/** So many rows are held at most, and so many characters of their text. */
export const MOST_ROWS = 3000;
const MOST_TEXT = 24_000_000;
/** Small chunks are put together up to this many rows. */
const FULL = 250;
/** Never fewer chunks than this, however heavy: what is in sight is among them. */
const LEAST = 3;

export class Chunks {
  #chunks = [];
  #rows = [];
  #weight = 0;

  /** The bytes that the rows stand for, from one start of a line to another. */
  start = 0;
  end = 0;

  /** All rows, first to last. */
  get rows() {
    this.#rows ??= this.#chunks.flatMap((chunk) => chunk.rows);
    return this.#rows;
  }

  /** Hold nothing, from a byte on. */
  begin(byte) {
    this.#chunks = [];
    this.#rows = [];
    this.#weight = 0;
    this.start = this.end = byte;
  }

  /** Put `{start, end, rows}` after what there is. */
  push(chunk) {
    const last = this.#chunks.at(-1);
    if (last && last.rows.length + chunk.rows.length <= FULL) {
      last.rows.push(...chunk.rows);
      last.end = chunk.end;
    } else this.#chunks.push(chunk);
    this.end = chunk.end;
    this.#weight += weightOf(chunk);
    if (this.#rows !== null) this.#rows.push(...chunk.rows);
  }

  /** Put a chunk before what there is. */
  unshift(chunk) {
    const first = this.#chunks[0];
    if (first && (chunk.rows.length === 0 || first.rows.length === 0)) {
      first.rows.unshift(...chunk.rows);
      first.start = chunk.start;
    } else this.#chunks.unshift(chunk);
    this.start = chunk.start;
    this.#weight += weightOf(chunk);
    this.#rows = null;
  }

  /** Give up the first rows, if there are too many. */
  trimFront() {
    while (this.#tooMany) {
      this.#weight -= weightOf(this.#chunks.shift());
      this.start = this.#chunks[0].start;
      this.#rows = null;
    }
  }

  /** Give up the last rows, if there are too many. */
  trimBack() {
    while (this.#tooMany) {
      this.#weight -= weightOf(this.#chunks.pop());
      this.end = this.#chunks.at(-1).end;
      this.#rows = null;
    }
  }

  get #tooMany() {
    return this.#chunks.length > LEAST && (this.rows.length > MOST_ROWS || this.#weight > MOST_TEXT);
  }
}

function weightOf(chunk) {
  return chunk.rows.reduce((sum, row) => sum + row.weight, 0);
}
