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
  "signed-out": "Signed out",
};
/** What the viewer can do about it. */
const ACTIONS = {
  reconnecting: "Try now",
  refused: "Try again",
  "signed-out": "Try again",
  replaced: "Read the new one",
};

export class ConnectionState extends HTMLElement {
  #session = null;
  #timer = 0;
  #name = "";
  #text;
  #action;

  connectedCallback() {
    this.#text = h("span", {});
    this.#action = h("button", { class: "link", hidden: true, onclick: () => this.#act() });
    this.replaceChildren(h("i", { class: "dot", "aria-hidden": "true" }), this.#text, this.#action);
    this.#timer = setInterval(() => this.#draw(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  show(session) {
    this.#session = session;
    this.#draw();
  }

  #act() {
    if (this.#name === "replaced") this.#session.reopen();
    else this.#session.retry();
  }

  #draw() {
    if (!this.#session) return;
    const name = this.#session.live.connection;
    const text = this.#words(name);
    if (text !== this.#text.textContent) this.#text.textContent = text;
    if (name === this.#name) return;
    this.#action.hidden = !(name in ACTIONS);
    this.#action.textContent = ACTIONS[name] ?? "";
    if (this.#name && this.#name !== "connecting") announce(NAMES[name], { urgent: true });
    this.#name = name;
    this.dataset.state = name;
  }

  #words(name) {
    const { state, caughtUp, trouble } = this.#session.live;
    switch (name) {
      case "catching-up":
        return `${NAMES[name]} · ${percent(caughtUp, 1)}`;
      case "reconnecting":
        return outageInWords(state);
      case "refused":
        return `${NAMES[name]} · ${trouble ?? "the server does not let this page read"}`;
      case "signed-out":
        return `${NAMES[name]} · the token is good no longer`;
      default:
        return trouble ? `${NAMES[name]} · ${trouble}` : NAMES[name];
    }
  }
}

/** Since when the server is away, and when it is tried again. */
export function outageInWords({ since, retryAt }) {
  const mode = settings.times === "utc" ? "utc" : "local";
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const begun = `since ${clock(since, mode).slice(0, 8)} (${span(Date.now() - since)})`;
  return `${NAMES.reconnecting} · ${begun} · next try ${left ? `in ${left} s` : "now"}`;
}

customElements.define("connection-state", ConnectionState);
