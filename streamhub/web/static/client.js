/**
 * A client for streamhub: reads event streams over HTTP and one multiplexed WebSocket, and never writes.
 *
 *     import { Client } from "http://127.0.0.1:8765/static/client.js";
 *
 *     const follower = new Client("http://127.0.0.1:8765").follow({ streams: ["m-42"] });
 *     follower.addEventListener("events", ({ detail }) => detail.lines.forEach((line) => console.log(line.event)));
 *
 * No dependency; it runs in browsers and in Node. Where there is no global `WebSocket` (Node 20) one may be given, that of
 * the package `ws` for one; without it follows by long-polls. The types are in client.d.ts. With address.js, follower.js,
 * lines.js, polls.js, query.js and replays.js it is complete: those seven files can be copied into another project.
 */

import { Follower } from "./follower.js";
import { Line, ZERO, byteOf, generationOf, placeLines, sizeInFile, toldOffset, tokenAt } from "./lines.js";
import { StreamhubError, isFiltered, queryOf, refusal } from "./query.js";

export { Follower, Line, StreamhubError, ZERO, byteOf, generationOf, tokenAt };

/** Reads streams from one server. */
export class Client {
  #base;
  #fetch;
  #headers;
  #token;
  #WebSocket;

  /**
   * @param {string | URL} [base] the server's URL; the page's own by default
   * @param {{ token?: string | null, fetch?: typeof fetch, WebSocket?: import("./client.js").SocketClass | null }} [options]
   *   `token`: a bearer token; `fetch` and `WebSocket`: what to use instead of the global ones (`WebSocket` null: none)
   */
  constructor(
    base = globalThis.location?.origin,
    { token = null, fetch = globalThis.fetch, WebSocket = globalThis.WebSocket } = {},
  ) {
    // A header's characters are those of Latin-1, without its controls.
    if (token !== null && /[^\t\x20-\x7e\x80-\xff]/.test(token))
      throw new StreamhubError("the token has characters that no request can carry: give it as the server knows it");
    this.#base = String(base).replace(/\/+$/, "");
    this.#fetch = fetch.bind(globalThis);
    this.#headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    this.#token = token;
    this.#WebSocket = WebSocket;
  }

  /**
   * A page of the list of streams, newest activity first: `{streams, next}`.
   *
   * @param {import("./client.js").ListOptions} [options]
   */
  async streams({ limit, after, prefix, missionId, signal } = {}) {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", String(limit));
    if (after) query.set("after", after);
    if (prefix) query.set("prefix", prefix);
    if (missionId) query.set("mission_id", missionId);
    return bodyOf(await this.#request("/v1/streams", query, { signal }), "json", signal);
  }

  /**
   * Where a stream stands: `{tail, closed}`. An offset is checked on the way.
   *
   * @param {string} id
   * @param {{ offset?: string, signal?: AbortSignal }} [options]
   */
  async head(id, { offset, signal } = {}) {
    try {
      const response = await this.#request(pathOf(id), queryOf({ offset }), { method: "HEAD", signal });
      return {
        tail: response.headers.get("Stream-Next-Offset") ?? ZERO,
        closed: response.headers.get("Stream-Closed") === "true",
      };
    } catch (error) {
      // An answer to HEAD has no body: what is wrong is said to GET only.
      if ([400, 401, 403].includes(error.status)) await this.read(id, { offset, limit: 1, signal });
      throw error;
    }
  }

  /**
   * One answer's worth of a stream: `{lines, next, upToDate, closed}`.
   *
   * With `eventTypes` or `contains` it may hold no line and yet not be the end: read on from `next` until `upToDate`.
   * With `live`, which needs an `offset`, it waits until there is a line, for 20 seconds at most.
   *
   * @param {string} id
   * @param {import("./client.js").ReadOptions} [options]
   */
  async read(id, { signal, ...options } = {}) {
    const response = await this.#request(pathOf(id), queryOf(options), {
      headers: { Accept: "application/x-ndjson" },
      signal,
    });
    const bytes = await bodyOf(response, "arrayBuffer", signal);
    const text = new TextDecoder().decode(bytes);
    const next = response.headers.get("Stream-Next-Offset") ?? ZERO;
    const { offset, limit: _limit, ...query } = options;
    const elsewhere = options.tail !== undefined || options.since !== undefined || offset === "now";
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

