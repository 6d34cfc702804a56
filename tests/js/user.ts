// A program that uses the JavaScript client, for the TypeScript compiler to check: it is never run.
import { Client, Follower, Line, StreamhubError, ZERO, byteOf, generationOf, tokenAt } from "../../streamhub/web/static/client.js";
import type { FollowOptions, FollowerState, Offset, Page, StreamEntry, StreamEvent, Summary } from "../../streamhub/web/static/client.js";

export async function look(client: Client): Promise<number> {
  const { streams, next } = await client.streams({ limit: 10, prefix: "m-", missionId: "m" });
  const entry: StreamEntry | undefined = streams[0];
  const more: string | null = next;
  const { tail, closed } = await client.head(entry?.id ?? "s", { offset: ZERO });
  const page: Page = await client.read("s", { tail: 5, eventTypes: ["signal"], contains: "x", limit: 3, wait: true });
  await client.read("s", { offset: page.next, live: true });
  const lines: Line[] = page.lines;
  const event: StreamEvent | undefined = lines[0]?.event;
  const offset: Offset = await client.locate(lines[0]!);
  const summary: Summary = await client.summary("s", { buckets: 3 });
  const bytes = await client.download("s", { onpart: (part: Blob, done, all) => void [part.size, done / all] });
  void [more, closed, event?.payload, event?.event_type === "malformed", tokenAt(generationOf(tail), byteOf(offset))];
  return bytes + summary.events + (summary.by_type["signal"] ?? 0);
}

export function withoutSocket(url: string): Client {
  return new Client(url, { WebSocket: null });
}

export function follow(url: string, options: FollowOptions, token: string): Follower {
  const follower = new Client(url, { token }).follow({ streams: ["a", ["b", ZERO]], match: ["m-*"], tail: 1, ...options });
  follower.addEventListener("events", ({ detail }) => {
    const { stream, lines, from, next, upToDate }: { stream: string; lines: Line[]; from: Offset; next: Offset; upToDate: boolean } = detail;
    void [stream, lines[0]?.text, from, next, upToDate];
  });
  follower.addEventListener("reset", ({ detail }) => {
    if (detail.earliest !== null && detail.missed) follower.add(detail.stream, detail.earliest);
  });
  follower.addEventListener("failed", ({ detail }) => {
    const error: StreamhubError = detail.error;
    void [error.status, error.retryAfter, error.message];
  });
  follower.addEventListener("state", ({ detail }) => {
    const state: FollowerState = detail;
    if (state.name === "waiting" && state.retryAt !== null) follower.retry();
  });
  // @ts-expect-error: there is no such event
  follower.addEventListener("events", ({ detail }) => detail.nothing);
  // @ts-expect-error: nothing can be sent
  follower.send("anything");
  const places: Map<string, Offset | null> = follower.places;
  void places;
  return follower;
}
