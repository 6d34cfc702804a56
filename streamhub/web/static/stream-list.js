/** `<stream-list>`: all streams, newest activity first. It asks for news by itself; new streams appear at the top. */

import { span } from "./clock.js";
import { h } from "./dom.js";
import { parseTime } from "./event.js";
import { boardHash } from "./router.js";
import { Row } from "./row.js";
import { StreamItem } from "./stream-item.js";

const PERIOD = 1000;
const PAGE = 60;
/** Looking into streams (last event, activity): so many at a time, and each not more often than this. */
const LOOKERS = 3;
const LOOK_PAUSE = 2500;
const MOST_CHOSEN = 6;

export class StreamList extends HTMLElement {
  #client;
  #entries = new Map();
  #items = new Map();
  #order = [];
  #next = null;
  #chosen = new Set();
  #timer = 0;
  #abort = new AbortController();
  #looking = 0;
  #queue = new Set();
  #visible = new Set();
  #list;
  #note;
  #filter;
  #more;
  #board;
  #state;
  #failures = 0;
  #since = Date.now();

  constructor(client) {
    super();
    this.#client = client;
  }

  connectedCallback() {
    this.#list = h("ul", { class: "streams", "aria-label": "Streams" });
    this.#note = h("p", { class: "empty", role: "status" }, "Looking for streams…");
    this.#more = h("button", { hidden: true, onclick: () => this.#readMore() }, "More streams");
    this.#filter = h("input", {
      type: "search",
      placeholder: "Filter by mission or stream",
      "aria-label": "Filter by mission or stream",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#filtered(),
    });
    this.#board = h("span", { class: "choice", hidden: true });
    this.#state = h(
      "span",
      { class: "connection", "data-state": "connecting" },
      h("i", { class: "dot", "aria-hidden": "true" }),
      h("span", {}, "Connecting"),
    );
    this.replaceChildren(
      h(
        "header",
        { class: "list-head" },
        h("h1", {}, "Streams"),
        this.#filter,
        this.#board,
        h("span", { class: "grow" }),
        this.#state,
      ),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "List of streams" },
        this.#list,
        this.#note,
        this.#more,
      ),
    );
    this.#watcher = new IntersectionObserver((entries) => this.#sighted(entries), { rootMargin: "120px" });
    this.#refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#watcher.disconnect();
  }

  #watcher;

  command(name) {
    const links = [...this.#list.querySelectorAll("a.open")].filter((link) => link.offsetParent);
    const at = links.indexOf(document.activeElement);
    const steps = { next: at + 1, previous: at - 1, first: 0, last: links.length - 1 };
    if (name === "find") this.#filter.focus();
    else if (name === "escape") document.activeElement?.blur();
    else if (name in steps) links[Math.max(0, Math.min(links.length - 1, steps[name]))]?.focus();
    else return false;
    return true;
  }

  // --- what there is -----------------------------------------------------------------------------------------------

  async #refresh() {
    try {
      if (!document.hidden) {
        const page = await this.#client.streams({ limit: PAGE, signal: this.#abort.signal });
        if (this.#order.length === 0) this.#next = page.next;
        this.#take(page.streams);
        this.#connected(null);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#connected(error);
    }
    if (!this.isConnected) return;
    const pause =
      Math.min(15_000, PERIOD * 2 ** Math.min(this.#failures, 4)) * (this.#failures ? 0.5 + Math.random() : 1);
    this.#timer = setTimeout(() => this.#refresh(), pause);
  }

  async #readMore() {
    try {
      const page = await this.#client.streams({ limit: PAGE, after: this.#next, signal: this.#abort.signal });
      this.#next = page.next;
      this.#take(page.streams);
    } catch (error) {
      if (error.name !== "AbortError") this.#connected(error);
    }
  }

  /** What is not among the streams read so far may still be on the server. */
  async #filtered() {
    this.#arrange();
    const text = this.#filter.value.trim();
    if (text === "" || this.#next === null) return;
    try {
      const asked = { limit: PAGE, signal: this.#abort.signal };
      const pages = await Promise.all([
        this.#client.streams({ ...asked, prefix: text }),
        this.#client.streams({ ...asked, missionId: text }),
      ]);
      if (this.#filter.value.trim() === text) this.#take(pages.flatMap((page) => page.streams));
    } catch (error) {
      if (error.name !== "AbortError") this.#connected(error);
    }
  }

  #connected(error) {
    if (error && this.#failures === 0) this.#since = Date.now();
    this.#failures = error ? this.#failures + 1 : 0;
    this.#state.dataset.state = error ? "reconnecting" : "live";
    this.#state.lastElementChild.textContent = error
      ? `${refusal(error)} · since ${span(Date.now() - this.#since)}`
      : "Live";
    if (error?.status) this.#note.textContent = refusal(error);
  }

  #take(streams) {
    for (const stream of streams) {
      const known = this.#entries.get(stream.id);
      if (known && known.tail === stream.tail && known.closed === stream.closed) continue;
      this.#entries.set(stream.id, { ...known, ...stream, time: stream.last ? parseTime(stream.last) : null });
      this.#ask(stream.id);
    }
    this.#order = [...this.#entries.values()].sort((one, other) => (other.time ?? 0) - (one.time ?? 0));
    this.#arrange();
  }

  // --- how it looks ------------------------------------------------------------------------------------------------

  #arrange() {
    const text = this.#filter.value.trim().toLowerCase();
    const shown = this.#order.filter((entry) => `${entry.id}\n${entry.mission_id ?? ""}`.toLowerCase().includes(text));
    let before = this.#list.firstElementChild;
    for (const entry of shown) {
      let item = this.#items.get(entry.id);
      if (!item) {
        item = new StreamItem(entry.id, (box) => this.#choose(entry.id, box));
        this.#items.set(entry.id, item);
        this.#watcher.observe(item.element);
      }
      item.fill(entry);
      if (item.element === before) before = before.nextElementSibling;
      // An element that is moved loses the focus: those that moved to the front are put there, the others stay.
      else this.#list.insertBefore(item.element, before);
    }
    const wanted = new Set(shown.map((entry) => entry.id));
    for (const [id, item] of this.#items) if (!wanted.has(id)) item.element.remove();
    this.#note.hidden = shown.length > 0;
    this.#note.textContent = this.#order.length
      ? "No stream is called like that."
      : "No stream yet. The first one appears here by itself, as soon as a mission emits.";
    this.#more.hidden = this.#next === null;
  }

  #choose(id, box) {
    if (box.checked) this.#chosen.add(id);
    else this.#chosen.delete(id);
    if (this.#chosen.size > MOST_CHOSEN) {
      box.checked = false;
      this.#chosen.delete(id);
    }
    const ids = [...this.#chosen];
    this.#board.hidden = ids.length < 2;
    this.#board.replaceChildren(
      `${ids.length} chosen: `,
      h("a", { class: "button", href: boardHash(ids) }, "Side by side"),
      h("a", { class: "button", href: boardHash(ids, { merged: true }) }, "Merged by time"),
    );
  }

  // --- looking into streams that are in sight ----------------------------------------------------------------------

  #sighted(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) this.#visible.delete(target.dataset.id);
      else {
        this.#visible.add(target.dataset.id);
        this.#ask(target.dataset.id);
      }
    }
  }

  #ask(id) {
    const entry = this.#entries.get(id);
    if (!this.#visible.has(id) || !entry || entry.looked === entry.tail) return;
    this.#queue.add(id);
    this.#work();
  }

  #work() {
    for (const id of this.#queue) {
      if (this.#looking >= LOOKERS) return;
      this.#queue.delete(id);
      this.#looking += 1;
      this.#look(id).finally(() => {
        this.#looking -= 1;
        this.#work();
      });
    }
  }

  async #look(id) {
    const entry = this.#entries.get(id);
    const tail = entry.tail;
    try {
      const last = await this.#client.read(id, { tail: 1, signal: this.#abort.signal });
      const line = last.lines.at(-1);
      this.#update(id, { row: line ? new Row(line) : null, looked: tail });
      const wait = Date.now() - (entry.counted ?? 0) < LOOK_PAUSE * 2;
      if (wait && entry.summary && !entry.closed) return;
      const summary = await this.#client.summary(id, { buckets: 96, signal: this.#abort.signal });
      for (const bucket of summary.buckets) bucket.time = parseTime(bucket.from);
      this.#update(id, { summary, counted: Date.now() });
    } catch {
      // gone or not to be reached: the list itself says so, and asks again when there is news
    }
  }

  #update(id, news) {
    const entry = this.#entries.get(id);
    const item = this.#items.get(id);
    if (!entry || !item) return;
    Object.assign(entry, news);
    item.fill(entry);
  }
}

/** Why there is no list just now. */
function refusal(error) {
  if (error.status === 404) return "This server does not list its streams: open #/s/<id>";
  if ([401, 403].includes(error.status)) return `Refused: ${error.message}`;
  return "Not connected";
}

customElements.define("stream-list", StreamList);
