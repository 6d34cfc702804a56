/** The page: the list of streams, or one of them, live. */

import { Client } from "/static/client.js";
import { h } from "/static/dom.js";
import { kindOf, sentence, timeOf } from "/static/event.js";

const LIST_PERIOD = 2000;
const MOST_ROWS = 500;

const client = new Client();
const page = document.getElementById("page");
const state = document.getElementById("state");
let leave = () => {};

function route() {
  leave();
  state.textContent = "";
  const stream = /^#\/s\/([^?]+)/.exec(location.hash)?.[1];
  leave = stream ? showStream(decodeURIComponent(stream)) : showList();
}

function showList() {
  const list = h("ul", { class: "streams" });
  const note = h("p", { class: "note" }, "Looking for streams…");
  page.replaceChildren(h("h1", {}, "Streams"), note, list);
  let timer = 0;
  const refresh = async () => {
    try {
      const { streams } = await client.streams({ limit: 200 });
      note.textContent = streams.length ? "" : "No stream yet. The first one appears here by itself.";
      list.replaceChildren(...streams.map(listItem));
      state.textContent = "live";
    } catch (error) {
      note.textContent =
        error.status === 404 ? "This server does not list its streams: open one at #/s/<id>." : error.message;
      state.textContent = "not connected";
    }
    timer = setTimeout(refresh, LIST_PERIOD);
  };
  refresh();
  return () => clearTimeout(timer);
}

function listItem(stream) {
  return h(
    "li",
    {},
    h("a", { href: `#/s/${encodeURIComponent(stream.id)}` }, h("bdi", {}, stream.mission_id ?? stream.id)),
    h("span", { class: "dim" }, stream.id),
    h("span", { class: "dim" }, `${stream.bytes.toLocaleString("en")} bytes`),
    h("span", {}, stream.closed ? "ended" : "open"),
  );
}

function showStream(id) {
  const rows = h("ol", { class: "rows", role: "log", "aria-label": "Events" });
  page.replaceChildren(h("h1", {}, h("bdi", {}, id)), rows);
  const follower = client.follow({ streams: [id], tail: MOST_ROWS });
  const say = (text) => (state.textContent = text);
  follower.addEventListener("state", () => say(follower.state.name === "open" ? "live" : follower.state.name));
  follower.addEventListener("missing", () => rows.append(separator("There is no such stream yet; it is waited for.")));
  follower.addEventListener("end", () => rows.append(separator("The stream is closed: the mission has ended.")));
  follower.addEventListener("reset", () => rows.append(separator("The file was cut, replaced or deleted.")));
  follower.addEventListener("failed", ({ detail }) => rows.append(separator(detail.error.message)));
  follower.addEventListener("events", ({ detail }) => {
    const follow = rows.scrollTop + rows.clientHeight >= rows.scrollHeight - 8;
    rows.append(...detail.lines.slice(-MOST_ROWS).map(row));
    while (rows.childElementCount > MOST_ROWS) rows.firstElementChild.remove();
    if (follow) rows.scrollTop = rows.scrollHeight;
  });
  return () => follower.close();
}

function separator(text) {
  return h("li", { class: "separator" }, text);
}

function row(line) {
  const { event } = line;
  const time = timeOf(event);
  return h(
    "li",
    { class: `row ${kindOf(event)}` },
    h("time", {}, time === null ? "—" : new Date(time).toISOString().slice(11, 23)),
    h("span", { class: "type" }, kindOf(event)),
    h("span", { class: "words" }, ...sentence(event).map((part) => h("bdi", { class: part.role }, `${part.text} `))),
  );
}

addEventListener("hashchange", route);
route();
