/**
 * One stream on the socket that may carry several: what arrives of it, how far behind it is, and what became of it.
 *
 * Events: `open` (`{tail, pause}`: it is there (again); `pause`, in milliseconds, when it was away for a while), `batch`
 * (`{lines, from, next, upToDate}`), `fate` (what became of the stream), `change` (the connection).
 */

import { byteOf } from "./client.js";

/** A shorter outage is not worth a word. */
const OUTAGE = 500;
/** What a socket that is open again has disproved. */
const PASSING = ["missing", "refused", "signed-out"];
/** When nothing more can be read. */
const UNREADABLE = ["replaced", "deleted", "refused", "signed-out"];

export class Live extends EventTarget {
  #follower;
  #id;
  #listening = new AbortController();
  #outage = null;
  #tail = 0;

  /** `missing`, `ended`, `replaced`, `deleted`, `refused` or `signed-out`; null while there is more to come. */
  fate = null;
  /** What went wrong last, in words; null once it is right again. */
  trouble = null;
  /** How far it has caught up, 0 to 1. */
  caughtUp = 1;

  constructor(follower, id) {
    super();
    this.#follower = follower;
    this.#id = id;
    const on = (type, handle) => follower.addEventListener(type, handle, { signal: this.#listening.signal });
    const mine = (type, handle) => on(type, ({ detail }) => detail.stream === id && handle(detail));
    mine("open", (detail) => this.#opened(detail));
    mine("events", (detail) => this.#arrived(detail));
    mine("end", () => this.end("ended"));
    mine("reset", ({ earliest }) => (earliest === null ? this.deleted() : this.end("replaced")));
    mine("missing", () => this.fate !== "deleted" && this.end("missing"));
    on("failed", ({ detail }) => this.refused(detail.error));
    on("state", () => this.#connectionChanged());
  }

  /** `live`, `catching-up`, `connecting`, `reconnecting`, or what became of the stream. */
  get connection() {
    if (this.fate && this.fate !== "missing") return this.fate;
    const { name } = this.#follower.state;
    if (name === "waiting") return "reconnecting";
    if (this.fate) return this.fate;
    if (name !== "open") return "connecting";
    return this.caughtUp < 1 ? "catching-up" : "live";
  }

  /** Whether what was read is all there is to be had (for now). */
  get unreadable() {
    return UNREADABLE.includes(this.fate);
  }

  /** How the connection that all streams share stands: since when, and when it is tried again. */
  get state() {
    return this.#follower.state;
  }

  /** Whether it is followed already. */
  get followed() {
    return this.#follower.places.has(this.#id);
  }

  /** Follow it from an offset on (null: from the beginning). */
  follow(offset = null) {
    this.#follower.add(this.#id, offset);
  }

  /** Try at once to connect again; after a refusal, from where it stopped. */
  retry() {
    if (!PASSING.includes(this.fate)) this.#follower.retry();
    else this.follow(this.#follower.places.get(this.#id) ?? null);
  }

  /** Something became of the stream (null: it is as it should be). */
  end(fate, trouble = this.trouble) {
    this.fate = fate;
    this.trouble = trouble;
    this.#say("fate");
  }

  /** The file is gone; should there be another one, it counts as replaced. */
  deleted() {
    if (this.fate === "deleted") return;
    this.end("deleted");
    this.follow();
  }

  /** The server does not let this page read. */
  refused(error) {
    this.end(error.status === 401 ? "signed-out" : "refused", error.message);
  }

  /** Follow it no more. */
  close() {
    this.#listening.abort();
    this.#follower.remove(this.#id);
  }

  #opened({ offset, tail }) {
    if (this.fate === "deleted") {
      this.#follower.remove(this.#id);
      this.end("replaced");
    }
    if (this.fate === "replaced") return;
    if (PASSING.includes(this.fate)) this.end(null, null);
    const pause = this.#outage === null ? 0 : Date.now() - this.#outage;
    if (this.#outage !== null) this.trouble = null;
    this.#outage = null;
    this.#tail = byteOf(tail);
    this.caughtUp = offset === tail ? 1 : byteOf(offset) / byteOf(tail);
    this.#say("open", { tail, pause: pause < OUTAGE ? null : pause });
  }

  #arrived(batch) {
    if (this.fate === "replaced") return;
    this.#tail = Math.max(this.#tail, byteOf(batch.next));
    this.caughtUp = batch.upToDate ? 1 : byteOf(batch.next) / this.#tail;
    this.#say("batch", batch);
  }

  #connectionChanged() {
    const { name, since } = this.#follower.state;
    if (name === "waiting") this.#outage ??= since;
    this.#say("change");
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
