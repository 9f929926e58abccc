// The app: the panels of the page, answered by a worker on this device.
import { linkLicenses, showVisit } from "./about_panel.js";
import { element, showSentence } from "./dom.js";
import { startFilePanel } from "./file_panel.js";
import { keepForOffline } from "./offline.js";
import { startPanels } from "./panels.js";
import { requireBrowser } from "./requirements.js";
import { followColorScheme } from "./theme.js";
import { WorkerClient, createWorkerAnswerer, startWorker } from "./worker_answerer.js";

/** Return the contents that the page needs no more: all but drawings. */
const listMovable = (contents) =>
  Object.entries(contents).filter(([path]) => !path.startsWith("examples/")).map(([, content]) => content);

/**
 * Start the app.
 * @param {{contents: Object<string, ArrayBuffer> | null, locate: (path: string) => string}} parts its files
 */
export async function startApp(parts) {
  followColorScheme();
  linkLicenses(parts);
  try {
    requireBrowser();
    await runApp(parts);
    document.documentElement.dataset.state = "ready";
  } catch (error) {
    element("start-up").textContent = "";
    showSentence(element("alert"), error.message);
    document.documentElement.dataset.state = "failed";
  }
}

async function runApp(parts) {
  const client = new WorkerClient(startWorker(parts)), contents = parts.contents;
  const opening = client.ask("open", { contents }, contents ? listMovable(contents) : []);
  startPanels(createWorkerAnswerer(client, opening, parts));
  startFilePanel(client, opening);
  keepForOffline(parts);
  await opening;
  await showVisit(client, Boolean(contents));
}
