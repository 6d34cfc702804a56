/** What the toolbar and the keyboard do to a pane and its session; one stream's, or several that are shown as one. */

import { parseMoment, parseRange } from "./clock.js";
import { parseTime } from "./event.js";
import { settings } from "./settings.js";

export class Controls extends EventTarget {
  #session;
  #client;
  #pane;
  #toolbar;
  #detail;
  #moved;
  #highlight = "";
  #inContext = true;
  #turn = 0;

  constructor({ session, client, pane, toolbar, detail, moved = () => {} }) {
    super();
    this.#session = session;
    this.#client = client;
    this.#pane = pane;
    this.#toolbar = toolbar;
    this.#detail = detail;
    this.#moved = moved;
    this.#listen();
  }

  /** The pane that keys move. */
  set pane(pane) {
    this.#pane = pane;
  }

  counts(summary) {
    this.#toolbar.counts(summary.by_type, summary.malformed);
  }

  /** Do what a key stands for; false when it stands for nothing here. */
  command(name) {
    const { [name]: act } = this.#commands;
    if (!act) return false;
    act();
    return true;
  }

  #commands = {
    find: () => this.#toolbar.focusSearch(),
    next: () => this.#pane.step(1),
    previous: () => this.#pane.step(-1),
    first: () => this.#pane.goFirst(),
    last: () => this.#last(),
    follow: () => this.#toggleFollow(),
    match: () => this.#nextMatch(),
    open: () => this.#open(this.#pane.selected),
    escape: () => this.#escape(),
  };

  #listen() {
    const session = this.#session;
    const on = (type, handle) => this.#toolbar.addEventListener(type, ({ detail }) => handle(detail));
    on("find", ({ text }) => this.#search(text)); // `search` is what the browser says of its field
    on("types", ({ types }) => this.#filter({ types }));
    on("moment", ({ text }) => this.#goToMoment(text));
    on("first", () => this.#pane.goFirst());
    on("last", () => this.#last());
    on("follow", () => this.#toggleFollow());
    on("cancel", () => session.cancelSearch());
    on("continue", async () => this.#pane.arrive(await session.continueSearch()));
    on("whole", () => this.#setRange(null));
    session.addEventListener("state", () => this.#toolbar.show(session));
    session.addEventListener("window", () => this.#looksElsewhere());
    this.listenTo(this.#pane);
    this.#detail.addEventListener("close", () => this.#close());
    this.#detail.addEventListener("step", ({ detail }) => this.#pane.step(detail.by));
    this.#detail.addEventListener("context", () => this.#showInContext());
    this.#detail.addEventListener("located", () => this.#moved());
  }

  /** What is searched for is marked, also where the page's address says so; and stays marked among all events. */
  #looksElsewhere() {
    const { text } = this.#session.filter;
    if (text) this.#setHighlight(text);
    this.#toolbar.show(this.#session);
  }

  /** Show what is picked in a pane. */
  listenTo(pane) {
    pane.addEventListener("pick", ({ detail }) => {
      this.#pane = pane;
      this.#open(detail.row);
    });
  }

  #open(row) {
    this.#detail.hidden = !row;
    this.#moved();
    if (!row) return;
    this.#inContext = !this.#session.window.filtered;
    this.#detail.show(row, this.#client, { origin: this.#session.times.first, inContext: this.#inContext });
  }

  #close() {
    this.#pane.select(null);
    this.#pane.rows.focus();
  }

  #escape() {
    if (this.#session.search?.active) this.#session.cancelSearch();
    else if (!this.#detail.hidden) this.#close();
    else if (this.#session.filter.text) this.#search("");
    else document.activeElement?.blur();
    if (this.#toolbar.contains(document.activeElement)) this.#pane.rows.focus();
  }

  #last() {
    this.#pane.select(null);
    this.#pane.goLast();
  }

  #toggleFollow() {
    if (this.#session.following) this.#session.freeze();
    else this.#last();
  }

  async #search(text) {
    if (text === this.#session.filter.text) return;
    this.#toolbar.text = text;
    this.#setHighlight(text);
    await this.#filter({ text });
  }

  /** Other rows, but near to where the view is. */
  async #filter(filter) {
    const near = this.#pane.selected ?? this.#pane.rows.top;
    const turn = (this.#turn += 1);
    const { filter: before } = this.#session;
    const moving = this.#session.setFilter(filter, near?.start ?? null);
    // Among some only, the event that was open may not be: what it stood for is left.
    if (this.#session.filter !== before && this.#session.window.filtered) this.#pane.select(null);
    const row = await moving;
    if (turn === this.#turn) this.#showFilter(filter);
    // A search shows what it finds from the first on, while it goes on: by its end one may have scrolled.
    if (!filter.text && !this.#session.following) this.#pane.arrive(row);
  }

  /** What could not be filtered looks so. */
  #showFilter({ types, text }) {
    const { filter } = this.#session;
    if (types !== undefined && types.join() !== filter.types.join()) this.#toolbar.types = filter.types;
    if (text === undefined || text === filter.text) return;
    this.#toolbar.text = filter.text;
    this.#setHighlight(filter.text);
  }

  #setHighlight(text) {
    if (text === this.#highlight) return;
    this.#highlight = text;
    this.#pane.rows.options.highlight = text;
    this.#pane.rows.redraw();
  }

  /** All events again, around the chosen one; what was searched for stays marked, and `n` goes on from there. */
  async #showInContext(row = this.#pane.selected) {
    if (!row) return;
    this.#toolbar.text = "";
    this.#toolbar.types = [];
    this.#pane.arrive(await this.#session.showInContext(row), { choose: true });
  }

  async #nextMatch() {
    const text = this.#highlight;
    if (!text) this.#toolbar.focusSearch();
    else if (this.#session.filter.text) this.#pane.step(1);
    else await this.#showInContext(await this.#session.findNext(text, this.#pane.selected ?? this.#pane.rows.top));
  }

  async #goToMoment(text) {
    const { first, last } = this.#session.times;
    if (first === null) {
      this.#toolbar.complain("There is no event with a time yet");
      return;
    }
    const isRange = text.includes("..");
    const asked = (isRange ? parseRange : parseMoment)(text, { mode: settings.times, first, last, parseTime });
    if (asked === null) this.#toolbar.complain("This is no time: try 12:03:22, +5:00, -10m or 12:00..12:05");
    else if (isRange) this.#setRange(asked);
    else this.#pane.arrive(await this.#session.goToTime(asked));
  }

  #setRange(range) {
    this.dispatchEvent(new CustomEvent("range", { detail: { range } }));
  }
}
