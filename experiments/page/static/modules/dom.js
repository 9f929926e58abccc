// Elements of the page. They are looked up when they are used: the page may be built after its scripts.

/**
 * @param {string} id without the prefix
 * @returns {any} the element; null where its panel is left out
 */
export const element = (id) => document.getElementById("uv-" + id);

/**
 * Call a function once an element is on the page.
 * @param {string} id without the prefix
 * @param {() => void} callback
 */
export function whenPresent(id, callback) {
  if (element(id)) { callback(); return; }
  const observer = new MutationObserver(() => {
    if (!element(id)) return;
    observer.disconnect();
    callback();
  });
  observer.observe(document, { childList: true, subtree: true });
}

/**
 * Show a sentence in an alert; an empty one hides it.
 * @param {HTMLElement | null} alert
 * @param {string} [sentence]
 */
export function showSentence(alert, sentence) {
  if (!alert) return;
  alert.hidden = !sentence;
  alert.textContent = sentence || "";
}

/**
 * Offer a file as a download.
 * @param {Blob} file
 * @param {string} name
 */
export function saveFile(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {number} ms */
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
