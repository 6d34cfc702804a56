/** `<stream-head>`: which mission this is, how it stands, how much there is of it. */

import "./connection.js";
import { clock, span } from "./clock.js";
import { h } from "./dom.js";
import { bytes, counted } from "./format.js";
import { standing } from "./standing.js";
import { visible } from "./text.js";

const dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export class StreamHead extends HTMLElement {
  #session = null;
  #title;
  #id;
  #state;
  #facts;
  #connection;
  #timer = 0;

  connectedCallback() {
    this.#title = h("bdi", {});
    this.#id = h("span", { class: "id" });
    this.#state = h("span", { class: "badge" });
    this.#facts = h("span", { class: "facts" });
    this.#connection = h("connection-state", {});
    this.#timer = setInterval(() => this.#draw(), 1000);
    this.replaceChildren(
      ...(this.back ? [h("a", { class: "back", href: "#/" }, "Streams")] : []),
      h("h1", {}, this.#title),
      this.#state,
      this.#id,
      this.#facts,
      h("span", { class: "grow" }),
      this.#connection,
      ...this.#actions,
    );
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #actions = [];

  /** Whether a way back to the list stands before it. */
  back = false;

  /** Buttons that stand at the end. */
  set actions(actions) {
    this.#actions = actions;
    this.append(...actions);
  }

  set session(session) {
    this.#session = session;
    for (const type of ["state", "summary"]) session.addEventListener(type, () => this.#draw());
    this.#connection.show(session);
    session.addEventListener("state", () => this.#connection.show(session));
    this.#draw();
  }

  #draw() {
    const { id, summary, times, window } = this.#session ?? {};
    if (!id) return;
    const mission = summary?.mission_id ?? id;
    this.#title.textContent = visible(mission);
    this.#id.textContent = mission === id ? "" : id;
    const { connection, unreadable } = this.#session.live;
    const known = connection !== "reconnecting" && !unreadable;
    const [state, words] = standing({ closed: window.closed, time: times.last, row: this.#session.lastRow, known });
    this.#state.textContent = state === "live" ? "active" : words; // live is what the connection is
    this.#state.dataset.state = state;
    const facts = [];
    if (summary) facts.push(counted(summary.events, "event"));
    if (summary?.malformed) facts.push(counted(summary.malformed, "malformed line"));
    facts.push(bytes(window.tail));
    if (times.first !== null) facts.push(`${span(times.last - times.first)}${day(times.first)}`);
    this.#facts.textContent = facts.join(" · ");
    this.#facts.title = times.first === null ? "" : `${clock(times.first, "local")} – ${clock(times.last, "local")}`;
  }
}

/** The day, unless it is today: times of day stand in the list. */
function day(ms) {
  const text = new Date(ms).toDateString();
  return text === new Date().toDateString() ? "" : ` on ${dates.format(ms)}`;
}

customElements.define("stream-head", StreamHead);
