/** Numbers, as people read them. */

const whole = new Intl.NumberFormat("en");

/** `1,234`. */
export function count(value) {
  return whole.format(value);
}

/** `1 event`, `2 events`. */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** `1.2 MB`. */
export function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `43 %`: never 100 before it is all, never 0 once it has begun. */
export function percent(part, all) {
  if (!all || part >= all) return "100 %";
  return `${Math.min(99, Math.max(part > 0 ? 1 : 0, Math.round((part / all) * 100)))} %`;
}
