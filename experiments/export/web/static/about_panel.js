// "About this app": its licences, and the measurements of this visit.
import { element } from "./dom.js";

const LICENSES = "LICENSES.txt";
const formatMb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Return the bytes of the files of a list of resource timings: as they are used, and of the network. */
export function countBytes(entries) {
  const sum = (key) => entries.reduce((total, entry) => total + (entry[key] || 0), 0);
  return { used: sum("decodedBodySize"), fetched: sum("transferSize") };
}

/** Let the link to the licences lead to those that the one file holds. */
export function linkLicenses(parts) {
  if (!parts.contents) return;
  const link = element("licenses");
  link.href = parts.locate(LICENSES);
  link.download = LICENSES;
  delete parts.contents[LICENSES];  // the worker needs it not
}

/**
 * Show the duration of the start, the fetched files and the memory of the models.
 * @param {import("./worker_answerer.js").WorkerClient} client
 * @param {boolean} isOneFile nothing is fetched
 */
export async function showVisit(client, isOneFile) {
  const startS = (performance.now() / 1000).toFixed(1);
  element("start-up").textContent = `Ready ${startS} seconds after it was opened.`;
  const { entries, memory } = await client.ask("measure");
  const own = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const { used, fetched } = countBytes([...own, ...entries]);
  const files = isOneFile ? "" : `${formatMb(used)} of files, of which ${formatMb(fetched)} came over the network; `;
  element("visit").textContent = `This visit: ready after ${startS} seconds; ${files}` +
    `${formatMb(memory)} of memory for the libraries and models, in addition to that of any page with a camera.`;
}
