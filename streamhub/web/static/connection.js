/** `<connection-state>`: what is known of the connection and of the stream's end, and no more than that. */

import { announce } from "./announcer.js";
import { clock, span } from "./clock.js";
import { h } from "./dom.js";
import { percent } from "./format.js";
import { settings } from "./settings.js";

const NAMES = {
  live: "Live",
  connecting: "Connecting",
  "catching-up": "Catching up",
  reconnecting: "Reconnecting",
  ended: "Ended",
  missing: "Waiting for the stream",
  replaced: "File replaced",
  deleted: "File deleted",
  refused: "Refused",
};

export class ConnectionState extends HTMLElement {
  #session = null;
  #timer = 0;
  #name = "";
  #text;
  #retry;

  connectedCallback() {
    this.#text = h("span", {});
    this.#retry = h(
      "button",
      { class: "link", hidden: true, onclick: () => this.#session?.follower.retry() },
      "Try now",
    );
    this.replaceChildren(h("i", { class: "dot", "aria-hidden": "true" }), this.#text, this.#retry);
    this.#timer = setInterval(() => this.#draw(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  show(session) {
    this.#session = session;
    this.#draw();
  }

  #draw() {
    if (!this.#session) return;
    const name = this.#session.connection;
    const text = this.#words(name);
    if (text !== this.#text.textContent) this.#text.textContent = text;
    this.#retry.hidden = name !== "reconnecting";
    if (name === this.#name) return;
    if (this.#name && this.#name !== "connecting") announce(NAMES[name], { urgent: true });
    this.#name = name;
    this.dataset.state = name;
  }

  #words(name) {
    const { follower, caughtUp, trouble } = this.#session;
    const { since, retryAt } = follower.state;
    switch (name) {
      case "catching-up":
        return `${NAMES[name]} · ${percent(caughtUp, 1)}`;
      case "reconnecting": {
        const next = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
        const mode = settings.times === "utc" ? "utc" : "local";
        return `${NAMES[name]} · since ${clock(since, mode).slice(0, 8)} (${span(Date.now() - since)}) · next try ${next ? `in ${next} s` : "now"}`;
      }
      case "refused":
        return `${NAMES[name]} · ${trouble ?? "the server does not let this page read"}`;
      default:
        return trouble ? `${NAMES[name]} · ${trouble}` : NAMES[name];
    }
  }
}

customElements.define("connection-state", ConnectionState);
