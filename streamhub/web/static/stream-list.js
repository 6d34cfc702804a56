/** `<stream-list>`: all streams, newest activity first. It asks for news by itself; new streams appear at the top. */

import { Choice } from "./choice.js";
import { outageInWords } from "./connection.js";
import { h } from "./dom.js";
import { parseTime } from "./event.js";
import { ListFoot } from "./list-foot.js";
import { isCalled, listStreams } from "./listing.js";
import { Looker } from "./looker.js";
import { StreamItem } from "./stream-item.js";

const PERIOD = 1000;
const PAGE = 60;
/** A filter goes through so many streams, and through so many more when it is asked to. */
const SEARCH = 10_000;
/** Who types is let come to an end (ms). */
const TYPING_PAUSE = 200;
/** How the list was left: whoever comes back from a stream finds it so. */
const left = { text: "", wanted: PAGE, most: SEARCH, scroll: 0 };

export class StreamList extends HTMLElement {
  #client;
  #entries = new Map();
  #items = new Map();
  #order = [];
  #found = null; // what the last look at the server came to; null while one for another filter is on the way
  #choice = new Choice();
  #timer = 0;
  #asking = new AbortController();
  #looker;
  #visible = new Set();
  #list;
  #scroller;
  #filter;
  #foot = new ListFoot(() => this.#readMore());
  #state;
  #words;
  #retry;
  #failures = 0;
  #outage = { since: 0, retryAt: 0 };
  #trouble = null;
  #ticking = 0;
  #placed = false; // scrolled to where it was left

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
    this.#scroller = h(
      "div",
      {
        class: "scroll",
        tabindex: "0",
        role: "region",
        "aria-label": "List of streams",
        onscroll: () => (left.scroll = this.#scroller.scrollTop),
      },
      this.#list,
      ...this.#foot.elements,
    );
    this.#filter = h("input", {
      type: "search",
      placeholder: "Filter by mission or stream",
      "aria-label": "Filter by mission or stream",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#filtered(),
    });
    this.#words = h("span", {}, "Connecting");
    this.#retry = h("button", { class: "link", hidden: true, onclick: () => this.#askAgain() }, "Try now");
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
        this.#choice.element,
        h("span", { class: "grow" }),
        this.#state,
      ),
      this.#scroller,
    );
    this.#filter.value = left.text;
    this.#watcher = new IntersectionObserver((entries) => this.#sighted(entries), { rootMargin: "120px" });
    this.#ticking = setInterval(() => this.#tick(), 1000);
    this.#refresh();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    clearInterval(this.#ticking);
    this.#asking.abort();
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

  /** The streams that are shown, for printing. */
  get printable() {
    return { title: "Streams", streams: this.#shown };
  }

  get #shown() {
    return this.#order.filter((entry) => isCalled(entry, this.#text));
  }

  // --- what there is -----------------------------------------------------------------------------------------------

  async #refresh() {
    let pages = 1;
    try {
      if (!document.hidden) {
        pages = await this.#ask();
        this.#connected(null);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#connected(error);
    }
    if (!this.isConnected) return;
    const pause =
      Math.min(15_000, PERIOD * 2 ** Math.min(this.#failures, 4)) * (this.#failures ? 0.5 + Math.random() : pages);
    this.#outage.retryAt = Date.now() + pause;
    this.#tick();
    this.#timer = setTimeout(() => this.#refresh(), pause);
  }

  /** Look which streams there are; gives how many pages it took. */
  async #ask() {
    const { signal } = this.#asking;
    const found = await listStreams(this.#client, {
      text: this.#text,
      wanted: left.wanted,
      most: left.most,
      signal,
    });
    signal.throwIfAborted(); // the answer is to a filter that is none any more
    this.#found = found;
    this.#take(found.streams);
    return found.pages;
  }

  get #text() {
    return this.#filter.value.trim();
  }

  /** Look again, now or soon, whatever is on the way. */
  #askAgain(pause = 0) {
    clearTimeout(this.#timer);
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#timer = setTimeout(() => this.#refresh(), pause);
  }

  #readMore() {
    if (this.#order.length >= left.wanted) left.wanted += PAGE;
    else left.most += SEARCH;
    this.#askAgain();
  }

  /** What is not among the streams read so far may still be on the server. */
  #filtered() {
    Object.assign(left, { text: this.#text, wanted: PAGE, most: SEARCH });
    this.#found = null;
    this.#arrange();
    this.#askAgain(TYPING_PAUSE);
  }

  #connected(error) {
    if (error && this.#failures === 0) this.#outage.since = Date.now();
    this.#failures = error ? this.#failures + 1 : 0;
    this.#trouble = error && refusal(error);
    this.#state.dataset.state = error ? (this.#trouble ? "refused" : "reconnecting") : "live";
    this.#list.classList.toggle("stale", error !== null);
    this.#retry.hidden = error === null;
    if (error && this.#order.length === 0) this.#foot.say(this.#trouble ?? "The server is away.");
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

  #take(streams) {
    for (const stream of streams) {
      const known = this.#entries.get(stream.id);
      if (known && known.tail === stream.tail && known.closed === stream.closed) continue;
      this.#entries.set(stream.id, { ...known, ...stream, time: stream.last ? parseTime(stream.last) : null });
      if (this.#visible.has(stream.id)) this.#looker.ask(stream.id);
    }
    this.#order = streams.map(({ id }) => this.#entries.get(id));
    this.#arrange();
    if (this.#text === "") this.#forget();
    if (this.#placed) return;
    this.#placed = true;
    this.#scroller.scrollTop = left.scroll;
  }

  // --- how it looks ------------------------------------------------------------------------------------------------

  #arrange() {
    const shown = this.#shown;
    let before = this.#list.firstElementChild;
    for (const entry of shown) {
      let item = this.#items.get(entry.id);
      if (!item) {
        item = new StreamItem(entry.id, (box) => this.#choice.take(entry.id, box));
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
    this.#foot.show({ shown: shown.length, wanted: left.wanted, found: this.#found, filtered: this.#text !== "" });
  }

  /** What is not in the list any more is known no more. */
  #forget() {
    const listed = new Set(this.#order.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (listed.has(id) || this.#choice.has(id)) continue;
      this.#watcher.unobserve(item.element);
      this.#visible.delete(id);
      this.#items.delete(id);
      this.#entries.delete(id);
    }
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

/** Why the server gives no list; null when it is away, or busy. */
function refusal(error) {
  if (error.status === 404) return "This server does not list its streams: open #/s/<id>";
  if (error.status === 401) return "Signed out · open /?token=… with a new token, here or in another tab";
  if (error.status === 403) return `Refused · ${error.message}`;
  return null;
}

customElements.define("stream-list", StreamList);
