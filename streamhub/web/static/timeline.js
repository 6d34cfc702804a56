/**
 * `<stream-timeline>`: how many events of which type over the mission's time, with marks for status changes, signals
 * and malformed lines. Drag to keep to a range, click to go to a time.
 *
 * Events: `range` (`{since, until}`, milliseconds), `time` (`{ms}`).
 */

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { clock, sinceStart } from "./clock.js";
import { h } from "./dom.js";
import { TYPES } from "./event.js";
import { count, counted } from "./format.js";
import { settings } from "./settings.js";

const HEIGHT = 74;
const EDGE = 6;
/** The width of a character on the axis. */
const CHARACTER = 6.7;
const KINDS = [...TYPES, "other"];
const MOST_BARS = 160;
/** Marks, from the lowest to the highest in rank: where two meet, the higher one shows. */
const MARKS = ["signal", "status", "malformed"];
/** More marks of a kind than this mark nothing. */
const MOST_MARKS = 30;
export class StreamTimeline extends HTMLElement {
  #plot = null;
  #box;
  #readout;
  #buckets = [];
  #range = null;
  #summary = null;
  #width = 0;

  connectedCallback() {
    this.#box = h("div", { class: "plot", role: "img", "aria-label": "Timeline" });
    this.#readout = h("div", { class: "readout", hidden: true, "aria-hidden": "true" });
    this.replaceChildren(this.#box, this.#readout);
    this.#resizer = new ResizeObserver(() => {
      if (this.clientWidth !== this.#width) this.#rebuild();
    });
    this.#resizer.observe(this);
    this.#scheme = matchMedia("(prefers-color-scheme: dark)");
    this.#scheme.addEventListener("change", this.#rebuild);
    settings.addEventListener("change", this.#rebuild);
  }

  disconnectedCallback() {
    this.#resizer.disconnect();
    this.#scheme.removeEventListener("change", this.#rebuild);
    settings.removeEventListener("change", this.#rebuild);
    this.#plot?.destroy();
    this.#plot = null;
  }

  #resizer;
  #scheme;

  /** Show a summary's buckets; `range` (`{since, until}`) when they are of that only. */
  show(summary, range = null) {
    const sameRange = this.#range?.since === range?.since && this.#range?.until === range?.until;
    this.#summary = summary;
    this.#buckets = regrouped(summary.buckets.filter((bucket) => bucket.time !== null));
    this.#range = range;
    this.#box.setAttribute("aria-label", this.#inWords());
    if (this.#plot && sameRange) this.#plot.setData(this.#data());
    else this.#rebuild();
  }

  #inWords() {
    const { events, malformed, firstTime, lastTime } = this.#summary;
    const types = Object.entries(this.#summary.by_type).map(([type, number]) => `${count(number)} ${type}`);
    const when = firstTime === null ? "" : ` from ${clock(firstTime, "utc")} to ${clock(lastTime, "utc")} UTC`;
    return `Timeline of ${counted(events, "event")}${when}: ${types.join(", ")}, ${counted(malformed, "malformed line")}`;
  }

  /** Columns for uPlot: times in seconds, then the sums up to each kind, highest first, drawn one over the other. */
  #data() {
    const columns = KINDS.map(() => []);
    for (const bucket of this.#buckets) {
      const counts = countsOf(bucket);
      let sum = 0;
      KINDS.forEach((kind, index) => columns[index].push((sum += counts[kind])));
    }
    return [this.#buckets.map((bucket) => bucket.time / 1000), ...columns.reverse()];
  }

  #rebuild = () => {
    if (!this.#summary || !this.isConnected) return;
    this.#width = this.clientWidth;
    this.#plot?.destroy();
    this.#plot = null;
    this.#box.replaceChildren();
    if (this.#width < 40 || this.#buckets.length === 0) return;
    this.#plot = new uPlot(this.#options(), this.#data(), this.#box);
    this.#plot.over.addEventListener("click", () => this.#clicked());
  };

  #options() {
    const style = getComputedStyle(this);
    const colour = (kind) => resolved(this, style.getPropertyValue(`--${kind}`));
    const text = matchMedia("(forced-colors: active)").matches ? resolved(this, "CanvasText") : colour("dim");
    const series = KINDS.toReversed().map((kind) => ({
      label: kind,
      fill: colour(`bar-${kind}`),
      width: 0,
      points: { show: false },
      paths: (plot, index, first, last) => this.#bars(plot, index, first, last),
    }));
    const origin = (this.#summary.firstTime ?? 0) / 1000;
    const axis = {
      stroke: text,
      grid: { show: false },
      ticks: { show: false },
      size: 18,
      space: 90,
      gap: 2,
      font: "11px ui-monospace, Menlo, 'Liberation Mono', monospace",
    };
    axis.values = (plot, splits, _axis, _space, step) =>
      splits.map((split) => {
        const text = tickText(split * 1000, step, origin * 1000);
        const place = plot.valToPos(split, "x");
        const half = (text.length * CHARACTER) / 2; // what does not fit is left out: half a time is a wrong one
        return place < half - EDGE || place > this.#width - half - EDGE ? "" : text;
      });
    return {
      width: this.#width,
      height: HEIGHT,
      padding: [8, EDGE, 0, EDGE],
      tzDate: (seconds) =>
        settings.times === "utc" ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
      scales: {
        x: { range: (_plot, low, high) => this.#extent(low, high) },
        y: { range: (_plot, _low, high) => [0, Math.max(1, high)] },
      },
      axes: [axis, { show: false }],
      series: [{}, ...series],
      hooks: {
        setCursor: [(plot) => this.#read(plot)],
        setSelect: [(plot) => this.#selected(plot)],
        draw: [(plot) => this.#drawMarks(plot, colour)],
      },
    };
  }

  /** Bars as wide as their time; uPlot's own would take the width from the two that are nearest to each other. */
  #bars(plot, series, first, last) {
    const [times, values] = [plot.data[0], plot.data[series]];
    const seconds = (this.#buckets[0]?.width ?? 1000) / 1000;
    const fill = new Path2D();
    const floor = plot.valToPos(0, "y", true);
    for (let index = first; index <= last; index++) {
      if (!values[index]) continue;
      const [left, right] = [times[index], times[index] + seconds].map((time) => plot.valToPos(time, "x", true));
      const top = plot.valToPos(values[index], "y", true);
      const gap = right - left > 4 * devicePixelRatio ? devicePixelRatio : 0;
      fill.rect(left, top, Math.max(devicePixelRatio, right - left - gap), floor - top);
    }
    return { stroke: null, fill, clip: null, band: null, gaps: null, flags: 0 };
  }

  /** The range, or the mission from its first event to its last, with a bucket's width of room for the last bar. */
  #extent(low, high) {
    const gap = (this.#buckets[0]?.width ?? 1000) / 1000;
    if (this.#range) return [this.#range.since / 1000, this.#range.until / 1000];
    return [low, Math.max(high + gap, low + 0.001)];
  }

  #drawMarks(plot, colour) {
    const { ctx } = plot;
    const size = 3.5 * devicePixelRatio;
    const marks = new Map();
    for (const bucket of this.#buckets) {
      const counts = countsOf(bucket);
      for (const kind of MARKS) {
        if (!counts[kind]) continue;
        const x = plot.valToPos(bucket.time / 1000, "x", true);
        marks.set(Math.round(x / (size * 2)), { x, kind });
      }
    }
    const kinds = Map.groupBy(marks.values(), (mark) => mark.kind);
    ctx.save();
    for (const { x, kind } of marks.values()) {
      // What is everywhere marks nothing; but a malformed line is always worth a mark.
      if (kinds.get(kind).length > MOST_MARKS && kind !== "malformed") continue;
      ctx.fillStyle = colour(kind);
      ctx.beginPath();
      ctx.moveTo(x - size, 0);
      ctx.lineTo(x + size, 0);
      ctx.lineTo(x, size * 1.5);
      ctx.fill();
    }
    ctx.restore();
  }

  #read(plot) {
    const { idx, left } = plot.cursor;
    const bucket = left >= 0 ? this.#buckets[idx ?? -1] : null;
    this.#readout.hidden = !bucket;
    if (!bucket) return;
    const counts = Object.entries(bucket.by_type).filter(([, number]) => number > 0);
    const origin = this.#summary.firstTime ?? 0;
    this.#readout.replaceChildren(
      h("b", {}, clock(bucket.time, settings.times, { origin })),
      ...counts.map(([type, number]) => h("span", { class: kindOfType(type) }, `${count(number)} ${type}`)),
    );
    this.#readout.classList.toggle("right", left > this.#width / 2);
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 3) return;
    const since = plot.posToVal(left, "x") * 1000;
    const until = plot.posToVal(left + width, "x") * 1000;
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.#brushed = performance.now();
    this.dispatchEvent(new CustomEvent("range", { detail: { since, until } }));
  }

  #brushed = -Infinity;

  #clicked() {
    const { left } = this.#plot.cursor;
    // The click that ends a drag is no click.
    if (left < 0 || performance.now() - this.#brushed < 300) return;
    this.dispatchEvent(new CustomEvent("time", { detail: { ms: this.#plot.posToVal(left, "x") * 1000 } }));
  }
}

/** A time on the axis, as fine as the steps (in seconds) are. */
function tickText(ms, step, origin) {
  if (settings.times === "relative") return sinceStart(ms - origin).replace(/\.000$/, "");
  const text = clock(ms, settings.times, { withDate: true });
  if (step >= 86_400) return text.slice(0, 5);
  if (step >= 60) return text.slice(6, 11);
  return step >= 1 ? text.slice(6, 14) : text.slice(6);
}

function kindOfType(type) {
  return TYPES.includes(type) ? type : "other";
}

function countsOf(bucket) {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  for (const [type, number] of Object.entries(bucket.by_type)) counts[kindOfType(type)] += number;
  return counts;
}

/**
 * Buckets put together to bars: as many as there are events for. A bar is a whole number of buckets wide, so that none
 * is cut in two.
 */
function regrouped(buckets) {
  if (buckets.length < 2) return buckets;
  const first = buckets[0].time;
  const step = smallestGap(buckets);
  const events = buckets.reduce((sum, bucket) => sum + sumOf(bucket), 0);
  const most = Math.min(MOST_BARS, Math.max(24, Math.round(3 * Math.sqrt(events))));
  const width = step * Math.ceil(((buckets.at(-1).time - first) / step + 1) / most);
  const bars = new Map();
  for (const bucket of buckets) {
    const index = Math.floor((bucket.time - first) / width + 1e-6);
    const bar = bars.get(index) ?? { time: first + index * width, width, by_type: {} };
    for (const [type, number] of Object.entries(bucket.by_type)) bar.by_type[type] = (bar.by_type[type] ?? 0) + number;
    bars.set(index, bar);
  }
  return [...bars.values()];
}

function smallestGap(buckets) {
  let gap = Infinity;
  for (let index = 1; index < buckets.length; index++)
    gap = Math.min(gap, buckets[index].time - buckets[index - 1].time);
  return gap;
}

function sumOf(bucket) {
  return Object.values(bucket.by_type).reduce((sum, number) => sum + number, 0);
}

/** A colour as canvas takes it: `light-dark()` is of CSS only. */
function resolved(element, value) {
  const probe = document.createElement("i");
  probe.style.color = value;
  probe.style.forcedColorAdjust = "none"; // bars of one colour would be one block
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

customElements.define("stream-timeline", StreamTimeline);
