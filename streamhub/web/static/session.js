/**
 * One stream being watched: where the viewer looks, what is live, what is searched. No element in sight: views listen.
 *
 * Events: `window` (another window is looked through), `state` (connection, follow, new events, search), `summary`.
 */

import { Attempts } from "./attempts.js";
import { byteOf } from "./client.js";
import { span } from "./clock.js";
import { Counts } from "./counts.js";
import { footerOf } from "./fate.js";
import { Places } from "./places.js";
import { Row } from "./row.js";
import { Search } from "./search.js";
import { StreamWindow } from "./window.js";

/** Farther behind than this, a follower jumps to the end instead of reading up to it. */
const JUMP = 2 * 1024 * 1024;
/** A shorter outage is not worth a row. */
const OUTAGE = 500;

export class Session extends EventTarget {
  #client;
  #follower;
  #listening = new AbortController();
  #places;
  #counts = null;
  #outage = null;
  #caughtUp = 1;
  #reading = new Attempts({ refused: (error) => this.#refused(error), recovered: () => this.#recovered() });

  constructor(client, id, follower) {
    super();
    this.#client = client;
    this.#follower = follower;
    this.id = id;
    this.following = true;
    /** Events that came since the view was frozen. */
    this.fresh = 0;
    /** `missing`, `ended`, `replaced`, `deleted` or `refused`; null while there is more to come. */
    this.fate = null;
    /** What went wrong last, in words; null once it is right again. */
    this.trouble = null;
    this.lastRow = null;
    /** The `Search` that was asked for; null without one. */
    this.search = null;
    this.filter = { types: [], text: "" };
    this.range = null;
    this.#begin();
    this.window = this.#makeWindow();
    this.#listen();
  }

  /** `live`, `catching-up`, `connecting`, `reconnecting`, or what became of the stream. */
  get connection() {
    if (this.fate && this.fate !== "missing") return this.fate;
    const { name } = this.#follower.state;
    if (name === "waiting") return "reconnecting";
    if (this.fate) return this.fate;
    if (name === "failed") return "refused";
    if (name !== "open") return "connecting";
    return this.#caughtUp < 1 ? "catching-up" : "live";
  }

  /** How far the live socket has caught up, 0 to 1. */
  get caughtUp() {
    return this.#caughtUp;
  }

  get follower() {
    return this.#follower;
  }

  get summary() {
    return this.#counts.summary;
  }

  /** When the mission began and was last heard of; null while that is not known. */
  get times() {
    return { first: this.summary?.firstTime ?? null, last: this.lastRow?.time ?? this.summary?.lastTime ?? null };
  }

  // --- beginning and ending ----------------------------------------------------------------------------------------

