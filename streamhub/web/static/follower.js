/** Following streams live. */

import { addressOf } from "./address.js";
import { ZERO, placeLines, readFrame } from "./lines.js";
import { Polls } from "./polls.js";
import { StreamhubError, isFiltered, queryOf } from "./query.js";
import { Replays } from "./replays.js";

/** The server answers a quiet socket every 15 s; twice that and some, and nobody is there any more. */
const SILENCE = 40_000;
/** Of polls: in a hidden page a browser lets timers wait for up to a minute. */
const SILENCE_OF_POLLS = 100_000;
/** After so many sockets in a row that said nothing, something between lets none through. */
const MUTE = 2;
/** So long after that one is tried again. */
const ANOTHER_TRY = 600_000;
const BACKOFF = { first: 250, most: 15_000 };

/**
 * Follows streams over one multiplexed WebSocket, each event once: it reconnects by itself, with a growing and
 * jittered pause, and resumes each stream by its offset. Where no WebSocket can be had it goes on with long-polls.
 *
 * Events (`event.detail`):
 * - `open` `{stream, offset, tail, closed}`: a stream is there
 * - `events` `{stream, lines, from, next, upToDate}`
 * - `end` `{stream, next}`: a stream is over
 * - `reset` `{stream, earliest, missed}`: its file was cut, replaced or (`earliest` null) deleted; `missed` when that
 *   was found out only on coming back, so that there may have been events in between that nobody can have
 * - `missing` `{stream}`: there is no such stream (yet); it is waited for
 * - `state`: `state` changed
 * - `failed` `{error}`: the server refuses, and asking again is no use
 */
export class Follower extends EventTarget {
  #client;
  #filter;
  #part;
  #query;
  #match;
  /** @type {Map<string, string | null>} */
  #places = new Map();
  /** @type {Set<string>} */
  #done = new Set();
  /** @type {WebSocket | Polls | null} */
  #socket = null;
  /** Sockets in a row that were closed, by others, without a word; and whether this one has said none yet. */
  #mute = 0;
  #isMute = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #anotherTry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #attempt = 0;
  /** @type {AbortController | null} */
  #abort = null;
  #filtered;
  #replays = new Replays();
  #begun = false;
  #restarting = false;

  /**
   * @param {import("./client.js").Client & { socket(query: URLSearchParams): WebSocket, hasSocket: boolean }} client
   * @param {import("./client.js").FollowOptions} [options] `streams`: ids, or pairs of id and offset; `match`: globs of streams that join as they appear;
   *   `tail`: begin with the last so many lines, where no offset is given; `eventTypes`, `contains`: filters.
   */
  constructor(client, { streams = [], match = [], tail, eventTypes, contains } = {}) {
    super();
    this.#client = client;
    this.#filter = { eventTypes, contains };
    this.#part = { ...this.#filter, tail };
    this.#query = queryOf({ ...this.#part, wait: true });
    this.#filtered = isFiltered({ eventTypes, contains });
    this.#match = match;
    for (const item of streams) {
      const [id, offset] = typeof item === "string" ? [item, null] : item;
      this.#places.set(id, offset === "-1" ? ZERO : offset);
    }
    /** `{name, since, attempt, retryAt}`; name: connecting, open, waiting (to connect again), ended, failed, closed. */
    this.state = { name: "connecting", since: Date.now(), attempt: 0, retryAt: null };
    this.#connect();
  }

