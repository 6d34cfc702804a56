/** Saving a stream as JSONL: read page by page, kept by the browser (on its disk when it is long), not by this page. */

import { bytes, percent } from "./format.js";
import { h } from "./dom.js";

/** Save a stream's lines up to where it ends now. The button shows how far it is, and stops it when pressed again. */
export async function download(client, id, button) {
  if (button.dataset.busy !== undefined) {
    button.dispatchEvent(new Event("stop"));
    return;
  }
  const label = button.textContent;
  const abort = new AbortController();
  button.dataset.busy = "";
  button.addEventListener("stop", () => abort.abort(), { once: true });
  try {
    const parts = [];
    const read = await client.download(id, {
      signal: abort.signal,
      onpart: (part, done, all) => {
        parts.push(part);
        button.textContent = `${percent(done, all)} of ${bytes(all)} · Stop`;
      },
    });
    save(new Blob(parts, { type: "application/x-ndjson" }), `${id}.jsonl`);
    button.textContent = `${bytes(read)} saved`;
  } catch (error) {
    button.textContent = error.name === "AbortError" ? "Stopped" : error.message;
  } finally {
    delete button.dataset.busy;
    setTimeout(() => (button.textContent = label), 2500);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
