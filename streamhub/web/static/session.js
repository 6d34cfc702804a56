/**
 * One stream being watched: where the viewer looks, what is live, what is searched. No element in sight: views listen.
 *
 * Events: `window` (another window is looked through), `state` (connection, follow, new events, search), `summary`.
 */

import { Attempts } from "./attempts.js";
import { byteOf } from "./client.js";
import { span } from "./clock.js";
import { Counts } from "./counts.js";
import { REST, footerOf } from "./fate.js";
import { follow } from "./link.js";
import { Live } from "./live.js";
import { Places } from "./places.js";
import { Row } from "./row.js";
import { Search } from "./search.js";
import { StreamWindow } from "./window.js";

/** Farther behind than this, a follower jumps to the end instead of reading up to it. */
const JUMP = 2 * 1024 * 1024;

export class Session extends EventTarget {
  #client;
  #live;
  #asked = {};
  #begun = false;
  #places;
  #counts = null;
  #former = null; // the window before this one, until this one is read
  #reading = new Attempts({ refused: (error) => this.#refused(error), recovered: () => this.#recovered() });

  constructor(client, id, follower) {
    super();
    this.#client = client;
    this.id = id;
    this.following = true;
    /** Events that came since the view was frozen. */
    this.fresh = 0;
    this.lastRow = null;
    /** The `Search` that was asked for; null without one. */
    this.search = null;
    this.filter = { types: [], text: "" };
    this.range = null;
    this.#begin();
    this.window = this.#makeWindow();
    this.#live = new Live(follower, id);
    this.#listen();
  }

  /** The connection, and what became of the stream. */
  get live() {
    return this.#live;
  }