  /** Where each stream is to be resumed. */
  get places() {
    return new Map(this.#places);
  }

  /** Follow one more stream, or one from another place. The socket is opened anew: its address says what it carries. */
  add(id, offset = null) {
    this.#done.delete(id);
    this.#replays.forget(id);
    this.#places.set(id, offset);
    this.#restart();
  }

  /** Follow a stream no more. */
  remove(id) {
    if (this.#places.delete(id)) this.#restart();
  }

  /** Try at once, if it waits to connect again. */
  retry() {
    if (this.state.name !== "waiting") return;
    this.#hangUp();
    this.#connect();
  }

  /** Follow nothing any more. */
  close() {
    this.#hangUp();
    this.#become("closed");
  }

  #restart() {
    if (this.#restarting || this.state.name === "closed") return;
    this.#restarting = true;
    queueMicrotask(() => {
      this.#restarting = false;
      if (this.state.name === "closed") return;
      this.#hangUp();
      this.#connect();
    });
  }

  #hangUp() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#anotherTry);
    this.#abort?.abort();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #connect() {
    clearTimeout(this.#timer);
    const abort = (this.#abort = new AbortController());
    if (this.state.name !== "waiting") this.#become("connecting");
    try {
      await this.#ask(abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      if ([400, 401, 403].includes(error.status)) this.#fail(error);
      else this.#wait(error.retryAfter ?? 0);
      return;
    }
    if (abort.signal.aborted) return;
    const wanted = [...this.#places].filter(([id]) => !this.#done.has(id));
    if (wanted.length === 0 && this.#match.length === 0) {
      this.#become("ended");
      return;
    }
    this.#replays.begin();
    if (this.#mute < MUTE && this.#client.hasSocket) this.#open(wanted);
    else this.#poll(wanted);
  }

  /** A browser does not say why a socket was refused, so each stream is asked for first, or without any the list. */
  async #ask(signal) {
    const wanted = [...this.#places].filter(([id]) => !this.#done.has(id));
    if (wanted.length === 0 && this.#match.length > 0) await this.#client.streams({ limit: 1, signal });
    for (const [id, offset] of wanted) {
      try {
        await this.#client.head(id, { offset: offset ?? undefined, signal });
      } catch (error) {
        if (error.status === 404 && (offset === null || offset === ZERO)) this.#say("missing", { stream: id });
        else if (error.status === 404) this.#reset(id, null, true);
        else if (error.status === 410) this.#reset(id, error.earliest, true);
        else throw error;
      }
    }
  }

  #open(wanted) {
    const over = [...this.#places].filter(([id]) => this.#done.has(id));
    const streams = {
      wanted,
      over,
      match: this.#match,
      begun: this.#begun,
      isCounted: (id) => this.#replays.counts(id),
    };
    let socket;
    try {
      socket = this.#socket = this.#client.socket(addressOf(this.#query, streams));
    } catch (error) {
      const message = `no WebSocket can be opened: ${error.message}`;
      this.#fail(error instanceof StreamhubError ? error : new StreamhubError(message, { cause: error }));
      return;
    }
    const current = () => this.#socket === socket;
    this.#isMute = true;
    socket.onmessage = ({ data }) => {
      if (!current()) return;
      this.#isMute = false;
      this.#mute = 0;
      this.#receive(readFrame(data));
    };
    socket.onclose = ({ code }) => current() && this.#closed(code);
    socket.onerror = () => {}; // a close follows; the package `ws` ends the process when nobody listens
    this.#feedWatchdog();
  }

  #poll(wanted) {
    const what = {
      ...this.#part,
      streams: wanted,
      match: this.#match,
      isKnown: (id) => this.#places.has(id) || this.#done.has(id),
      begun: this.#begun,
    };
    const current = () => this.#socket === polls;
    const polls = new Polls(this.#client, what, {
      frame: (frame) => current() && this.#receive(frame),
      close: ({ code, error }) => current() && this.#closed(code, error?.retryAfter),
    });
    this.#socket = polls;
    this.#anotherTry = setTimeout(() => {
      this.#mute = MUTE - 1;
      this.#restart();
    }, ANOTHER_TRY);
    this.#feedWatchdog();
  }

  #feedWatchdog() {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    const silence = socket instanceof Polls ? SILENCE_OF_POLLS : SILENCE;
    this.#watchdog = setTimeout(() => {
      this.#closed(1006); // a dead peer's own close may take minutes to be noticed
      socket?.close();
    }, silence);
  }

  #receive(frame) {
    this.#feedWatchdog();
    this.#attempt = 0;
    switch (frame.type) {
      case "open":
        this.#begun = true;
        for (const opened of frame.streams) if (!this.#done.has(opened.stream)) this.#opened(opened);
        if (this.state.name !== "open") this.#become("open");
        break;
      case "events": {
        if (this.#done.has(frame.stream)) break;
        const from = this.#places.get(frame.stream) ?? ZERO;
        const texts = this.#replays.news(frame, from);
        if (texts === null) break;
        const how = { filtered: this.#filtered, query: this.#filter };
        const lines = placeLines(frame.stream, texts, from, frame.next, how);
        this.#places.set(frame.stream, frame.next);
        this.#say("events", { stream: frame.stream, lines, from, next: frame.next, upToDate: frame.upToDate });
        break;
      }
      case "end":
        if (this.#done.has(frame.stream)) break;
        this.#done.add(frame.stream);
        this.#say("end", { stream: frame.stream, next: frame.next });
        break;
      case "reset":
        if (!this.#done.has(frame.stream)) this.#reset(frame.stream, frame.earliest, false);
        break;
      case "error":
        this.#fail(new StreamhubError(frame.message, { status: frame.code }));
    }
  }

  #opened(opened) {
    const { stream, offset } = opened;
    const known = this.#places.get(stream) ?? null;
    const place = known === null || known === "now" ? offset : known;
    if (!this.#replays.open(opened, place)) return this.#reset(stream, offset, true);
    this.#places.set(stream, place);
    this.#say("open", { ...opened, offset: place });
  }

  #reset(stream, earliest, missed) {
    this.#done.add(stream);
    this.#say("reset", { stream, earliest, missed });
  }

  #closed(code, retryAfter = null) {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#anotherTry);
    const wasPolled = this.#socket instanceof Polls;
    if (!wasPolled && this.#isMute) this.#mute += 1;
    this.#socket = null;
    if (this.state.name === "failed" || this.state.name === "closed") return;
    if (code === 1000 || code === 4410) this.#become("ended");
    else if (wasPolled) {
      this.#mute = 0; // whoever is back may let sockets through
      this.#wait(retryAfter ?? 0);
    } else if (this.#mute >= MUTE) this.#connect();
    else this.#wait(code === 1001 ? 200 : 0);
  }

  #wait(least) {
    const pause = Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#attempt);
    const delay = Math.max(least, pause / 2 + Math.random() * pause);
    this.#attempt += 1;
    const since = this.state.name === "waiting" ? this.state.since : Date.now();
    this.#become("waiting", { since, attempt: this.#attempt, retryAt: Date.now() + delay });
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  #fail(error) {
    this.#hangUp();
    this.#become("failed");
    this.#say("failed", { error });
  }

  #become(name, details = {}) {
    this.state = { name, since: Date.now(), attempt: 0, retryAt: null, ...details };
    this.#say("state", this.state);
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
