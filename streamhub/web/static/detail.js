/**
 * `<event-detail>`: one event, all of it. Events: `close`, `step` (`{by}`), `context`.
 */

import { clock, iso, sinceStart } from "./clock.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";
import { prettyJson } from "./json.js";
import { sizeInFile } from "./lines.js";
import { words } from "./row-view.js";

export class EventDetail extends HTMLElement {
  #turn = 0;

  /** Show a row. `origin` is when the mission began; `inContext` whether all rows around it are in the list already. */
  async show(row, client, { origin = null, inContext = true } = {}) {
    const turn = (this.#turn += 1);
    const body = h("div", { class: "body" }, h("p", { class: "dim" }, "Reading…"));
    this.replaceChildren(this.#head(row, inContext), body);
    let text;
    try {
      text = await row.text(client);
    } catch (error) {
      if (turn === this.#turn) body.replaceChildren(h("p", { class: "trouble" }, error.message));
      return;
    }
    if (turn !== this.#turn) return;
    const offset = h("dd", { class: "mono" }, row.offset ?? "…");
    body.replaceChildren(
      h("p", { class: `sentence ${row.kind}` }, ...words(row.parts)),
      h(
        "dl",
        {},
        ...facts(row, origin),
        h("dt", {}, "Offset"),
        offset,
        h("dt", {}, "Size"),
        h("dd", {}, bytes(sizeInFile(text, false) - 1)),
      ),
      this.#json(text),
    );
    this.#text = text;
    try {
      const token = await row.locate(client);
      offset.textContent = token;
      if (turn === this.#turn) this.dispatchEvent(new CustomEvent("located", { detail: { row } }));
    } catch (error) {
      offset.textContent = error.message;
    }
  }

  #text = "";

  #head(row, inContext) {
    const tell = (type, detail) => () => this.dispatchEvent(new CustomEvent(type, { detail }));
    return h(
      "header",
      {},
      h("h2", { class: `type ${row.kind}` }, row.kind),
      h("span", { class: "grow" }),
      !inContext && h("button", { onclick: tell("context"), title: "Show it among all events" }, "View in context"),
      h("button", { onclick: (event) => this.#copy(event.target, () => this.#text) }, "Copy JSON"),
      h("button", { onclick: (event) => this.#copy(event.target, () => location.href) }, "Copy link"),
      h(
        "button",
        { class: "icon", onclick: tell("step", { by: -1 }), "aria-label": "Previous event", title: "Previous (k)" },
        "↑",
      ),
      h(
        "button",
        { class: "icon", onclick: tell("step", { by: 1 }), "aria-label": "Next event", title: "Next (j)" },
        "↓",
      ),
      h("button", { class: "icon", onclick: tell("close"), "aria-label": "Close", title: "Close (Esc)" }, "✕"),
    );
  }

  #json(text) {
    const block = prettyJson(text);
    if (!("cut" in block.dataset)) return block;
    const more = h("button", { class: "more" }, `Show all of it (${bytes(text.length)})`);
    more.addEventListener("click", () => box.replaceChildren(prettyJson(text, { all: true })));
    const box = h("div", {}, block, more);
    return box;
  }

  async #copy(button, text) {
    const label = button.textContent;
    const done = await copy(text());
    button.textContent = done ? "Copied" : "Cannot copy";
    setTimeout(() => (button.textContent = label), 1500);
  }
}

function facts(row, origin) {
  if (row.time === null) return [h("dt", {}, "Time"), h("dd", {}, "none")];
  return [
    h("dt", {}, "Local"),
    h("dd", { class: "mono" }, `${new Date(row.time).toLocaleDateString("sv")} ${clock(row.time, "local")}`),
    h("dt", {}, "UTC"),
    h("dd", { class: "mono" }, iso(row.time)),
    ...(origin === null
      ? []
      : [h("dt", {}, "Into the mission"), h("dd", { class: "mono" }, sinceStart(row.time - origin))]),
  ];
}

/** Put text on the clipboard. Without a secure context there is no clipboard but by a selection. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { class: "offscreen", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

customElements.define("event-detail", EventDetail);
