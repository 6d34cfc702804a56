/** The types of client.js: a client for streamhub, which reads event streams and never writes. */

/** A place between two lines of a stream: `<generation>_<byte>`. It sorts as text. */
export type Offset = string;

/** The offset of an empty stream; it always means the beginning. */
export const ZERO: Offset;

/** The byte that an offset stands for. */
export function byteOf(token: Offset): number;

/** The generation of an offset: two files with the same first line have the same one. */
export function generationOf(token: Offset): string;

/** The offset of a byte that is known to be the start of a line. */
export function tokenAt(generation: string, byte: number): Offset;

/** What a line holds: an event of the schema, a `malformed` stand-in, or any other JSON object. */
export interface StreamEvent {
  timestamp?: string;
  mission_id?: string;
  event_type?: "navigation" | "extraction" | "signal" | "status" | "malformed" | (string & {});
  payload?: Record<string, unknown>;
  [field: string]: unknown;
}

/** One line of a stream: its text, and where it stands. */
export class Line {
  private constructor();
  readonly stream: string;
  readonly generation: string;
  /** The line's JSON, as it stands in the file. */
  readonly text: string;
  /** Where it begins and ends, in bytes; estimates unless `exact`. */
  readonly start: number;
  readonly end: number;
  /** False for lines that came through a filter, or beside empty lines: `Client.locate` finds their offset. */
  readonly exact: boolean;
  /** The event; parsed when it is first asked for. */
  readonly event: StreamEvent;
  /** Its offset; null when it is not known exactly. */
  readonly offset: Offset | null;
}

/** An answer that is not what was asked for. */
export class StreamhubError extends Error {
  /** The HTTP status; 0 when there was no answer at all. */
  readonly status: number;
  /** The earliest offset, when the one that was given is gone (410). */
  readonly earliest: Offset | null;
  /** When to ask again, in milliseconds, if the server said so. */
  readonly retryAfter: number | null;
}

export interface StreamEntry {
  id: string;
  mission_id: string | null;
  tail: Offset;
  bytes: number;
  first: string | null;
  last: string | null;
  closed: boolean;
}

export interface Summary {
  id: string;
  mission_id: string | null;
  events: number;
  malformed: number;
  bytes: number;
  tail: Offset;
  closed: boolean;
  first: string | null;
  last: string | null;
  by_type: Record<string, number>;
  buckets: { from: string; offset: Offset; by_type: Record<string, number> }[];
}

export interface Page {
  lines: Line[];
  /** Where to read on. */
  next: Offset;
  /** Whether this reaches the tail. */
  upToDate: boolean;
  /** Whether nothing will ever follow. */
  closed: boolean;
}

/** Where to start (at most one of `offset`, `tail` and `since`; the beginning without), and which lines. */
export interface ReadOptions {
  offset?: Offset | "-1" | "now";
  /** The last so many lines. */
  tail?: number;
  /** The first line at or after this ISO 8601 time. */
  since?: string;
  until?: string;
  eventTypes?: string[];
  /** The line's text contains this; ASCII case is ignored. */
  contains?: string;
  limit?: number;
  /** The stream may not be there yet. */
  wait?: boolean;
  /** Wait until there is a line after `offset`, which is to be given; for 20 seconds at most. */
  live?: boolean;
  signal?: AbortSignal;
}

export interface ListOptions {
  limit?: number;
  /** The `next` of the page before. */
  after?: string | null;
  /** Only streams whose id begins so. */
  prefix?: string;
  missionId?: string;
  signal?: AbortSignal;
}

/** The global `WebSocket`, or one that is made like it: that of the package `ws`. */
export type SocketClass = new (url: string, protocols?: string[]) => unknown;

/** Reads streams from one server. */
export class Client {
  /**
   * @param base the server's URL; the page's own by default
   * @param options `token`: a bearer token (one that no header can carry is an error at once); `fetch` and `WebSocket`: what to use instead of the global ones
   *   (`WebSocket` null: none, so that following is done by long-polls)
   */
  constructor(
    base?: string | URL,
    options?: { token?: string | null; fetch?: typeof fetch; WebSocket?: SocketClass | null },
  );

  /** A page of the list of streams, newest activity first. */
  streams(options?: ListOptions): Promise<{ streams: StreamEntry[]; next: string | null }>;

  /** Where a stream stands. An offset is checked on the way: 400 or 410. */
  head(id: string, options?: { offset?: Offset; signal?: AbortSignal }): Promise<{ tail: Offset; closed: boolean }>;

  /** One answer's worth of a stream. Filtered, it may hold no line and not be the end: read on until `upToDate`. */
  read(id: string, options?: ReadOptions): Promise<Page>;

  /** The offset of a line, also of one that came through a filter. */
  locate(line: Line, options?: { signal?: AbortSignal }): Promise<Offset>;

  /** How many events of which type, over time. */
  summary(
    id: string,
    options?: { buckets?: number; since?: string; until?: string; signal?: AbortSignal },
  ): Promise<Summary>;

  /** A stream's lines up to where it stands now, a Blob at a time; gives how many bytes were read. */
  download(
    id: string,
    options: { onpart: (part: Blob, done: number, all: number) => void; signal?: AbortSignal },
  ): Promise<number>;

  /** Follow streams live, over one socket; by long-polls where none can be had. */
  follow(options?: FollowOptions): Follower;
}

export interface FollowOptions {
  /** Ids, or pairs of an id and the offset to start from. */
  streams?: (string | [id: string, offset: Offset | "-1" | null])[];
  /** Globs: streams that appear later join by themselves, from their beginning. */
  match?: string[];
  /** Begin with the last so many lines, where no offset is given. */
  tail?: number;
  eventTypes?: string[];
  contains?: string;
}

export interface FollowerState {
  name: "connecting" | "open" | "waiting" | "ended" | "failed" | "closed";
  /** Since when, in milliseconds since 1970. */
  since: number;
  /** How often it was tried in vain. */
  attempt: number;
  /** When it is tried again, while `waiting`. */
  retryAt: number | null;
}

export interface FollowerEvents {
  open: CustomEvent<{ stream: string; offset: Offset; tail: Offset; closed: boolean }>;
  events: CustomEvent<{ stream: string; lines: Line[]; from: Offset; next: Offset; upToDate: boolean }>;
  end: CustomEvent<{ stream: string; next: Offset }>;
  /**
   * The file was cut, replaced or (`earliest` null) deleted: no more of it comes. `missed`: that was found out only on
   * coming back, so that there may have been events in between that nobody can have.
   */
  reset: CustomEvent<{ stream: string; earliest: Offset | null; missed: boolean }>;
  /** There is no such stream (yet); it is waited for. */
  missing: CustomEvent<{ stream: string }>;
  state: CustomEvent<FollowerState>;
  /** The server refuses, and asking again is no use. */
  failed: CustomEvent<{ error: StreamhubError }>;
}

/**
 * Follows streams over one socket, each event once; it reconnects by itself and resumes each stream by its offset. Where
 * no socket can be had it goes on with long-polls.
 */
export class Follower extends EventTarget {
  constructor(client: Client, options?: FollowOptions);
  readonly state: FollowerState;
  /** Where each stream is to be resumed. */
  readonly places: Map<string, Offset | null>;
  /** Follow one more stream, or one from another place. */
  add(id: string, offset?: Offset | null): void;
  /** Follow a stream no more. */
  remove(id: string): void;
  /** Try at once, if it waits to connect again. */
  retry(): void;
  /** Follow nothing any more. */
  close(): void;
  addEventListener<Name extends keyof FollowerEvents>(
    type: Name,
    listener: (event: FollowerEvents[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
