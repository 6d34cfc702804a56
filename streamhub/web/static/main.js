/** The page: which view is shown, the choices at the top, the keys. */

import "./stream-list.js";
import "./stream-view.js";
import "./board.js";
import { announce } from "./announcer.js";
import { Client } from "./client.js";
import { KEYS, makeHelp } from "./help.js";
import { printWith } from "./print.js";
import { parseHash } from "./router.js";
import { settings } from "./settings.js";

const VIEWS = { streams: "stream-list", stream: "stream-view", board: "stream-board" };
const LABELS = {
  times: { relative: "Times: into the mission", local: "Times: local", utc: "Times: UTC" },
  theme: { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" },
};

const client = new Client();
const page = document.getElementById("page");
const help = makeHelp();
let view = null;

function route() {
  const place = parseHash(location.hash);
  view = new (customElements.get(VIEWS[place.page]))(client, place);
  document.title = place.id ? `${place.id} · streamhub` : "streamhub";
  page.replaceChildren(view);
}

/** Another view: who does not see it is told, and goes on from its heading. */
function turn() {
  route();
  const heading = page.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus();
  announce(heading.textContent, { urgent: true });
}

function makeChoice(name) {
  const button = document.getElementById(name);
  const show = () => {
    button.textContent = LABELS[name][settings[name]];
    button.title = `Press for: ${LABELS[name][settings.after(name)]}`;
  };
  button.addEventListener("click", () => settings.set(name, settings.after(name)));
  settings.addEventListener("change", show);
  show();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  const [, name] = KEYS.find(([key]) => key === event.key) ?? [];
  if (!name || (typing && name !== "escape")) return;
  if (name === "open" && event.target.matches("a, button")) return;
  if (name === "help") help.showModal();
  else if (!view.command?.(name)) return;
  event.preventDefault();
}

document.body.append(help);
document.getElementById("help").addEventListener("click", () => help.showModal());
makeChoice("times");
makeChoice("theme");
printWith(() => view.printable);
addEventListener("keydown", pressed);
addEventListener("hashchange", turn);
route();
