/** `<stream-view>`: one stream, with all there is to look at it. */

import "./detail.js";
import "./head.js";
import "./pane.js";
import "./timeline.js";
import "./toolbar.js";
import { clock } from "./clock.js";
import { h } from "./dom.js";
import { download } from "./download.js";
import { Controls } from "./controls.js";
import { streamHash } from "./router.js";
import { Session } from "./session.js";
import { settings } from "./settings.js";
import { visible } from "./text.js";

export class StreamView extends HTMLElement {
  #client;
  #follower;
  #session;
  #timeline;
  #controls;
  #pane;
  #detail;
  #zoom = 0;

  /** @param place `{id, offset, types, text}` */
  constructor(client, place) {
    super();
    this.#client = client;
    this.place = place;
  }

  connectedCallback() {
    const { id, offset, types, text } = this.place;
    this.#follower = this.#client.follow({});
    this.#session = new Session(this.#client, id, this.#follower);
    const head = h("stream-head", {});
    const toolbar = h("stream-toolbar", {});
    this.#timeline = h("stream-timeline", {});
    this.#pane = h("stream-pane", { label: `Events of ${id}` });
    this.#detail = h("event-detail", { hidden: true, role: "complementary", "aria-label": "Event" });
    head.back = true;
    this.replaceChildren(head, this.#timeline, toolbar, h("div", { class: "split" }, this.#pane, this.#detail));
    head.actions = [
      h(
        "button",
        {
          class: "quiet",
          title: "Save the stream as JSONL; what stands for a malformed line takes its place",
          onclick: (event) => download(this.#client, id, event.target),
        },
        "Download",
      ),
    ];
    head.session = this.#session;
    this.#pane.session = this.#session;
    this.#controls = new Controls({
      session: this.#session,
      client: this.#client,
      pane: this.#pane,
      toolbar,
      detail: this.#detail,
      moved: () => this.#moved(),
    });
    this.#pane.ruler.describe = (fraction) => this.#describe(fraction);
    this.#listen();
    toolbar.text = text;
    toolbar.types = types;
    this.#begin({ offset, types, text });
  }

  disconnectedCallback() {
    this.#session.close();
    this.#follower.close();
  }

  /** Do what a key stands for; false when it stands for nothing here. */
  command(name) {
    return this.#controls.command(name);
  }

  /** The rows that are held, for printing. */
  get printable() {
    return { title: this.place.id, rows: this.#session.window.rows, origin: this.#session.times.first ?? 0 };
  }

  async #begin(place) {
    const row = await this.#session.start(place);
    if (row) this.#pane.arrive(row, { choose: true });
  }

  #listen() {
    const session = this.#session;
    session.addEventListener("summary", () => this.#counted());
    session.addEventListener("window", () => this.#moved());
    this.#timeline.addEventListener("time", async ({ detail }) => this.#pane.arrive(await session.goToTime(detail.ms)));
    this.#timeline.addEventListener("range", ({ detail }) => this.#setRange(detail));
    this.#controls.addEventListener("range", ({ detail }) => this.#setRange(detail.range));
  }

  async #setRange(range) {
    const row = await this.#session.setRange(range && { ...range, origin: this.#session.times.first ?? 0 });
    if (range && !this.#session.filter.text) this.#pane.arrive(row);
    this.#zoomIn();
  }

  #counted() {
    const { summary, times } = this.#session;
    document.title = `${visible(summary.mission_id ?? this.place.id)} · streamhub`;
    this.#controls.counts(summary);
    const { options } = this.#pane.rows;
    const withDate = new Date(times.first).toDateString() !== new Date(times.last).toDateString();
    if (options.origin !== times.first || options.withDate !== withDate) {
      Object.assign(options, { origin: times.first ?? 0, withDate });
      this.#pane.rows.redraw();
    }
    if (this.#session.range) this.#zoomIn();
    else this.#timeline.show(summary);
    this.#markRuler(summary);
  }

  /** The timeline of a range has finer buckets. */
  async #zoomIn() {
    const turn = (this.#zoom += 1);
    const { range, summary } = this.#session;
    if (!summary) return;
    if (range === null) {
      this.#timeline.show(summary);
      return;
    }
    try {
      const zoomed = await this.#session.summarise(range);
      if (turn === this.#zoom) this.#timeline.show({ ...summary, buckets: zoomed.buckets }, range);
    } catch {
      // the server is away: the next summary brings it
    }
  }

  #markRuler({ buckets }) {
    const ticks = [];
    for (const { offset, by_type: counts } of buckets) {
      const at = this.#session.fractionAt(offset);
      if (counts.malformed) ticks.push({ at, kind: "malformed" });
      if (counts.status) ticks.push({ at, kind: "status" });
    }
    this.#pane.ruler.mark(ticks);
  }

  #describe(fraction) {
    const { window, times } = this.#session;
    const time = this.#session.timeAt(fraction * window.tail);
    const share = `${Math.round(fraction * 100)} %`;
    return time === null ? share : `${share} · ${clock(time, settings.times, { origin: times.first ?? 0 })}`;
  }

  /** The address says what is looked at, so that it can be sent to somebody. */
  #moved() {
    const { filter } = this.#session;
    const offset = this.#pane.selected?.offset ?? null;
    const hash = streamHash({ id: this.place.id, offset, types: filter.types, text: filter.text });
    if (this.isConnected && location.hash !== hash) history.replaceState(null, "", hash);
  }
}

customElements.define("stream-view", StreamView);
