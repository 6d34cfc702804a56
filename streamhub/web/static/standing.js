/** How a stream stands: in one word for its colour, and in words. */

import { ago } from "./clock.js";

/** Nothing for so long, and a stream is called quiet: it may go on any time, and nothing else is known of it. */
const QUIET = 30_000;
const ENDS = ["completed", "failed", "cancelled"];

/**
 * @param stream `{closed, time, row, known}`: whether it is closed, when it was last heard of (null: never), its last
 *   row; and whether the server is there, or else nobody knows whether it is quiet
 * @returns `[state, words]`
 */
export function standing({ closed, time, row, known = true }) {
  if (closed) {
    const state = stateOf(row);
    return ENDS.includes(state) ? [state, state] : ["ended", "ended"];
  }
  if (time === null) return ["quiet", "no event yet"];
  if (!known) return ["unknown", `last heard ${ago(time)}`];
  return Date.now() - time > QUIET ? ["quiet", `quiet for ${ago(time).replace(" ago", "")}`] : ["live", "live"];
}

/** The state that a status tells; empty for any other row. */
export function stateOf(row) {
  return row?.parts.find((part) => part.role === "state")?.text.toLowerCase() ?? "";
}
