/** What a socket's address names: nothing else says what it carries. */

import { ZERO, byteOf } from "./lines.js";
import { StreamhubError, matches } from "./query.js";

/** Bytes of an address, of the 64 KiB that a server takes. */
const LONGEST = 48 * 1024;

/**
 * The parameters of a socket. Of the streams that its globs bring anyway, those that find no room come from their
 * beginning: those of which the least comes again.
 *
 * @param {URLSearchParams} query which lines
 * @param {{ wanted: [string, string | null][], over: [string, string | null][], match: string[], begun: boolean,
 *   isCounted: (id: string) => boolean }} streams `wanted` and `over`: ids and places; `begun`: whether `tail` is of no
 *   more account; `isCounted`: whether a stream had better come again than others
 */
export function addressOf(query, { wanted, over, match, begun, isCounted }) {
  const address = new URLSearchParams(query);
  const comesAnyway = ([id, place]) => place !== "now" && matches(id, match) && (begun || !query.has("tail"));
  const named = wanted.filter((stream) => !comesAnyway(stream));
  for (const [id, place] of named) address.append("stream", place === null ? id : `${id}@${place}`);
  for (const glob of match) address.append("match", glob);
  let room = LONGEST - String(address).length;
  if (room < 0)
    throw new StreamhubError(`${named.length} streams are more than an address can name: follow fewer at once`);

  const more = wanted.filter(comesAnyway).map(([id, place]) => ({ id, place, byte: byteOf(place ?? ZERO) }));
  // At its tail nothing comes of what is over.
  if (match.length > 0) more.push(...over.map(([id, place]) => ({ id, place: "now", byte: byteOf(place ?? ZERO) })));
  const last = ({ id, place }) => Number(place === "now" || isCounted(id));
  more.sort((one, other) => last(one) - last(other) || other.byte - one.byte);
  for (const { id, place } of more) {
    const stream = place === null ? id : `${id}@${place}`;
    room -= `&stream=${encodeURIComponent(stream)}`.length;
    if (room >= 0) address.append("stream", stream);
    else address.delete("tail"); // or else lines between the place and the last few would be missed
  }
  return address;
}
