/** A stream's activity over its time, as one small line. */

const NAMESPACE = "http://www.w3.org/2000/svg";
const SIZE = { width: 96, height: 22, columns: 32 };

/** An `svg` of a summary's buckets; decoration, the numbers stand beside it. */
export function sparkline({ buckets }) {
  const svg = element("svg", { class: "spark", viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, "aria-hidden": "true" });
  const columns = columnsOf(buckets.filter((bucket) => bucket.time !== null));
  const most = Math.max(1, ...columns.map(({ all }) => all));
  const width = SIZE.width / SIZE.columns;
  columns.forEach(({ all, bad }, index) => {
    if (all === 0) return;
    const height = Math.max(1.5, (all / most) * SIZE.height);
    const place = { x: index * width, width: width - 0.8, y: SIZE.height - height, height, rx: 0.6 };
    svg.append(element("rect", { ...place, class: bad ? "bad" : "" }));
  });
  return svg;
}

function columnsOf(buckets) {
  const columns = Array.from({ length: SIZE.columns }, () => ({ all: 0, bad: 0 }));
  if (buckets.length === 0) return columns;
  const first = buckets[0].time;
  const stretch = Math.max(1, buckets.at(-1).time - first);
  for (const { time, by_type: counts } of buckets) {
    const column = columns[Math.min(SIZE.columns - 1, Math.floor(((time - first) / stretch) * SIZE.columns))];
    for (const number of Object.values(counts)) column.all += number;
    column.bad += counts.malformed ?? 0;
  }
  return columns;
}

function element(tag, attributes) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
