/** Questions to the server, and its refusals. */

/** An answer that is not what was asked for. `status` is 0 when there was no answer at all. */
export class StreamhubError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, earliest?: string | null, retryAfter?: number | null, cause?: unknown }} [details]
   */
  constructor(message, { status = 0, earliest = null, retryAfter = null, cause } = {}) {
    super(message, { cause });
    this.name = "StreamhubError";
    this.status = status;
    this.earliest = earliest;
    this.retryAfter = retryAfter;
  }
}

/**
 * The parameters that say where to start, and which lines.
 *
 * @param {import("./client.js").ReadOptions} [options]
 */
export function queryOf({ offset, tail, since, until, eventTypes, contains, limit, wait, live } = {}) {
  const query = new URLSearchParams();
  if (offset !== undefined && offset !== null) query.set("offset", offset);
  if (tail !== undefined) query.set("tail", String(tail));
  if (since !== undefined) query.set("since", since);
  if (until !== undefined) query.set("until", until);
  for (const type of eventTypes ?? []) query.append("event_type", type);
  if (contains) query.set("contains", contains);
  if (limit !== undefined) query.set("limit", String(limit));
  if (wait) query.set("wait", "1");
  if (live) query.set("live", "long-poll");
  return query;
}

/**
 * What a response that is no answer comes to.
 *
 * @param {Response} response
 */
export async function refusal(response) {
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

/**
 * Whether lines are left out.
 *
 * @param {import("./client.js").ReadOptions} options
 */
export function isFiltered({ eventTypes, contains, until }) {
  return Boolean(eventTypes?.length || contains || until !== undefined);
}

/**
 * Whether a stream's id fits one of the globs, as the server understands them: `*`, `?`, `[…]` and `[!…]`.
 *
 * @param {string} id
 * @param {string[]} globs
 */
export function matches(id, globs) {
  return globs.some((glob) => patternOf(glob).test(id));
}

/** @type {Map<string, RegExp>} */
const patterns = new Map();

function patternOf(glob) {
  let pattern = patterns.get(glob);
  if (!pattern) {
    const source = glob.replace(/\[(!?)(\][^\]]*|[^\]]+)\]|[^]/g, (piece, not, set) => {
      if (set !== undefined) return setOf(not, set);
      if (piece === "*") return ".*";
      return piece === "?" ? "." : piece.replace(/[\\^$.|+()[\]{}/]/, "\\$&");
    });
    pattern = new RegExp(`^${source}$`, "s");
    patterns.set(glob, pattern);
  }
  return pattern;
}

function setOf(not, set) {
  const ranges = set.replace(/([^])-([^])/g, (range, first, last) => (first <= last ? range : ""));
  return `[${not && "^"}${ranges.replace(/[\\\]^[]/g, "\\$&")}]`;
}