  /** Begin to watch: at an offset, or at the end. Gives the row at the offset. */
  async start({ offset = null, types = [], text = "" } = {}) {
    this.filter = { types, text };
    this.#open();
    try {
      const head = await this.#client.head(this.id);
      this.window.see(head.tail, head.closed);
      if (head.closed) this.#end("ended");
      else this.#follower.add(this.id, head.tail);
      const [row] = await Promise.all([this.#openFirst(offset, text), this.#lookAtLast()]);
      return row;
    } catch (error) {
      if ([400, 401, 403].includes(error.status)) this.#end("refused", error.message);
      else this.#reading.failed(error, () => this.start({ offset, types, text }));
      return null;
    } finally {
      this.#counts.soon(0);
    }
  }

  async #openFirst(offset, text) {
    const link = offset === null ? null : await this.#check(offset);
    if (link) return this.#goTo(link.byte, { exact: true });
    return text ? this.#runSearch() : this.goLast();
  }

  /** Read the stream anew, after its file was replaced. */
  reopen() {
    this.fate = this.range = this.lastRow = null;
    this.fresh = 0;
    this.following = true;
    this.#begin();
    this.window = null;
    return this.start(this.filter);
  }

  /** Watch no more. */
  close() {
    this.#listening.abort();
    this.#counts.stop();
    this.#reading.stop();
    this.window.stop();
    this.#follower.remove(this.id);
  }

  // --- moving ------------------------------------------------------------------------------------------------------

  /** To the first row. */
  goFirst() {
    return this.#goTo(this.window.floor);
  }

  /** To the last row, and stay there. */
  async goLast() {
    this.following = true;
    this.fresh = 0;
    this.#say("state");
    const { window } = this;
    if (window.atEnd && window.rows.length > 0) return window.rows.at(-1);
    return this.#reading.run(() => window.openEnd());
  }

  /** To a place, 0 to 1. */
  goToFraction(fraction) {
    return fraction >= 1 ? this.goLast() : this.#goTo(Math.floor(fraction * this.window.tail));
  }

  /** To a time. */
  async goToTime(ms) {
    this.freeze();
    return this.#reading.run(async () => {
      const byte = await this.#places.atTime(ms);
      const row = await (byte === null ? this.window.openEnd() : this.window.openAt(byte));
      return this.window.rows.find((candidate) => candidate.time >= ms) ?? row;
    });
  }

  /** To a row that a filter let through, among all events around it. */
  async showInContext(row) {
    const offset = await row.locate(this.#client);
    this.filter = { types: [], text: "" };
    this.search = null;
    if (this.window.filtered) this.#open();
    return this.#goTo(byteOf(offset), { exact: true });
  }

  /** More rows at one end of the window. */
  async more(direction) {
    // What failed is tried again by itself; what was broken off goes on when it is asked for.
    if (this.#reading.pending || (direction > 0 && this.search?.cancelled)) return;
    await this.#reading.run(() => (direction > 0 ? this.window.forward() : this.window.backward()));
    if (this.search?.paused && this.window.atEnd) this.search.finish();
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

  #goTo(byte, { exact = false } = {}) {
    this.freeze();
    return this.#reading.run(() => this.window.openAt(byte, { exact }));
  }

  // --- filters, ranges and search ----------------------------------------------------------------------------------

  /** Show only some rows, near to where the view is (`at`, a byte). */
  async setFilter({ types = this.filter.types, text = this.filter.text }, at = null) {
    const searched = text !== "" && text !== this.filter.text;
    this.filter = { types, text };
    this.search = null;
    this.#open();
    if (searched) return this.#runSearch();
    return this.following || at === null ? this.goLast() : this.#goTo(at);
  }

  /** Show only a range of time (milliseconds), or all of it again (null). */
  async setRange(range) {
    this.range = range && { ...range, ...(await this.#bytesOf(range)) };
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
  continueSearch() {
    return this.#runSearch({ anew: false });
  }

  /** Break a search off; what it found stays. */
  cancelSearch() {
    this.window.stop();
    this.search?.cancel();
    this.#say("state");
  }

  async #runSearch({ anew = true } = {}) {
    this.following = false;
    this.fresh = 0;
    const search = new Search(this.#client, this.id, () => this.#say("state"));
    this.search = search;
    this.#say("state");
    return this.#reading.run(() => search.run(this.window, { anew }));
  }

  async #bytesOf({ since, until }) {
    const find = (ms) => this.#reading.run(() => this.#places.atTime(ms));
    const [floor, ceiling] = await Promise.all([find(since), find(until + 0.001)]);
    const untilText = new Date(Math.ceil(until)).toISOString();
    return { floor: floor ?? this.window.tail, ceiling: ceiling ?? Infinity, untilText };
  }

  // --- live --------------------------------------------------------------------------------------------------------

  #listen() {
    const on = (type, handle) => this.#follower.addEventListener(type, handle, { signal: this.#listening.signal });
    const mine = (handle) => (event) => event.detail.stream === this.id && handle(event.detail);
    on(
      "open",
      mine((detail) => this.#opened(detail)),
    );
    on(
      "events",
      mine((detail) => this.#arrived(detail)),
    );
    on(
      "end",
      mine(() => this.#end("ended")),
    );
    on(
      "reset",
      mine(({ earliest }) => this.#end(earliest === null ? "deleted" : "replaced")),
    );
    on(
      "missing",
      mine(() => this.#end("missing")),
    );
    on("failed", ({ detail }) => this.#end("refused", detail.error.message));
    on("state", () => this.#connectionChanged());
  }

  #opened({ offset, tail }) {
    if (this.fate === "missing") this.#end(null);
    this.#tellOutage(); // before it is known how far the stream went meanwhile: then the note stands where it stopped
    this.window.see(tail);
    this.#caughtUp = offset === tail ? 1 : byteOf(offset) / byteOf(tail);
    this.#say("state");
  }

  #tellOutage() {
    if (this.#outage === null) return;
    const pause = Date.now() - this.#outage;
    this.#outage = this.trouble = null;
    if (pause < OUTAGE) return;
    this.window.note(`Connected again after ${span(pause)}, from where it stopped: nothing is missing`);
  }

  #arrived(batch) {
    const { window } = this;
    const fresh = window.append(batch, { following: this.following });
    const last = batch.lines.at(-1);
    if (last) this.lastRow = new Row(last);
    this.#caughtUp = batch.upToDate ? 1 : byteOf(batch.next) / Math.max(window.tail, byteOf(batch.next));
    if (fresh === null || (this.following && !window.atEnd)) this.#catchUp();
    if (!this.following && !this.range && fresh) this.fresh += fresh.length;
    this.#say("state");
    this.#counts.soon();
  }

  #catchUp() {
    const { window } = this;
    if (this.search?.active) return;
    this.#reading.run(() => (window.tail - window.end > JUMP ? window.openEnd() : window.forward(Infinity)));
  }

  #connectionChanged() {
    const { name, since } = this.#follower.state;
    if (name === "waiting") this.#outage ??= since;
    if (name === "open") this.#reading.again();
    this.#say("state");
  }

  #end(fate, trouble = this.trouble) {
    this.fate = fate;
    this.trouble = trouble;
    if (fate === "ended") this.window.closed = true;
    this.#setFooter();
    this.#say("state");
    this.#counts.soon();
  }

  #setFooter() {
    this.window.footer = footerOf(this.fate, { trouble: this.trouble, reopen: () => this.reopen() });
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
    const range = this.range && { floor: this.range.floor, ceiling: this.range.ceiling, until: this.range.untilText };
    const window = new StreamWindow(this.#client, this.id, this.#places, { filter: this.filter, range });
    window.tail = this.window?.tail ?? 0;
    window.closed = this.window?.closed ?? false;
    return window;
  }

  /** Look through another window, of the filter and the range that hold now. */
  #open() {
    this.window?.stop();
    this.#reading.forget();
    const window = (this.window = this.#makeWindow());
    window.addEventListener("progress", ({ detail }) => {
      if (this.window !== window) return;
      this.search?.reached(detail.byte);
      this.#say("state");
    });
    if (this.fate) this.#setFooter();
    this.#say("window");
  }

  /** What a link to an event is good for: its byte, or null when it leads nowhere. */
  async #check(offset) {
    try {
      const byte = byteOf(offset);
      await this.#client.head(this.id, { offset });
      return { byte };
    } catch (error) {
      if (error.status === 0) throw error;
      this.trouble =
        error.status === 410
          ? "the link is to a file that has since been cut or replaced"
          : `the link leads nowhere: ${error.message}`;
      return null;
    }
  }

  /** What no further attempt will mend. */
  #refused(error) {
    if (error.status === 404) this.#missing();
    else if (error.status === 410) this.#end("replaced");
    else {
      this.trouble = error.message;
      this.#say("state");
    }
  }

  #recovered() {
    if (this.fate === "refused") return;
    this.trouble = null;
    this.#say("state");
  }

  #missing() {
    this.#end(this.window.tail > 0 ? "deleted" : "missing");
    if (this.fate === "missing" && !this.#follower.places.has(this.id)) this.#follower.add(this.id);
  }

  #say(type) {
    this.dispatchEvent(new Event(type));
  }
}
