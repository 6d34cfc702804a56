/** What screen readers are told of by themselves: politely, and not more often than one can listen to. */

const PAUSE = 8000;

let region = null;
let waiting = "";
let timer = 0;
let spoken = -Infinity;

/** Say something soon. What comes before it is said takes its place; what is urgent is said within a second. */
export function announce(text, { urgent = false } = {}) {
  waiting = text;
  const rest = Math.max(0, spoken + (urgent ? 1000 : PAUSE) - performance.now());
  if (timer && !urgent) return;
  clearTimeout(timer);
  timer = setTimeout(speak, rest);
}

function speak() {
  timer = 0;
  spoken = performance.now();
  region ??= document.getElementById("announcer");
  region.textContent = waiting;
}
