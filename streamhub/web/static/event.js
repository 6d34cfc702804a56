/** Events in words. Nothing here trusts what a line holds: any JSON object may come, and all of it is text. */

import { visible } from "./text.js";

const LONGEST = 400;

/** The types of the schema, in the order they are shown in. */
export const TYPES = ["navigation", "extraction", "signal", "status", "malformed"];

/** What a malformed line's reason means. */
const REASONS = {
  nul: "holds NUL bytes",
  "utf-8": "is no UTF-8",
  json: "is no JSON",
  object: "is no JSON object",
  "too-long": "is longer than events may be",
};

/** Signals that the emitter gives when something went wrong with the stream itself. */
const GAPS = {
  events_dropped: (value) => `A gap: ${formatCount(value)} events could not be written`,
  stream_recovered: () => "A gap may be here: the stream was broken off and goes on",
};

const VERBS = {
  goto: "Went to",
  navigate: "Went to",
  open: "Opened",
  load: "Loaded",
  click: "Clicked",
  submit: "Submitted",
  scroll: "Scrolled",
  back: "Went back to",
  reload: "Reloaded",
  type: "Typed on",
  wait: "Waited on",
};

/** The type of an event, for colour and chips: one of TYPES, or `other`. */
export function kindOf(event) {
  return TYPES.includes(event.event_type) ? event.event_type : "other";
}

/** Whether it tells that events are missing from the stream, or may be. */
export function isGap(event) {
  return event.event_type === "signal" && Object.hasOwn(GAPS, event.payload?.name);
}

/** When it happened, in milliseconds since 1970 with fractions; null when it does not say. */
export function timeOf(event) {
  return typeof event.timestamp === "string" ? parseTime(event.timestamp) : null;
}

/** An ISO 8601 time, to the microsecond. No zone means UTC. */
export function parseTime(text) {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i.exec(
    text.trim(),
  );
  if (!match) return null;
  const [, day, time, fraction = "", zone = "Z"] = match;
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.toUpperCase();
  const whole = Date.parse(`${day}T${time.length === 5 ? `${time}:00` : time}${offset}`);
  return Number.isNaN(whole) ? null : whole + Number(`0.${fraction || 0}`) * 1000;
}

/**
 * The event as a sentence: parts `{text, role}`, where the role is `verb`, `link`, `name`, `value`, `detail` or `state`.
 */
export function sentence(event) {
  const payload = event.payload;
  const known = isObject(payload) && Object.hasOwn(SENTENCES, event.event_type);
  const words = known ? SENTENCES[event.event_type](payload) : null;
  return (words ?? foreign(event)).filter(Boolean).map((part) => ({ ...part, text: shorten(visible(part.text)) }));
}

const SENTENCES = {
  navigation: ({ action, url, detail }) =>
    isText(url) && isText(action)
      ? [
          verb(Object.hasOwn(VERBS, action.toLowerCase()) ? VERBS[action.toLowerCase()] : capital(action)),
          link(url),
          detailed(detail),
        ]
      : null,
  extraction: ({ target, count, url, detail }) =>
    isText(target) && typeof count === "number"
      ? [
          verb("Extracted"),
          part("value", String(count)),
          part("name", target),
          isText(url) && verb("from"),
          isText(url) && link(url),
          detailed(detail),
        ]
      : null,
  signal: ({ name, value, detail }) =>
    isText(name)
      ? Object.hasOwn(GAPS, name)
        ? [part("name", GAPS[name](value)), detailed(detail)]
        : [part("name", name), value !== undefined && value !== null && part("value", scalar(value)), detailed(detail)]
      : null,
  status: ({ state, final, detail }) =>
    isText(state) ? [part("state", capital(state)), final === true && part("final", "final"), detailed(detail)] : null,
  malformed: ({ bytes, reason }) =>
    isText(reason)
      ? [
          verb("A line that"),
          part("name", Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason),
          part("detail", `${formatCount(bytes)} bytes`),
        ]
      : null,
};

function foreign(event) {
  const { timestamp: _time, mission_id: _mission, event_type: type, payload, ...rest } = event;
  const body = payload === undefined ? rest : payload;
  return [isText(type) && part("name", type), part("detail", compact(body))];
}

function compact(value) {
  // Only as much as is shown: a megabyte of payload must not cost a megabyte of work for each row.
  return (JSON.stringify(value) ?? "").slice(0, LONGEST * 2);
}

const part = (role, text) => ({ role, text });
const verb = (text) => part("verb", text);
const link = (url) => ({ role: "link", text: url, href: safeLink(url) });
const detailed = (detail) => isText(detail) && part("detail", detail);
const scalar = (value) => (typeof value === "object" ? compact(value) : String(value));
const isText = (value) => typeof value === "string" && value !== "";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const formatCount = (value) => (typeof value === "number" ? value.toLocaleString("en") : "?");
const shorten = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/** The address, when it is one that may be opened. */
function safeLink(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}
