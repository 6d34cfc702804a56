/** Reading the server's list of streams, page by page. */

/** The most that the server gives at once. */
const PAGE = 1000;

/**
 * The newest streams, or the newest ones whose id or mission a text is found in; case is ignored.
 *
 * @param options `{text, wanted, most, signal}`: so many streams are wanted, so many are gone through for a text
 * @returns `{streams, more, searched, pages}`: whether there are more, or may be; how many were gone through, on how many
 *   pages
 */
export async function listStreams(client, { text = "", wanted, most, signal }) {
  const limit = text ? PAGE : Math.min(PAGE, wanted);
  const found = new Map(); // one that moved to the front meanwhile may come twice
  let [searched, pages, after] = [0, 0, null];
  do {
    const page = await client.streams({ limit, after, signal });
    for (const stream of page.streams) if (isCalled(stream, text)) found.set(stream.id, stream);
    searched += page.streams.length;
    pages += 1;
    after = page.next;
  } while (after !== null && found.size < wanted && (text === "" || searched < most));
  if (after !== null && found.size < wanted) {
    // The server itself knows where ids begin so, and missions by their whole names: however old they are.
    const asked = [{ prefix: text }, { missionId: text }];
    for (const page of await Promise.all(asked.map((query) => client.streams({ limit: wanted, ...query, signal }))))
      for (const stream of page.streams) found.set(stream.id, stream);
  }
  const streams = [...found.values()].slice(0, wanted);
  return { streams, more: after !== null || found.size > wanted, searched, pages };
}

/** Whether a text is found in a stream's id or mission. */
export function isCalled({ id, mission_id: mission }, text) {
  return `${id}\n${mission ?? ""}`.toLowerCase().includes(text.toLowerCase());
}
