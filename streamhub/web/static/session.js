/**
 * One stream being watched: where the viewer looks, what is live, what is searched. No element in sight: views listen.
 *
 * Events: `window` (another window is looked through), `state` (connection, follow, new events, search), `summary`.
 */

import { byteOf, tokenAt } from "./client.js";
import { iso, span } from "./clock.js";
import { parseTime } from "./event.js";
import { Places } from "./places.js";
import { Note, Row } from "./row.js";
import { StreamWindow } from "./window.js";

/** A search reads on by itself until it has so many rows; then it waits until somebody wants more. */
const ENOUGH = 1000;
/** Farther behind than this, a follower jumps to the end instead of reading up to it. */
const JUMP = 2 * 1024 * 1024;
const RETRY = 1000;
const SUMMARY = { buckets: 240, least: 2000, most: 60_000 };

export class Session extends EventTarget {
  #client;
  #follower;
  #listening = new AbortController();
  #places;
  #outage = null;
  #summaryTimer = 0;
  #summaryPause = SUMMARY.least;
  #retryTimer = 0;

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
    this.trouble = null;
    this.summary = null;
    this.lastRow = null;
    /** `{active, byte, paused}` of a search that was asked for; null without one. */
    this.search = null;
    this.filter = { types: [], text: "" };
    this.range = null;
    this.#places = new Places(client, id);
    this.window = this.#makeWindow();
    this.#listen();
  }

  /** Where the live socket stands, 0 to 1: less than 1 while it catches up. */
  caughtUp = 1;

  /** `live`, `catching-up`, `connecting`, `reconnecting`, or what became of the stream. */
  get connection() {
    if (this.fate && this.fate !== "missing") return this.fate;
    const { name } = this.#follower.state;
    if (name === "waiting") return "reconnecting";
    if (this.fate) return this.fate;
    if (name === "failed") return "refused";
    if (name !== "open") return "connecting";
    return this.caughtUp < 1 ? "catching-up" : "live";
  }

  get follower() {
    return this.#follower;
  }

  /** When the mission began and was last heard of; null while that is not known. */
  get times() {
    const { parsed } = this.summary ?? {};
    return { first: parsed?.first ?? null, last: this.lastRow?.time ?? parsed?.last ?? null };
  }

  // --- beginning and ending ----------------------------------------------------------------------------------------

  /** Begin to watch: at an offset, or at the end. Gives the row at the offset. */
  async start({ offset = null, types = [], text = "" } = {}) {
    this.filter = { types, text };
    this.#open(this.#makeWindow());
    let row = null;
    try {
      const head = await this.#client.head(this.id);
      this.window.see(head.tail, head.closed);
      if (head.closed) this.#end("ended");
      else this.#follower.add(this.id, head.tail);
      const link = offset === null ? null : await this.#check(offset);
      if (link) row = await this.goTo(link.byte, link);
      else if (text) await this.#runSearch();
      else await this.goLast();
      await this.#lookAtLast();
    } catch (error) {
      this.#failed(error, () => this.start({ offset, types, text }));
    }
    this.#countSoon(0);
    return row;
  }

  /** What a link to an event is good for: `{byte, offset}`, without the offset if no line begins there. */
  async #check(offset) {
    try {
      const byte = byteOf(offset);
      await this.#client.head(this.id, { offset });
      return { byte, offset };
    } catch (error) {
      if (error.status === 0) throw error;
      this.trouble = `The link leads nowhere: ${error.message}`;
      if (error.status === 410) this.trouble = "The link is to a file that has since been cut or replaced";
      return null;
    }
  }

  /** Read the stream anew, after its file was replaced. */
  reopen() {
    this.fate = null;
    this.fresh = 0;
    this.summary = null;
    this.following = true;
    this.#places = new Places(this.#client, this.id);
    return this.start(this.filter);
  }

  /** Watch no more. */
  close() {
    this.#listening.abort();
    clearTimeout(this.#summaryTimer);
    clearTimeout(this.#retryTimer);
    this.window.stop();
    this.#follower.remove(this.id);
  }

  // --- moving ------------------------------------------------------------------------------------------------------

  /** To the first row. */
  async goFirst() {
    this.freeze();
    return this.#attempt(() => this.window.openAt(this.window.floor));
  }

  /** To the last row, and stay there. */
  async goLast() {
    this.following = true;
    this.fresh = 0;
    this.#say("state");
    const { window } = this;
    if (window.atEnd && window.rows.length > 0) {
      this.#say("window");
      return window.rows.at(-1);
    }
    return this.#attempt(() => window.openEnd());
  }

  /** To a byte, or to an exact offset. */
  async goTo(byte, { offset = null } = {}) {
    this.freeze();
    return this.#attempt(() => this.window.openAt(byte, { exact: offset !== null }));
  }

  /** To a place, 0 to 1. */
  goToFraction(fraction) {
    return fraction >= 1 ? this.goLast() : this.goTo(Math.floor(fraction * this.window.tail));
  }

  /** To an exact offset, among all events. */
  goToOffset(offset) {
    return this.goTo(byteOf(offset), { offset });
  }

  /** Where an offset stands, 0 to 1. */
  fractionAt(offset, tail = this.window.tail) {
    return tail ? Math.min(1, byteOf(offset) / tail) : 0;
  }

  /** When it is at a byte, as near as the summary tells; null when it does not. */
  timeAt(byte) {
    const bucket = this.summary?.buckets.findLast(({ offset }) => byteOf(offset) <= byte);
    return bucket?.time ?? null;
  }

  /** To a time. */
  async goToTime(ms) {
    this.freeze();
    return this.#attempt(async () => {
      const byte = await this.#places.atTime(ms);
      const row = await (byte === null ? this.window.openEnd() : this.window.openAt(byte));
      return this.window.rows.find((candidate) => candidate.time >= ms) ?? row;
    });
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

  /** More rows at one end of the window. */
  async more(direction) {
    if (this.search?.paused && direction > 0) this.search = { ...this.search, paused: false };
    await this.#attempt(() => (direction > 0 ? this.window.forward() : this.window.backward()));
  }

  // --- filters and search ------------------------------------------------------------------------------------------

  /** Show only some rows, near to where the view is (`at`, a byte). */
  async setFilter({ types = this.filter.types, text = this.filter.text }, at = null) {
    const searched = text !== "" && text !== this.filter.text;
    this.filter = { types, text };
    this.search = null;
    this.#open(this.#makeWindow());
    if (searched) return this.#runSearch();
    if (this.following || at === null) return this.goLast();
    return this.goTo(at);
  }

  /** Show all rows again, from wherever one goes next. */
  stopFilter() {
    this.filter = { types: [], text: "" };
    this.search = null;
    this.#open(this.#makeWindow());
  }

  /** Show only a range of time (milliseconds), or all of it again (null). */
  async setRange(range) {
    if (range === null) this.range = null;
    else {
      const [floor, ceiling] = await Promise.all([
        this.#places.atTime(range.since),
        this.#places.atTime(range.until + 0.001),
      ]);
      this.range = {
        ...range,
        floor: floor ?? this.window.tail,
        ceiling: ceiling ?? Infinity,
        untilText: new Date(Math.ceil(range.until)).toISOString(),
      };
      this.following = false;
    }
    this.#open(this.#makeWindow());
    if (this.filter.text) return this.#runSearch();
    return this.range ? this.goFirst() : this.goLast();
  }

  /** Go on with a search that has enough for now. */
  continueSearch() {
    return this.#runSearch({ anew: false });
  }

  /** Break a search off; what it found stays. */
  cancelSearch() {
    this.window.stop();
    if (this.search) this.search = { ...this.search, active: false, paused: true };
    this.#say("state");
  }

  /** The next row, after a place, that holds a text; whatever the filter is. */
  async findNext(text, after) {
    let offset = tokenAt(this.#places.generation ?? "00000000", after);
    this.search = { active: true, byte: after, paused: false, only: "next" };
    this.#say("state");
    try {
      while (this.search?.active) {
        const page = await this.#client.read(this.id, { offset, contains: text, limit: 1 });
        this.search.byte = byteOf(page.next);
        this.#say("state");
        if (page.lines.length) return await this.#client.locate(page.lines[0]);
        if (page.upToDate) return null;
        offset = page.next;
      }
      return null;
    } finally {
      this.search = this.filter.text ? this.search : null;
      this.#say("state");
    }
  }

  async #runSearch({ anew = true } = {}) {
    this.following = false;
    this.fresh = 0;
    const { window } = this;
    const mine = (this.search = { active: true, byte: window.end, paused: false });
    this.#say("state");
    const row = await this.#attempt(async () => {
      const first = anew ? await window.openAt(window.floor) : null;
      const want = Math.max(ENOUGH, anew ? 0 : window.rows.length + ENOUGH);
      while (this.search === mine && !window.atEnd && window.rows.length < want) await window.forward();
      return first;
    });
    if (this.search === mine) {
      this.search = { active: false, byte: window.end, paused: !window.atEnd };
      this.#say("state");
    }
    return row;
  }

  // --- live --------------------------------------------------------------------------------------------------------

  #listen() {
    const on = (type, handle) =>
      this.#follower.addEventListener(type, handle, { signal: this.#listening.signal });
    const mine = (handle) => (event) => event.detail.stream === this.id && handle(event.detail);
    on("open", mine((detail) => this.#opened(detail)));
    on("events", mine((detail) => this.#arrived(detail)));
    on("end", mine(() => this.#end("ended")));
    on("reset", mine(({ earliest }) => this.#end(earliest === null ? "deleted" : "replaced")));
    on("missing", mine(() => this.#end("missing")));
    on("failed", (event) => this.#refused(event.detail.error));
    on("state", () => this.#connectionChanged());
  }

  #opened({ tail }) {
    if (this.fate === "missing") {
      this.fate = null;
      this.window.footer = null;
    }
    this.window.see(tail);
    this.#say("state");
  }

  #arrived(batch) {
    const { window } = this;
    const fresh = window.append(batch, { following: this.following });
    const last = batch.lines.at(-1);
    if (last) this.lastRow = new Row(last);
    this.caughtUp = batch.upToDate ? 1 : byteOf(batch.next) / Math.max(window.tail, byteOf(batch.next));
    if (fresh === null || (this.following && !window.atEnd)) this.#catchUp();
    if (!this.following && fresh) this.fresh += fresh.length;
    this.#say("state");
    this.#countSoon();
  }

  #catchUp() {
    const { window } = this;
    if (this.search?.active) return;
    this.#attempt(() => (window.tail - window.end > JUMP ? window.openEnd() : window.forward(Infinity)));
  }

  #connectionChanged() {
    const { state } = this.#follower;
    if (state.name === "waiting") this.#outage ??= state.since;
    if (state.name === "open" && this.#outage !== null) {
      const pause = Date.now() - this.#outage;
      this.#outage = null;
      this.trouble = null;
      if (pause > 500) this.window.note(`Connected again after ${span(pause)}, from where it stopped: nothing is missing`);
      this.#again();
    }
    this.#say("state");
  }

  #end(fate) {
    this.fate = fate;
    if (fate === "ended") this.window.closed = true;
    this.#setFooter();
    this.#say("state");
    this.#countSoon();
  }

  #setFooter() {
    const again = { label: "Read it from its beginning", run: () => this.reopen() };
    const notes = {
      ended: () => new Note("The stream is closed: this is the end of the mission", { kind: "end" }),
      missing: () => new Note("There is no such stream yet; it appears here when its mission begins", { kind: "note" }),
      replaced: () => new Note("The file was cut or replaced: what stands above is what it was", { kind: "reset", action: again }),
      deleted: () => new Note("The file was deleted: what stands above is what it was", { kind: "reset" }),
      refused: () => new Note(this.trouble ?? "The server refuses", { kind: "reset" }),
    };
    this.window.footer = this.fate ? notes[this.fate]() : null;
    this.window.dispatchEvent(new Event("change"));
  }

  #refused(error) {
    this.trouble = error.message;
    this.#end("refused");
  }

  async #lookAtLast() {
    const page = await this.#client.read(this.id, { tail: 1 });
    if (page.lines.length) this.lastRow = new Row(page.lines.at(-1));
    this.#say("state");
  }

  // --- summary -----------------------------------------------------------------------------------------------------

  #countSoon(pause = this.#summaryPause) {
    if (this.#summaryTimer || this.#listening.signal.aborted) return;
    this.#summaryTimer = setTimeout(() => this.#count(), pause);
  }

  async #count() {
    const begun = performance.now();
    const tail = this.window.tail;
    try {
      const summary = await this.#client.summary(this.id, { buckets: SUMMARY.buckets });
      this.#takeSummary(summary);
      this.dispatchEvent(new Event("summary"));
    } catch {
      // a server without it, or none just now: counts and the timeline are left out until it answers
    }
    // A long stream takes the server a while the first time: ask the less often the longer it took.
    this.#summaryPause = Math.min(SUMMARY.most, Math.max(SUMMARY.least, 10 * (performance.now() - begun)));
    this.#summaryTimer = 0;
    if (this.window.tail > tail) this.#countSoon();
  }

  /** The summary of a range of time. */
  async summarise({ since, until }) {
    const summary = await this.#client.summary(this.id, { buckets: SUMMARY.buckets, since: iso(since), until: iso(until) });
    this.#readBuckets(summary);
    return summary;
  }

  #takeSummary(summary) {
    this.#readBuckets(summary);
    this.summary = { ...summary, parsed: { first: timeOfText(summary.first), last: timeOfText(summary.last) } };
  }

  #readBuckets({ buckets }) {
    for (const bucket of buckets) {
      bucket.time = timeOfText(bucket.from);
      this.#places.learn(bucket.offset); // its first line may be later than the bucket begins
    }
  }

  // --- plumbing ----------------------------------------------------------------------------------------------------

  #makeWindow() {
    const range = this.range && { floor: this.range.floor, ceiling: this.range.ceiling, until: this.range.untilText };
    const window = new StreamWindow(this.#client, this.id, this.#places, { filter: this.filter, range });
    window.tail = this.window?.tail ?? 0;
    window.closed = this.window?.closed ?? false;
    return window;
  }

  #open(window) {
    this.window?.stop();
    this.window = window;
    window.addEventListener("progress", ({ detail }) => {
      if (this.window !== window) return;
      if (this.search) this.search.byte = detail.byte;
      this.reading = detail;
      this.#say("state");
    });
    if (this.fate) this.#setFooter();
    this.#say("window");
  }

  /** Read; what cannot be read now is tried again, what never can ends the stream or says so. */
  async #attempt(action) {
    const { window } = this;
    try {
      const result = await action();
      if (this.trouble && this.fate !== "refused") {
        this.trouble = null;
        this.#say("state");
      }
      return result;
    } catch (error) {
      if (this.window === window) this.#failed(error, action);
      return null;
    }
  }

  #failed(error, action) {
    if (error.name === "AbortError") return;
    if (error.status === 404) this.#missing();
    else if (error.status === 410) this.#end("replaced");
    else {
      this.trouble = error.message;
      this.#say("state");
      if (error.status === 0 || error.status >= 429) {
        clearTimeout(this.#retryTimer);
        this.#retry = action;
        this.#retryTimer = setTimeout(() => this.#again(), RETRY);
      }
    }
  }

  #retry = null;

  #again() {
    clearTimeout(this.#retryTimer);
    const action = this.#retry;
    this.#retry = null;
    if (action && !this.#listening.signal.aborted) this.#attempt(action);
  }

  #missing() {
    if (this.window.tail > 0) {
      this.#end("deleted");
      return;
    }
    this.#end("missing");
    if (!this.#follower.places.has(this.id)) this.#follower.add(this.id);
  }

  #say(type) {
    this.dispatchEvent(new Event(type));
  }
}

function timeOfText(text) {
  return text === null ? null : parseTime(text);
}
