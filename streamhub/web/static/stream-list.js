/** `<stream-list>`: all streams, newest activity first. It asks for news by itself; new streams appear at the top. */

import { outageInWords } from "./connection.js";
import { h } from "./dom.js";
import { parseTime } from "./event.js";
import { Looker } from "./looker.js";
import { boardHash } from "./router.js";
import { StreamItem } from "./stream-item.js";

const PERIOD = 1000;
const PAGE = 60;
const MOST_CHOSEN = 6;
/** How to begin, for those who have no stream yet. */
const EXAMPLE = `from streamhub import Emitter

with Emitter(mission_id="hello") as stream:
    stream.signal(name="greeting", value="hi")`;

export class StreamList extends HTMLElement {
  #client;
  #entries = new Map();
  #items = new Map();
  #order = [];
  #next = null;
  #chosen = new Set();
  #timer = 0;
  #abort = new AbortController();
  #looker;
  #visible = new Set();
  #list;
  #note;
  #filter;
  #more;
  #board;
  #state;
  #words;
  #retry;
  #failures = 0;
  #outage = { since: 0, retryAt: 0 };
  #trouble = null;
  #ticking = 0;

  constructor(client) {
    super();
    this.#client = client;
    this.#looker = new Looker(client, {
      find: (id) => this.#entries.get(id),
      told: (id, news) => this.#update(id, news),
    });
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
    this.#words = h("span", {}, "Connecting");
    this.#retry = h("button", { class: "link", hidden: true, onclick: () => this.#retryNow() }, "Try now");
    this.#state = h(
      "span",
      { class: "connection", "data-state": "connecting" },
      h("i", { class: "dot", "aria-hidden": "true" }),
      this.#words,
      this.#retry,
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
    this.#ticking = setInterval(() => this.#tick(), 1000);
    this.#refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    clearInterval(this.#ticking);
    this.#abort.abort();
    this.#looker.stop();
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
        if (page.next === null) this.#keepOnly(page.streams);
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
    this.#outage.retryAt = Date.now() + pause;
    this.#tick();
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
    if (error && this.#failures === 0) this.#outage.since = Date.now();
    this.#failures = error ? this.#failures + 1 : 0;
    this.#trouble = error && refusal(error);
    this.#state.dataset.state = error ? (this.#trouble ? "refused" : "reconnecting") : "live";
    this.#list.classList.toggle("stale", error !== null);
    this.#retry.hidden = error === null;
    if (error && this.#order.length === 0) this.#note.textContent = this.#trouble ?? "The server is away.";
  }

  /** What changes though nothing comes. */
  #tick() {
    const words = this.#failures === 0 ? "Live" : (this.#trouble ?? outageInWords(this.#outage));
    if (this.#state.dataset.state !== "connecting" && this.#words.textContent !== words) this.#words.textContent = words;
    for (const entry of this.#order) this.#fill(entry);
    if (this.#failures === 0) for (const id of this.#visible) this.#looker.ask(id); // what was too early is due now
  }

  #fill(entry) {
    this.#items.get(entry.id)?.fill(entry, { known: this.#failures === 0 });
  }

  #retryNow() {
    clearTimeout(this.#timer);
    this.#refresh();
  }

  /** Where the list has one page, what is not in it is gone. */
  #keepOnly(streams) {
    const there = new Set(streams.map(({ id }) => id));
    for (const id of this.#entries.keys()) if (!there.has(id)) this.#entries.delete(id);
  }

  #take(streams) {
    for (const stream of streams) {
      const known = this.#entries.get(stream.id);
      if (known && known.tail === stream.tail && known.closed === stream.closed) continue;
      this.#entries.set(stream.id, { ...known, ...stream, time: stream.last ? parseTime(stream.last) : null });
      if (this.#visible.has(stream.id)) this.#looker.ask(stream.id);
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
      this.#fill(entry);
      if (item.element === before) before = before.nextElementSibling;
      // An element that is moved loses the focus: those that moved to the front are put there, the others stay.
      else this.#list.insertBefore(item.element, before);
    }
    const wanted = new Set(shown.map((entry) => entry.id));
    for (const [id, item] of this.#items) if (!wanted.has(id)) item.element.remove();
    this.#note.hidden = shown.length > 0;
    if (this.#order.length) this.#note.textContent = "No stream is called like that.";
    else if (this.#note.childElementCount === 0) this.#note.replaceChildren(...firstSteps()); // said aloud: once
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
        this.#looker.ask(target.dataset.id);
      }
    }
  }

  #update(id, news) {
    const entry = this.#entries.get(id);
    const item = this.#items.get(id);
    if (!entry || !item) return;
    Object.assign(entry, news);
    this.#fill(entry);
  }
}

/** What the empty list says. */
function firstSteps() {
  return [
    h("b", {}, "No stream yet"),
    h("span", {}, "The first one appears here by itself, as soon as a mission emits into the folder that is served:"),
    h("code", {}, EXAMPLE),
  ];
}

/** Why the server gives no list; null when it is away, or busy. */
function refusal(error) {
  if (error.status === 404) return "This server does not list its streams: open #/s/<id>";
  if (error.status === 401) return "Signed out · open /?token=… with a new token, here or in another tab";
  if (error.status === 403) return `Refused · ${error.message}`;
  return null;
}

customElements.define("stream-list", StreamList);
