/** Times and lengths of time, as people read them. Milliseconds since 1970, with fractions. */

const two = (value) => String(value).padStart(2, "0");
const three = (value) => String(Math.floor(value)).padStart(3, "0");

/**
 * A time of day or, `relative`, the time since `origin`; `withDate` puts the day before it.
 */
export function clock(ms, mode, { origin = 0, withDate = false } = {}) {
  if (ms === null) return "";
  if (mode === "relative") return sinceStart(ms - origin);
  const date = new Date(ms);
  const fraction = three(((ms % 1000) + 1000) % 1000);
  if (mode === "utc") {
    const time = date.toISOString().slice(11, 19);
    return `${withDate ? `${date.toISOString().slice(5, 10)} ` : ""}${time}.${fraction}`;
  }
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${withDate ? `${two(date.getMonth() + 1)}-${two(date.getDate())} ` : ""}${time}.${fraction}`;
}

/** Whether two moments are of different days, in the zone that is shown. */
export function spansDays(first, last, mode) {
  const dayOf = (ms) => (mode === "utc" ? new Date(ms).toISOString().slice(0, 10) : new Date(ms).toDateString());
  return first !== null && last !== null && dayOf(first) !== dayOf(last);
}

/** `+1:02.345`: how far into the mission. */
export function sinceStart(ms) {
  const sign = ms < 0 ? "−" : "+";
  const whole = Math.floor(Math.abs(ms));
  const seconds = Math.floor(whole / 1000) % 60;
  const minutes = Math.floor(whole / 60_000) % 60;
  const hours = Math.floor(whole / 3_600_000);
  const tail = `${two(seconds)}.${three(whole % 1000)}`;
  return hours ? `${sign}${hours}:${two(minutes)}:${tail}` : `${sign}${minutes}:${tail}`;
}

/** A length of time in its two largest units: `2 h 5 min`. */
export function span(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  let rest = Math.round(seconds);
  const parts = [];
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || parts.length) parts.push(count ? `${count} ${name}` : "");
    if (parts.length === 2) break;
  }
  return parts.filter(Boolean).join(" ");
}

/** How long ago: `just now`, `12 s ago`; `10 d ahead` by a clock that is wrong. */
export function ago(ms, now = Date.now()) {
  const past = now - ms;
  if (past < -60_000) return `${roughly(-past)} ahead`;
  return past < 1500 ? "just now" : `${roughly(past)} ago`;
}

function roughly(length) {
  if (length < 60_000) return `${Math.round(length / 1000)} s`;
  if (length < 3_600_000) return `${Math.round(length / 60_000)} min`;
  if (length < 86_400_000) return `${Math.round(length / 3_600_000)} h`;
  return `${Math.round(length / 86_400_000)} d`;
}

/** ISO 8601 in UTC, to the microsecond, as the server reads and writes it. */
export function iso(ms) {
  const whole = Math.floor(ms);
  const micros = Math.min(999, Math.max(0, Math.round((ms - whole) * 1000)));
  return new Date(whole).toISOString().replace("Z", `${three(micros)}Z`);
}

const TIME_OF_DAY = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$/;

/**
 * What somebody typed for a time: ISO 8601, a time of day (`12:03`, in the zone that is shown), `+5:00` into the
 * mission, `-10m` before its end. Null when it is none.
 */
export function parseMoment(text, { mode, first, last, parseTime }) {
  const typed = text.trim();
  const into = /^\+(?:(\d+):)?(\d+):([0-5]\d(?:\.\d+)?)$/.exec(typed);
  if (into) return first + ((Number(into[1] ?? 0) * 60 + Number(into[2])) * 60 + Number(into[3])) * 1000;
  const relative = /^([+-])(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/.exec(typed);
  if (relative) {
    const size = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[relative[3]];
    return relative[1] === "+" ? first + relative[2] * size : last - relative[2] * size;
  }
  if (!TIME_OF_DAY.test(typed)) return parseTime(typed);
  // A time of day is the last one within the mission that reads so.
  const moment = onDay(last, typed, mode);
  return moment > last + 60_000 ? onDay(last, typed, mode, -1) : moment;
}

/**
 * What somebody typed for a range, `12:00..12:05`: `{since, until}`; null when it is none. A time of day at its end is
 * the first one after its beginning, as far as the mission goes on past the midnight between them.
 */
export function parseRange(text, options) {
  const parts = text.split("..");
  const [since, until] = parts.map((part) => parseMoment(part, options));
  if (parts.length !== 2 || since === null || until === null) return null;
  const typed = parts[1].trim();
  const end = TIME_OF_DAY.test(typed) ? endOfRange(since, typed, options) : until;
  return { since: Math.min(since, end), until: Math.max(since, end) };
}

function endOfRange(since, typed, { mode, last }) {
  const sameDay = onDay(since, typed, mode);
  const pastMidnight = sameDay < since && onDay(since, "0:00", mode, 1) <= last;
  return pastMidnight ? onDay(since, typed, mode, 1) : sameDay;
}

/** A time of day on the day of another moment, or so many days after it. */
function onDay(ms, text, mode, days = 0) {
  const [, hours, minutes, seconds = 0] = TIME_OF_DAY.exec(text);
  const date = new Date(ms);
  if (mode === "local") {
    date.setDate(date.getDate() + days);
    date.setHours(hours, minutes, 0, 0);
  } else {
    date.setUTCDate(date.getUTCDate() + days);
    date.setUTCHours(hours, minutes, 0, 0);
  }
  return date.getTime() + Number(seconds) * 1000;
}
