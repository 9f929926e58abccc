// The app without a network: its files are kept after the first visit.
import { element } from "./dom.js";

const UPDATED = "A newer version of this app was loaded. Reload the page to use it.";

/**
 * Let the app run without a network, where the browser allows it, and say when it was replaced.
 * @param {{contents: Object<string, ArrayBuffer> | null}} parts
 */
export function keepForOffline(parts) {
  const workers = navigator.serviceWorker;
  if (parts.contents || !window.isSecureContext || !workers) return;
  const isEarlierVersion = Boolean(workers.controller);
  workers.addEventListener("controllerchange", () => {
    if (isEarlierVersion) element("update").textContent = UPDATED;
  });
  workers.register("sw.js").catch(() => {});  // the app runs without it
}