  /** Whether nothing more is to come. */
  get over() {
    return this.window.closed || ["ended", "replaced", "deleted"].includes(this.#live.fate);
  }

  get summary() {
    return this.#counts.summary;
  }

  /** When the mission began and was last heard of; null while that is not known. */
  get times() {
    return { first: this.summary?.firstTime ?? null, last: this.lastRow?.time ?? this.summary?.lastTime ?? null };
  }

  // --- beginning and ending ----------------------------------------------------------------------------------------

  /** Begin to watch: at an offset, or at the end. Gives the row at the offset; null when there is none. */
  async start({ offset = null, types = [], text = "" } = {}) {
    this.#asked = { offset, types, text };
    this.filter = { types, text };
    this.#open();
    try {
      const head = await this.#client.head(this.id);
      this.window.see(head.tail, head.closed);
      this.#begun = true;
      if (head.closed) this.#live.end("ended");
      else this.#live.follow(head.tail);
      const [row] = await Promise.all([this.#openFirst(offset, text), this.#lookAtLast()]);
      return row;
    } catch (error) {
      if ([400, 401, 403].includes(error.status)) this.#live.refused(error);
      else this.#reading.failed(error, () => this.start(this.#asked));
      return null;
    } finally {
      this.#counts.soon(0); // not before there are rows: a long stream takes the server a while
    }
  }

  /** Try again what the server refused, or did not answer. */
  retry() {
    if (this.#begun) this.#live.retry();
    else {
      this.#live.end(null, null);
      this.start(this.#asked);
    }
  }

  /** Read the stream anew, after its file was replaced. */
  reopen() {
    this.range = this.lastRow = null;
    this.fresh = 0;
    this.following = true;
    this.#begin();
    this.window = this.search = null;
    this.#live.fate = this.#live.trouble = null;
    return this.start(this.filter);
  }

  /** Watch no more. */
  close() {
    this.#counts.stop();
    this.#reading.stop();
    this.window.stop();
    this.#live.close();
  }

  async #openFirst(offset, text) {
    const link = offset === null ? null : await follow(this.#client, this.id, offset);
    if (link?.trouble) this.#live.trouble = link.trouble;
    else if (link) return this.#goTo(link.byte, { exact: true });
    if (text) await this.#runSearch();
    else {
      this.resume();
      await this.#reading.run(() => this.window.openEnd({ seen: true }));
    }
    return null;
  }

  // --- moving ------------------------------------------------------------------------------------------------------

  /** To the first row. */
  async goFirst() {
    if (this.#live.unreadable) return this.#heldFrom(() => true);
    return this.#goTo(this.window.floor);
  }

  /** To the last row, and stay there. */
  async goLast() {
    this.resume();
    const { window } = this;
    if ((window.atEnd && window.rows.length > 0) || this.#live.unreadable) return window.rows.at(-1) ?? null;
    return this.#reading.run(() => window.openEnd());
  }

  /** To a place, 0 to 1. */
  goToFraction(fraction) {
    return fraction >= 1 ? this.goLast() : this.#goTo(Math.floor(fraction * this.window.tail));
  }

  /** To a time. */
  async goToTime(ms) {
    if (this.#live.unreadable) return this.#heldFrom((row) => row.time >= ms);
    this.freeze();
    return this.#reading.run(async () => {
      const byte = await this.#places.atTime(ms);
      const row = await (byte === null ? this.window.openEnd() : this.window.openAt(byte));
      return this.window.rows.find((candidate) => candidate.time >= ms) ?? row;
    });
  }

  /** To a row that a filter let through, among all events around it. */
  async showInContext(row) {
    if (this.#live.unreadable && this.window.filtered) return this.#refuse();
    const offset = await this.#reading.run(() => row.locate(this.#client));
    if (offset === null) return null;
    this.filter = { types: [], text: "" };
    this.search = null;
    if (this.window.filtered) this.#open();
    return this.#goTo(byteOf(offset), { exact: true });
  }

  /** More rows at one end of the window. */
  async more(direction) {
    // What failed is tried again by itself, if that is any use; a search reads by itself, and broken off when it is asked to.
    if (this.#reading.pending || this.#reading.barred || this.#live.unreadable) return;
    if (this.window.opening || (direction > 0 && (this.search?.active || this.search?.cancelled))) return;
    await this.#reading.run(() => (direction > 0 ? this.window.forward() : this.window.backward()));
  }

  /** Keep the view where it is; what comes is counted. */
  freeze() {
    if (!this.following) return;
    this.following = false;
    this.fresh = 0;
    this.#say("state");
  }

  /** Move with the end again, from a view that already stands there. */
  resume() {
    this.following = true;
    this.fresh = 0;
    this.#say("state");
  }

  /** Where an offset stands, 0 to 1. */
  fractionAt(offset) {
    return this.window.tail ? Math.min(1, byteOf(offset) / this.window.tail) : 0;
  }

  /** When it is at a byte, as near as the summary tells; null when it does not. */
  timeAt(byte) {
    return this.summary?.buckets.findLast(({ offset }) => byteOf(offset) <= byte)?.time ?? null;
  }

  async #goTo(byte, { exact = false } = {}) {
    if (this.#live.unreadable) return this.#heldFrom((row) => row.start >= byte);
    this.freeze();
    return this.#reading.run(() => this.window.openAt(byte, { exact }));
  }

  /** The first row held for which something holds, or else the last. */
  #heldFrom(holds) {
    this.freeze();
    const rows = this.window.rows.filter((row) => !row.isNote);
    return rows.find(holds) ?? rows.at(-1) ?? null;
  }

  // --- filters, ranges and search ----------------------------------------------------------------------------------

  /** Show only some rows, near to where the view is (`at`, a byte). */
  async setFilter({ types = this.filter.types, text = this.filter.text }, at = null) {
    if (this.#live.unreadable) return this.#refuse();
    const searched = text !== "" && text !== this.filter.text;
    this.filter = { types, text };
    this.search = null;
    this.#open();
    if (searched) return this.#runSearch();
    return this.following || at === null ? this.goLast() : this.#goTo(at);
  }

  /** Show only a range of time (milliseconds), or all of it again (null). */
  async setRange(range) {
    if (this.#live.unreadable) return this.#refuse();
    const bytes = range && (await this.#reading.run(() => this.#places.between(range)));
    if (range && !bytes) return null; // the server is away, and says so
    this.range = range && { ...range, ...bytes, floor: Math.min(bytes.floor, this.window.tail) };
    if (range) this.following = false;
    this.search = null;
    this.#open();
    if (this.filter.text) return this.#runSearch();
    return this.range ? this.goFirst() : this.goLast();
  }

  /** The summary of a range of time. */
  summarise(range) {
    return this.#counts.ofRange(range);
  }

  /** The next row after another one that holds a text, whatever the filter is; null when there is none. */
  async findNext(text, row) {
    if (this.#live.unreadable) return this.#refuse();
    const search = new Search(this.#client, this.id, () => this.#say("state"));
    this.search = search;
    const line = await this.#reading.run(async () => {
      const after = row === null ? 0 : row.stream === this.id ? row.end : await this.#places.atTime(row.time);
      return after === null ? null : search.next(text, this.#places.token(after));
    });
    if (this.search === search) this.search = null;
    this.#say("state");
    return line && new Row(line);
  }

  /** Go on with a search that has enough for now. */
  async continueSearch() {
    if (this.#live.unreadable) return this.#refuse();
    return this.search && this.#goOnWith(this.search, { anew: false });
  }

  /** Break a search off; what it found stays. */
  cancelSearch() {
    this.window.stop();
    this.search?.cancel();
    this.#say("state");
  }

  #runSearch() {
    this.search = new Search(this.#client, this.id, () => this.#say("state"));
    return this.#goOnWith(this.search, { anew: true });
  }

  #goOnWith(search, { anew }) {
    this.following = false;
    this.fresh = 0;
    return this.#reading.run(() => search.run(this.window, { anew }));
  }

  // --- live --------------------------------------------------------------------------------------------------------

  #listen() {
    this.#live.addEventListener("open", ({ detail }) => this.#opened(detail));
    this.#live.addEventListener("batch", ({ detail }) => this.#arrived(detail));
    this.#live.addEventListener("fate", () => this.#ended());
    this.#live.addEventListener("change", () => this.#connectionChanged());
  }

  #opened({ tail, pause }) {
    const { window } = this;
    // Before it is known how far the stream went meanwhile: then the note stands where it stopped.
    if (pause !== null) window.note(`Connected again after ${span(pause)}, from where it stopped: nothing is missing`);
    window.see(tail);
    this.#counts.soon();
    this.#say("state");
  }

  #connectionChanged() {
    if (this.#live.state.name === "open") this.#reading.again();
    this.#say("state");
  }

  #arrived(batch) {
    const { window } = this;
    const from = Math.max(window.end, byteOf(batch.from));
    const fresh = window.append(batch, { following: this.following });
    if (fresh) this.search?.reached({ from, to: byteOf(batch.next), found: fresh.length });
    const last = batch.lines.at(-1);
    if (last) this.lastRow = new Row(last);
    if (fresh === null || (this.following && !window.atEnd)) this.#catchUp();
    if (!this.following && !this.range && fresh) this.fresh += fresh.length;
    this.#say("state");
    this.#counts.soon();
  }

  #catchUp() {
    const { window } = this;
    if (this.search?.active || window.opening) return;
    this.#reading.run(() => (window.tail - window.end > JUMP ? window.openEnd() : window.forward(Infinity)));
  }

  #ended() {
    const { window } = this;
    if (this.#live.fate === "ended") window.closed = true;
    if (!(window.atStart && window.atEnd)) this.#sayRest();
    this.#setFooter();
    this.#say("state");
    if (["replaced", "deleted"].includes(this.#live.fate)) this.#counts.stop();
    else this.#counts.soon();
  }

  #setFooter() {
    const { fate, trouble } = this.#live;
    this.window.footer = footerOf(fate, { trouble, reopen: () => this.reopen(), retry: () => this.retry() });
    this.window.dispatchEvent(new Event("change"));
  }

  async #lookAtLast() {
    const page = await this.#client.read(this.id, { tail: 1 });
    if (page.lines.length) this.lastRow = new Row(page.lines.at(-1));
    this.#say("state");
  }

  // --- plumbing ----------------------------------------------------------------------------------------------------

  /** What is known of the file: nothing yet. */
  #begin() {
    this.#counts?.stop();
    this.#places = new Places(this.#client, this.id);
    this.#counts = new Counts(this.#client, this.id, { places: this.#places, tail: () => this.window.tail });
    this.#counts.addEventListener("change", () => this.#say("summary"));
  }

  #makeWindow() {
    const window = new StreamWindow(this.#client, this.id, this.#places, { filter: this.filter, range: this.range });
    window.tail = this.window?.tail ?? 0;
    window.closed = this.window?.closed ?? false;
    return window;
  }

  /** Look through another window, of the filter and the range that hold now. */
  #open() {
    this.window?.stop();
    this.#reading.forget();
    if (this.window?.answered) this.#former = this.window;
    const window = (this.window = this.#makeWindow());
    window.addEventListener("progress", ({ detail }) => {
      if (this.window !== window) return;
      this.#former = null;
      this.search?.reached(detail);
      this.#say("state");
    });
    if (this.#live?.fate) this.#setFooter();
    this.#say("window");
  }

  /** To the window that was there before: this one cannot be read. */
  #lookBack() {
    const former = this.#former;
    if (former === null || this.window.answered) return;
    former.tail = this.window.tail;
    former.closed = this.window.closed;
    this.window = former;
    this.filter = { types: former.types, text: former.text };
    this.range = former.range;
    this.search = this.#former = null;
    this.#say("window");
  }

  /** What was asked for cannot be had: say why. */
  #refuse() {
    this.#sayRest();
    this.#say("state");
    return null;
  }

  #sayRest() {
    if (["replaced", "deleted"].includes(this.#live.fate)) this.#live.trouble = REST;
  }

  /** Something cannot be read: say why, and stand by what was there if it would be so the next time. */
  #refused(error) {
    if (this.#reading.barred) this.#lookBack();
    if (error.status === 404) this.#missing();
    else if (error.status === 410) this.#live.end("replaced");
    else if ([401, 403].includes(error.status)) this.#live.refused(error);
    else {
      this.#live.trouble = error.message;
      this.#say("state");
    }
  }

  #recovered() {
    if (this.#live.unreadable) return;
    this.#live.trouble = null;
    this.#say("state");
  }

  #missing() {
    if (this.window.tail > 0) return this.#live.deleted();
    this.#live.end("missing");
    if (!this.#live.followed) this.#live.follow();
  }

  #say(type) {
    this.dispatchEvent(new Event(type));
  }
}