  /**
   * The offset of a line, also of one that came through a filter or stands beside empty lines.
   *
   * @param {Line} line
   * @param {{ signal?: AbortSignal }} [options]
   */
  async locate(line, { signal } = {}) {
    if (line.exact) return line.offset;
    const guess = toldOffset(line) ?? this.#placeOf(line);
    if (guess !== null && (await this.#stands(line, guess, signal))) return guess;
    const token = (await this.#searchByTime(line, signal)) ?? (await this.#searchByCount(line, signal));
    if (token === null) throw new StreamhubError("this line cannot be found in the stream any more", { status: 410 });
    return token;
  }

  /** Where a line stands if no empty lines are beside it; null: it came through a filter, and nobody knows. */
  #placeOf({ generation, start, origin: { from, query } }) {
    return from === null && query !== null && !isFiltered(query) ? tokenAt(generation, start) : null;
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

  /** Among all lines from its time on. */
  async #searchByTime(line, signal) {
    const { timestamp } = line.event;
    if (Number.isNaN(Date.parse(timestamp))) return null;
    try {
      return await this.#searchFrom({ since: timestamp }, { line, limit: 1000, signal });
    } catch (error) {
      if (error.status === 400) return null; // no time that the server can read
      throw error;
    }
  }

  /** After those that the same filter lets through before it: for files whose times are out of order. */
  async #searchByCount(line, signal) {
    const { from, query, index } = line.origin;
    const start = from === null ? { since: query?.since, tail: query?.tail } : { offset: from };
    const before = index > 0 && (await this.read(line.stream, { ...query, ...start, limit: index, signal }));
    return this.#searchFrom(before ? { offset: before.next } : start, { line, signal });
  }

  /** Among all lines from a place on, as far as one filtered answer goes. */
  async #searchFrom(start, { line, limit = undefined, signal }) {
    let where = start;
    for (let pages = 0; pages < 17; pages++) {
      const page = await this.read(line.stream, { ...where, limit, signal });
      const index = page.lines.findIndex((other) => other.text === line.text);
      if (index >= 0) return this.#startOf(page.lines[index], where, signal);
      if (page.upToDate) return null;
      where = { offset: page.next };
    }
    return null;
  }

  /** The offset of a line that was read, unfiltered, from a place on; null: it cannot be told. */
  async #startOf(line, where, signal) {
    if (line.exact) return line.offset;
    const { index, from } = line.origin;
    // After so many lines the answer ends before this one; where it is the last of several, it may run on behind it.
    const before = index > 0 ? (await this.read(line.stream, { ...where, limit: index, signal })).next : from;
    const token = before ?? (await this.#startOfFirst(line, where, signal));
    return token !== null && (await this.#stands(line, token, signal)) ? token : null;
  }

  async #startOfFirst(line, where, signal) {
    const page = await this.read(line.stream, { ...where, limit: 1, signal });
    const byte = byteOf(page.next) - sizeInFile(line.text, false);
    return byte < 0 ? null : tokenAt(generationOf(page.next), byte);
  }

  /**
   * How many events of which type, over time.
   *
   * @param {string} id
   * @param {{ buckets?: number, since?: string, until?: string, signal?: AbortSignal }} [options]
   */
  async summary(id, { buckets, since, until, signal } = {}) {
    const query = queryOf({ since, until });
    if (buckets !== undefined) query.set("buckets", String(buckets));
    const response = await this.#request(`${pathOf(id)}/summary`, query, { signal });
    return bodyOf(response, "json", signal);
  }

  /**
   * A stream's lines up to where it stands now, a Blob at a time: `onpart(blob, done, all)`, in bytes. Gives how many
   * bytes of the file were read.
   *
   * @param {string} id
   * @param {{ onpart: (part: Blob, done: number, all: number) => void, signal?: AbortSignal }} options
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
      const blob = await bodyOf(response, "blob", signal);
      const after = response.headers.get("Stream-Next-Offset") ?? next;
      if (byteOf(after) <= byteOf(next))
        throw new StreamhubError("the stream was cut while it was read", { status: 410 });
      next = after;
      onpart(blob, Math.min(byteOf(next), all), all);
    }
    return byteOf(next);
  }

  /**
   * Follow streams live: see `Follower`.
   *
   * @param {import("./client.js").FollowOptions} [options]
   */
  follow(options) {
    return new Follower(this, options);
  }

  /** Whether there is a WebSocket to follow with. */
  get hasSocket() {
    return Boolean(this.#WebSocket);
  }

  /**
   * The socket that follows what `query` names.
   *
   * @param {URLSearchParams} query
   * @returns {WebSocket}
   */
  socket(query) {
    const url = `${this.#base.replace(/^http/, "ws")}/v1/ws?${query}`;
    if (this.#token === null) return /** @type {WebSocket} */ (new this.#WebSocket(url));
    const encoded = btoa(this.#token).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    return /** @type {WebSocket} */ (new this.#WebSocket(url, ["streamhub.v1", `bearer.${encoded}`]));
  }

  /**
   * @param {string} path
   * @param {URLSearchParams} query
   * @param {RequestInit & { headers?: Record<string, string> }} [options]
   */
  async #request(path, query, { headers = {}, ...options } = {}) {
    const search = String(query);
    let response;
    try {
      response = await this.#fetch(`${this.#base}${path}${search && `?${search}`}`, {
        ...options,
        headers: { ...this.#headers, ...headers },
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new StreamhubError("the server cannot be reached", { cause: error });
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

/** A response's body; a server that goes away in the middle of it is one that cannot be reached. */
async function bodyOf(response, form, signal) {
  try {
    return await response[form]();
  } catch (error) {
    signal?.throwIfAborted();
    throw new StreamhubError("the server's answer broke off", { cause: error });
  }
}

function pathOf(id) {
  return `/v1/stream/${encodeURIComponent(id)}`;
}
