/** `<stream-board>`: several streams, side by side or merged by time, on one socket. */

import "./detail.js";
import "./head.js";
import "./pane.js";
import "./toolbar.js";
import { spansDays } from "./clock.js";
import { Controls } from "./controls.js";
import { h } from "./dom.js";
import { MergedSession } from "./merge.js";
import { boardHash, streamHash } from "./router.js";
import { Session } from "./session.js";
import { settings } from "./settings.js";
import { visible } from "./text.js";

export class StreamBoard extends HTMLElement {
  #client;
  #follower;
  #sessions;
  #merged;
  #controls;
  #drawn = null; // what rows show that is of their streams, as it was when they were last drawn anew

  /** @param place `{ids, merged}` */
  constructor(client, place) {
    super();
    this.#client = client;
    this.place = place;
  }

  connectedCallback() {
    const { ids, merged } = this.place;
    this.#follower = this.#client.follow({});
    this.#sessions = ids.map((id) => new Session(this.#client, id, this.#follower));
    this.#merged = new MergedSession(this.#sessions);
    const toolbar = h("stream-toolbar", {});
    const detail = h("event-detail", { hidden: true, role: "complementary", "aria-label": "Event" });
    const panes = merged
      ? [h("stream-pane", { label: "Events of all streams, by time" })]
      : ids.map((id) => h("stream-pane", { label: `Events of ${id}` }));
    const heads = this.#sessions.map((_, order) => h("stream-head", { class: `stream-${order}` }));
    const body = merged
      ? h("div", { class: "merged" }, h("div", { class: "heads" }, ...heads), panes[0])
      : h(
          "div",
          { class: "columns" },
          ...heads.map((head, index) =>
            h("section", { class: "column", "aria-label": ids[index] }, head, panes[index]),
          ),
        );
    this.replaceChildren(
      h(
        "header",
        { class: "list-head" },
        h("a", { class: "back", href: "#/" }, "Streams"),
        h("h1", {}, `${ids.length} streams`),
        h("a", { class: "button", href: boardHash(ids), "aria-current": !merged && "true" }, "Side by side"),
        h(
          "a",
          { class: "button", href: boardHash(ids, { merged: true }), "aria-current": merged && "true" },
          "Merged by time",
        ),
      ),
      toolbar,
      h("div", { class: "split" }, body, detail),
    );
    this.#connect(heads, panes, merged);
    this.#controls = new Controls({ session: this.#merged, client: this.#client, pane: panes[0], toolbar, detail });
    for (const pane of panes.slice(1)) this.#controls.listenTo(pane);
    this.#controls.addEventListener("range", ({ detail }) => this.#setRange(detail.range, panes[0]));
    for (const session of this.#sessions) session.start({});
  }

  disconnectedCallback() {
    this.#merged.close();
    for (const session of this.#sessions) session.close();
    this.#follower.close();
  }

  command(name) {
    return this.#controls.command(name);
  }

  get printable() {
    return { title: this.place.ids.join(", "), rows: this.#merged.window.rows, origin: this.#merged.times.first ?? 0 };
  }

  #connect(heads, panes, merged) {
    this.#sessions.forEach((session, index) => {
      heads[index].actions = [h("a", { class: "quiet button", href: streamHash({ id: session.id }) }, "Alone")];
      heads[index].session = session;
      if (!merged) panes[index].session = session;
      session.addEventListener("summary", () => this.#counted(panes));
    });
    if (!merged) return;
    panes[0].session = this.#merged;
    panes[0].rows.options.tag = ({ stream }) => ({
      name: visible(this.#nameOf(stream)),
      order: this.place.ids.indexOf(stream),
    });
  }

  async #setRange(range, pane) {
    const row = await this.#merged.setRange(range && { ...range, origin: this.#merged.times.first ?? 0 });
    if (range && !this.#merged.filter.text) pane.arrive(row);
  }

  #nameOf(id) {
    return this.#sessions.find((session) => session.id === id)?.summary?.mission_id ?? id;
  }

  #counted(panes) {
    const sum = { by_type: {}, malformed: 0 };
    for (const { summary } of this.#sessions) {
      if (!summary) continue;
      sum.malformed += summary.malformed;
      for (const [type, number] of Object.entries(summary.by_type))
        sum.by_type[type] = (sum.by_type[type] ?? 0) + number;
    }
    this.#controls.counts(sum);
    const { first, last } = this.#merged.times;
    const looks = { origin: first ?? 0, withDate: spansDays(first, last, settings.times) };
    const names = this.#sessions.map(({ id }) => this.#nameOf(id));
    const drawn = JSON.stringify([looks, names]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    for (const { rows } of panes) {
      Object.assign(rows.options, looks);
      rows.redraw();
    }
  }
}

customElements.define("stream-board", StreamBoard);
