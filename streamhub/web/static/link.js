/** Links to an event: its offset in the page's address. */

import { byteOf } from "./client.js";

const GONE = "the event of the link is gone: its file was cut or replaced";
const NONE = "the link leads to no event: no line begins there";

/**
 * What a link is good for: `{byte, trouble}`, the start of its line, or (null) in words why it leads nowhere.
 */
export async function follow(client, id, offset) {
  let byte;
  try {
    byte = byteOf(offset);
  } catch {
    return { byte: null, trouble: NONE };
  }
  try {
    await client.head(id, { offset });
    return { byte, trouble: null };
  } catch (error) {
    if (error.status === 410) return { byte: null, trouble: GONE };
    if (error.status === 400) return { byte: null, trouble: NONE };
    throw error; // the server is away, or refuses: nobody knows
  }
}
