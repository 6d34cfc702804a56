/** Links to an event: its offset in the page's address. */

import { byteOf } from "./client.js";

/**
 * What a link is good for: `{byte, trouble}`, the start of its line, or (null) in words why it leads nowhere.
 */
export async function follow(client, id, offset) {
  try {
    const byte = byteOf(offset);
    await client.head(id, { offset });
    return { byte, trouble: null };
  } catch (error) {
    if (error.status === 0) throw error; // the server is away: nobody knows
    const gone = "the link is to a file that has since been cut or replaced";
    return { byte: null, trouble: error.status === 410 ? gone : `the link leads nowhere: ${error.message}` };
  }
}
