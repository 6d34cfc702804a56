/** How a stream stands: in one word for its colour, and in words. */

import { ago } from "./clock.js";

/** Nothing for so long, and a stream is called quiet: it may go on any time, and nothing else is known of it. */
const QUIET = 30_000;
const ENDS = ["completed", "failed", "cancelled"];

/** So far ahead of this clock, and one of the two is wrong. */
const AHEAD = 60_000;

/**
 * @param stream `{closed, time, row, bytes, known}`: whether it is closed, when it was last heard of (null: never, or
 *   without a time), its last row, its size as far as they are known; and whether the server is there, or else nobody
 *   knows whether it is quiet
 * @returns `[state, words]`
 */
export function standing({ closed, time, row, bytes = 0, known = true }) {
  if (closed) {
    const state = stateOf(row);
    return ENDS.includes(state) ? [state, state] : ["ended", "ended"];
  }
  if (time === null) return ["quiet", row || bytes > 0 ? "no times" : "no event yet"];
  if (time - Date.now() > AHEAD) return ["unknown", "times are ahead"];
  if (!known) return ["unknown", `last heard ${ago(time)}`];
  // The word is not the one for a connection.
  return Date.now() - time > QUIET ? ["quiet", `quiet for ${ago(time).replace(" ago", "")}`] : ["live", "active"];
}

/** The state that a status tells; empty for any other row. */
export function stateOf(row) {
  return row?.parts.find((part) => part.role === "state")?.text.toLowerCase() ?? "";
}
