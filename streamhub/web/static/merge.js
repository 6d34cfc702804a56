/**
 * Several streams as one, by time. It looks like a `Session` to the pane that shows it.
 *
 * Each stream keeps its own window; the merged rows are those of the stretch of time that all windows cover, so that
 * nothing is missing between two rows that stand together.
 */

export class MergedSession extends EventTarget {
  constructor(sessions) {
    super();
    this.sessions = sessions;
    this.window = new MergedWindow(sessions);
    this.listening = new AbortController();
    for (const session of sessions) {
      for (const type of ["state", "summary"]) {
        session.addEventListener(type, () => this.dispatchEvent(new Event(type)), { signal: this.listening.signal });
      }
      session.addEventListener("window", () => this.#looksElsewhere(session), { signal: this.listening.signal });
    }
  }

  #looksElsewhere(session) {
    this.window.watch(session);
    this.dispatchEvent(new Event("window"));
  }

  get following() {
    return this.sessions.every((session) => session.following);
  }

  get fresh() {
    return this.sessions.reduce((sum, session) => sum + session.fresh, 0);
  }

  /** All searches as one: active while one of them is. */
  get search() {
    const searches = this.sessions.map((session) => session.search).filter(Boolean);
    if (searches.length === 0) return null;
    return {
      kind: searches[0].kind,
      active: searches.some((search) => search.active),
      paused: searches.some((search) => search.paused),
      found: searches.reduce((sum, search) => sum + search.found, 0),
      byte: searches.reduce((sum, search) => sum + search.byte, 0),
    };
  }

  get range() {
    return this.sessions[0].range;
  }

  get over() {
    return this.sessions.every((session) => session.over);
  }

  get filter() {
    return this.sessions[0].filter;
  }

  get times() {
    return this.window.times;
  }

  async setFilter(filter, at) {
    const rows = await Promise.all(this.sessions.map((session) => session.setFilter(filter, at === null ? null : 0)));
    return rows.find(Boolean) ?? null;
  }

  async setRange(range) {
    await Promise.all(this.sessions.map((session) => session.setRange(range)));
    return this.window.rows[0] ?? null;
  }

  cancelSearch() {
    for (const session of this.sessions) session.cancelSearch();
  }

  async continueSearch() {
    await Promise.all(this.sessions.map((session) => session.continueSearch()));
  }

  freeze() {
    for (const session of this.sessions) session.freeze();
  }

  resume() {
    for (const session of this.sessions) session.resume();
  }

  async goFirst() {
    await Promise.all(this.sessions.map((session) => session.goFirst()));
    return this.window.rows[0] ?? null;
  }

  async goLast() {
    await Promise.all(this.sessions.map((session) => session.goLast()));
    return this.window.rows.at(-1) ?? null;
  }

  async goToTime(ms) {
    await Promise.all(this.sessions.map((session) => session.goToTime(ms)));
    return this.window.rows.find((row) => row.time >= ms) ?? null;
  }

  async showInContext(row) {
    const found = await Promise.all(
      this.sessions.map((session) => {
        if (session.id === row.stream) return session.showInContext(row);
        return session.setFilter({ types: [], text: "" }).then(() => session.goToTime(row.time));
      }),
    );
    return found.find((candidate) => candidate?.stream === row.stream) ?? null;
  }

  async findNext(text, row) {
    const found = await Promise.all(this.sessions.map((session) => session.findNext(text, row)));
    return found.filter(Boolean).sort((one, other) => one.time - other.time)[0] ?? null;
  }

  goToFraction(fraction) {
    const { first, last } = this.times;
    if (fraction >= 1 || first === null) return this.goLast();
    return this.goToTime(first + (last - first) * fraction);
  }

  /** The stream that ends the stretch is the one to read on. */
  more(direction) {
    return this.window.limiting(direction)?.more(direction);
  }

  close() {
    this.listening.abort();
  }
}

class MergedWindow extends EventTarget {
  #sessions;
  #rows = null;
  #watched = new Map();
  footer = null;

  constructor(sessions) {
    super();
    this.#sessions = sessions;
    for (const session of sessions) this.watch(session);
  }

  /** Listen to a session's window, instead of the one that it had. */
  watch(session) {
    this.#watched.get(session)?.abort();
    const abort = new AbortController();
    this.#watched.set(session, abort);
    session.window.addEventListener("change", () => this.#changed(), { signal: abort.signal });
    this.#changed();
  }

  get atStart() {
    return this.#sessions.every(({ window }) => window.atStart);
  }

  get atEnd() {
    return this.#sessions.every(({ window }) => window.atEnd);
  }

  get tail() {
    return this.#sessions.reduce((sum, { window }) => sum + window.tail, 0);
  }

  get start() {
    return this.#sessions.reduce((sum, { window }) => sum + window.start, 0);
  }

  get end() {
    return this.#sessions.reduce((sum, { window }) => sum + window.end, 0);
  }

  get closed() {
    return this.#sessions.every(({ window }) => window.closed);
  }

  get filtered() {
    return this.#sessions.some(({ window }) => window.filtered);
  }

  get times() {
    const all = this.#sessions.map((session) => session.times);
    const first = all.map((times) => times.first).filter((time) => time !== null);
    const last = all.map((times) => times.last).filter((time) => time !== null);
    return { first: first.length ? Math.min(...first) : null, last: last.length ? Math.max(...last) : null };
  }

  get rows() {
    this.#rows ??= this.#merge();
    return this.#rows;
  }

  fractionOf(row) {
    const { first, last } = this.times;
    return first === null || last <= first ? 0 : Math.min(1, Math.max(0, (row.time - first) / (last - first)));
  }

  /** The session whose window ends the stretch that all cover. */
  limiting(direction) {
    const open = this.#sessions.filter(({ window }) => !(direction < 0 ? window.atStart : window.atEnd));
    const edge = ({ window }) => (direction < 0 ? firstTime(window.rows) : -lastTime(window.rows));
    return open.sort((one, other) => edge(other) - edge(one))[0] ?? null;
  }

  #merge() {
    const windows = this.#sessions.map(({ window }) => window);
    const low = Math.max(...windows.map((window) => (window.atStart ? -Infinity : firstTime(window.rows))));
    const high = Math.min(...windows.map((window) => (window.atEnd ? Infinity : lastTime(window.rows))));
    const merged = [];
    for (const window of windows) {
      let time = -Infinity;
      for (const row of window.rows) {
        time = row.time ?? time; // without a time it stands where the one before it does
        if (time >= low && time <= high) merged.push({ time, row });
      }
    }
    // The sort is stable: rows of one stream stay in their order.
    return merged.sort((one, other) => one.time - other.time).map(({ row }) => row);
  }

  #changed() {
    this.#rows = null;
    this.dispatchEvent(new Event("change"));
  }
}

function firstTime(rows) {
  return rows.find((row) => row.time !== null)?.time ?? Infinity;
}

function lastTime(rows) {
  return rows.findLast((row) => row.time !== null)?.time ?? -Infinity;
}
