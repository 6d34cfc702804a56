/**
 * A client for streamhub: reads event streams over HTTP and one multiplexed WebSocket, and never writes.
 *
 * No dependency; it runs in browsers and wherever `fetch`, `WebSocket` and `EventTarget` are global (Node 22).
 * The types are in client.d.ts.
 */

const ZERO = "00000000_0000000000000000";
const TOKEN = /^([0-9a-f]{8})_(\d{16})$/;
const STAND_IN = '{"event_type":"malformed","payload":{"offset":"';
const EVENTS_HEAD =
  /^\{"type":"events","stream":"([^"\\]*)","next":"([^"\\]*)","upToDate":(true|false),"events":\[/;

/** The server answers a quiet socket every 15 s; twice that and some, and nobody is there any more. */
const SILENCE = 40_000;
const BACKOFF = { first: 250, most: 15_000 };

/** An answer that is not what was asked for. `status` is 0 when there was no answer at all. */
export class StreamhubError extends Error {
  constructor(message, { status = 0, earliest = null, retryAfter = null, cause } = {}) {
    super(message, { cause });
    this.name = "StreamhubError";
    this.status = status;
    this.earliest = earliest;
    this.retryAfter = retryAfter;
  }
}

// --- offsets -----------------------------------------------------------------------------------------------------

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
  return byte === 0 ? ZERO : `${generation}_${String(byte).padStart(16, "0")}`;
}

// --- lines -------------------------------------------------------------------------------------------------------

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

/** How many bytes of the file a delivered line stands for, its newline included. */
function sizeInFile(text, isAscii) {
  if (text.startsWith(STAND_IN)) {
    const { bytes } = JSON.parse(text).payload;
    if (Number.isSafeInteger(bytes)) return bytes + 1;
  }
  return (isAscii ? text.length : utf8Length(text)) + 1;
}

/** Give lines their places between two offsets: exact when their sizes fill the space between, else estimates. */
function placeLines(stream, texts, from, next, { filtered = false, isAscii = false, query = null } = {}) {
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
function readFrame(data) {
  const head = EVENTS_HEAD.exec(data);
  const texts = head && splitElements(data, head[0].length);
  if (texts) return { type: "events", stream: head[1], next: head[2], upToDate: head[3] === "true", texts };
  const frame = JSON.parse(data);
  if (frame.type === "events") frame.texts = frame.events.map((event) => JSON.stringify(event));
  return frame;
}

// --- requests ----------------------------------------------------------------------------------------------------

function queryOf({ offset, tail, since, until, eventTypes, contains, limit, wait } = {}) {
  const query = new URLSearchParams();
  if (offset !== undefined && offset !== null) query.set("offset", offset);
  if (tail !== undefined) query.set("tail", tail);
  if (since !== undefined) query.set("since", since);
  if (until !== undefined) query.set("until", until);
  for (const type of eventTypes ?? []) query.append("event_type", type);
  if (contains) query.set("contains", contains);
  if (limit !== undefined) query.set("limit", limit);
  if (wait) query.set("wait", "1");
  return query;
}

async function refusal(response) {
  let detail = "";
  let earliest = response.headers.get("Stream-Earliest-Offset");
  try {
    const problem = await response.json();
    detail = problem.detail ?? "";
    earliest ??= problem.earliest ?? null;
  } catch {
    // HEAD, or not from streamhub: the status has to do
  }
  const seconds = Number(response.headers.get("Retry-After"));
  return new StreamhubError(detail || `the server answered ${response.status}`, {
    status: response.status,
    earliest,
    retryAfter: seconds > 0 ? seconds * 1000 : null,
  });
}

/** Reads streams from one server. */
export class Client {
  #base;
  #fetch;
  #headers;
  #token;

  constructor(base = globalThis.location?.origin, { token = null, fetch = globalThis.fetch } = {}) {
    this.#base = String(base).replace(/\/+$/, "");
    this.#fetch = fetch.bind(globalThis);
    this.#headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    this.#token = token;
  }

  /** A page of the list of streams, newest activity first: `{streams, next}`. */
  async streams({ limit, after, prefix, missionId, signal } = {}) {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", limit);
    if (after) query.set("after", after);
    if (prefix) query.set("prefix", prefix);
    if (missionId) query.set("mission_id", missionId);
    const response = await this.#request("/v1/streams", query, { signal });
    return response.json();
  }

  /** Where a stream stands: `{tail, closed}`. An offset is checked on the way. */
  async head(id, { offset, signal } = {}) {
    const response = await this.#request(pathOf(id), queryOf({ offset }), { method: "HEAD", signal });
    return {
      tail: response.headers.get("Stream-Next-Offset") ?? ZERO,
      closed: response.headers.get("Stream-Closed") === "true",
    };
  }

  /**
   * One answer's worth of a stream: `{lines, next, upToDate, closed}`.
   *
   * With `eventTypes` or `contains` it may hold no line and yet not be the end: read on from `next` until `upToDate`.
   */
  async read(id, { signal, ...options } = {}) {
    const response = await this.#request(pathOf(id), queryOf(options), {
      headers: { Accept: "application/x-ndjson" },
      signal,
    });
    const bytes = await response.arrayBuffer();
    const text = new TextDecoder().decode(bytes);
    const next = response.headers.get("Stream-Next-Offset") ?? ZERO;
    const { offset, limit: _limit, ...query } = options;
    const elsewhere = options.tail !== undefined || options.since !== undefined;
    const from = elsewhere ? null : offset == null || offset === "-1" ? ZERO : offset;
    const texts = text === "" ? [] : text.slice(0, -1).split("\n");
    const lines = placeLines(id, texts, from, next, {
      filtered: isFiltered(options),
      isAscii: bytes.byteLength === text.length,
      query,
    });
    return {
      lines,
      next,
      upToDate: response.headers.get("Stream-Up-To-Date") === "true",
      closed: response.headers.get("Stream-Closed") === "true",
    };
  }

  /** The offset of a line, also of one that came through a filter or stands beside empty lines. */
  async locate(line, { signal } = {}) {
    if (line.exact) return line.offset;
    const told = line.text.startsWith(STAND_IN) ? line.event.payload.offset : null;
    if (told !== null && (await this.#stands(line, told, signal))) return told;
    const token = (await this.#searchByTime(line, signal)) ?? (await this.#searchByCount(line, signal));
    if (token === null) throw new StreamhubError("this line cannot be found in the stream any more", { status: 410 });
    return token;
  }

  /** Whether a line stands at that offset. */
  async #stands(line, offset, signal) {
    try {
      const page = await this.read(line.stream, { offset, limit: 1, signal });
      return page.lines[0]?.text === line.text;
    } catch (error) {
      if (error.status === 400) return false; // within a line
      throw error;
    }
  }

  /** Among all lines from its time on: there `limit` says where a line ends. */
  async #searchByTime(line, signal) {
    const { timestamp } = line.event;
    let where = typeof timestamp === "string" ? { since: timestamp } : { offset: line.origin.from ?? ZERO };
    for (let pages = 0; pages < 16; pages++) {
      const page = await this.read(line.stream, { ...where, limit: 1000, signal });
      const index = page.lines.findIndex((other) => other.text === line.text);
      if (index >= 0 && page.lines[index].exact) return page.lines[index].offset;
      if (index >= 0) return this.#endingAt(line, { ...where, limit: index + 1 }, signal);
      if (page.upToDate) return null;
      where = { offset: page.next };
    }
    return null;
  }

  /** As the so-many-th that the same filter lets through: for files whose times are out of order. */
  async #searchByCount(line, signal) {
    const { from, query, index } = line.origin;
    return from === null ? null : this.#endingAt(line, { ...query, offset: from, limit: index + 1 }, signal);
  }

  /** The line's offset, if it is the last of what is read so and the answer ends right after it. */
  async #endingAt(line, query, signal) {
    const page = await this.read(line.stream, { ...query, signal });
    const byte = byteOf(page.next) - sizeInFile(line.text, false);
    if (byte < 0 || page.lines.at(-1)?.text !== line.text) return null;
    const token = tokenAt(generationOf(page.next), byte);
    return (await this.#stands(line, token, signal)) ? token : null;
  }

  /** How many events of which type, over time. */
  async summary(id, { buckets, since, until, signal } = {}) {
    const query = queryOf({ since, until });
    if (buckets !== undefined) query.set("buckets", buckets);
    const response = await this.#request(`${pathOf(id)}/summary`, query, { signal });
    return response.json();
  }

  /**
   * A stream's lines up to where it stands now, a Blob at a time: `onpart(blob, done, all)`, in bytes. Gives how many
   * bytes of the file were read.
   */
  async download(id, { onpart, signal }) {
    const { tail } = await this.head(id, { signal });
    const all = byteOf(tail);
    let next = ZERO;
    while (byteOf(next) < all) {
      const response = await this.#request(pathOf(id), queryOf({ offset: next }), {
        headers: { Accept: "application/x-ndjson" },
        signal,
      });
      const blob = await response.blob();
      const after = response.headers.get("Stream-Next-Offset") ?? next;
      if (byteOf(after) <= byteOf(next)) throw new StreamhubError("the stream was cut while it was read", { status: 410 });
      next = after;
      onpart(blob, Math.min(byteOf(next), all), all);
    }
    return byteOf(next);
  }

  /** Follow streams live over one socket: see `Follower`. */
  follow(options) {
    return new Follower(this, options);
  }

  /** The socket that follows what `query` names. */
  socket(query) {
    const url = `${this.#base.replace(/^http/, "ws")}/v1/ws?${query}`;
    if (this.#token === null) return new WebSocket(url);
    const encoded = btoa(this.#token).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    return new WebSocket(url, ["streamhub.v1", `bearer.${encoded}`]);
  }

  async #request(path, query, { headers = {}, ...options } = {}) {
    const search = String(query);
    let response;
    try {
      response = await this.#fetch(`${this.#base}${path}${search && `?${search}`}`, {
        ...options,
        headers: { ...this.#headers, ...headers },
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new StreamhubError("the server cannot be reached", { cause: error });
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

function pathOf(id) {
  return `/v1/stream/${encodeURIComponent(id)}`;
}

function isFiltered({ eventTypes, contains, until }) {
  return Boolean(eventTypes?.length || contains || until !== undefined);
}

// --- live --------------------------------------------------------------------------------------------------------

/**
 * Follows streams over one multiplexed WebSocket, each event once: it reconnects by itself, with a growing and
 * jittered pause, and resumes each stream by its offset.
 *
 * Events (`event.detail`):
 * - `open` `{stream, offset, tail, closed}`: a stream is there
 * - `events` `{stream, lines, from, next, upToDate}`
 * - `end` `{stream, next}`: a stream is over
 * - `reset` `{stream, earliest}`: its file was cut, replaced or (`earliest` null) deleted
 * - `missing` `{stream}`: there is no such stream (yet); it is waited for
 * - `state`: `state` changed
 * - `failed` `{error}`: the server refuses, and asking again is no use
 */
export class Follower extends EventTarget {
  #client;
  #query;
  #match;
  #places = new Map();
  #done = new Set();
  #socket = null;
  #timer = 0;
  #watchdog = 0;
  #attempt = 0;
  #abort = null;
  #filtered;
  #restarting = false;

  /**
   * @param client a Client
   * @param options `streams`: ids, or pairs of id and offset; `match`: globs of streams that join as they appear;
   *   `tail`: begin with the last so many lines, where no offset is given; `eventTypes`, `contains`: filters.
   */
  constructor(client, { streams = [], match = [], tail, eventTypes, contains } = {}) {
    super();
    this.#client = client;
    this.#query = queryOf({ eventTypes, contains, tail, wait: true });
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
    this.#places.set(id, offset);
    this.#restart();
  }

  /** Follow a stream no more. */
  remove(id) {
    if (this.#places.delete(id)) this.#restart();
  }

  /** Try at once, if it waits to connect again. */
  retry() {
    if (this.state.name === "waiting") this.#connect();
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
    this.#open(wanted);
  }

  /** A browser does not say why a socket was refused, so each stream is asked for first. */
  async #ask(signal) {
    for (const [id, offset] of [...this.#places]) {
      if (this.#done.has(id)) continue;
      try {
        await this.#client.head(id, { offset: offset ?? undefined, signal });
      } catch (error) {
        if (error.status === 404 && (offset === null || offset === ZERO)) this.#say("missing", { stream: id });
        else if (error.status === 404) this.#reset(id, null);
        else if (error.status === 410) this.#reset(id, error.earliest);
        else throw error;
      }
    }
  }

  #open(wanted) {
    const query = new URLSearchParams(this.#query);
    for (const [id, offset] of wanted) query.append("stream", offset === null ? id : `${id}@${offset}`);
    for (const glob of this.#match) query.append("match", glob);
    const socket = (this.#socket = this.#client.socket(query));
    const current = () => this.#socket === socket;
    socket.onopen = () => current() && this.#become("open");
    socket.onmessage = ({ data }) => current() && this.#receive(data);
    socket.onclose = ({ code }) => current() && this.#closed(code);
    this.#feedWatchdog();
  }

  #feedWatchdog() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      const socket = this.#socket;
      this.#socket = null; // a dead peer's close may take minutes to be noticed
      socket?.close();
      this.#closed(1006);
    }, SILENCE);
  }

  #receive(data) {
    this.#feedWatchdog();
    this.#attempt = 0;
    const frame = readFrame(data);
    switch (frame.type) {
      case "open":
        for (const opened of frame.streams) {
          if (this.#places.get(opened.stream) == null) this.#places.set(opened.stream, opened.offset);
          this.#say("open", opened);
        }
        break;
      case "events": {
        const from = this.#places.get(frame.stream) ?? ZERO;
        const lines = placeLines(frame.stream, frame.texts, from, frame.next, { filtered: this.#filtered });
        this.#places.set(frame.stream, frame.next);
        this.#say("events", { stream: frame.stream, lines, from, next: frame.next, upToDate: frame.upToDate });
        break;
      }
      case "end":
        this.#done.add(frame.stream);
        this.#say("end", { stream: frame.stream, next: frame.next });
        break;
      case "reset":
        this.#reset(frame.stream, frame.earliest);
        break;
      case "error":
        this.#fail(new StreamhubError(frame.message, { status: frame.code }));
    }
  }

  #reset(stream, earliest) {
    this.#done.add(stream);
    this.#say("reset", { stream, earliest });
  }

  #closed(code) {
    clearTimeout(this.#watchdog);
    this.#socket = null;
    if (this.state.name === "failed" || this.state.name === "closed") return;
    if (code === 1000 || code === 4410) this.#become("ended");
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
