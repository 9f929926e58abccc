// The app: the panels of the page, answered by a worker on this device.
import { element, showSentence } from "./dom.js";
import { startFilePanel } from "./file_panel.js";
import { startPanels } from "./panels.js";
import { followColorScheme } from "./theme.js";
import { WorkerClient, createWorkerAnswerer, startWorker } from "./worker_answerer.js";

/** Let the app run without a network after the first visit, where the browser allows it. */
function keepForOffline(parts) {
  const isAllowed = !parts.contents && window.isSecureContext && "serviceWorker" in navigator;
  if (isAllowed) navigator.serviceWorker.register("sw.js").catch(() => {});  // the app runs without it
}

/** Return the contents that the page needs no more: all but drawings. */
const listMovable = (contents) =>
  Object.entries(contents).filter(([path]) => !path.startsWith("examples/")).map(([, content]) => content);

/**
 * Start the app.
 * @param {{contents: Object<string, ArrayBuffer> | null, locate: (path: string) => string}} parts its files
 */
export async function startApp(parts) {
  followColorScheme();
  const client = new WorkerClient(startWorker(parts)), contents = parts.contents;
  const opening = client.ask("open", { contents }, contents ? listMovable(contents) : []);
  startPanels(createWorkerAnswerer(client, opening, parts));
  startFilePanel(client, opening);
  keepForOffline(parts);
  try {
    await opening;
    element("start-up").textContent = `Ready ${(performance.now() / 1000).toFixed(1)} seconds after it was opened.`;
    document.documentElement.dataset.state = "ready";
  } catch (error) {
    element("start-up").textContent = "";
    showSentence(element("alert"), error.message);
    document.documentElement.dataset.state = "failed";
  }
}
