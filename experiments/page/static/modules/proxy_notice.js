// A notice for pages behind a proxy that removes a path and does not state it.

import { element, whenPresent } from "./dom.js";

/** @param {string} address */
const findPath = (address) => new URL(".", address).pathname.replace(/\/$/, "");

/**
 * Return what is wrong with the page's address; empty if nothing is.
 * @param {string} root the page's address as the program knows it
 * @param {string} address the page's address in the browser
 */
export function explainAddress(root, address) {
  const known = findPath(root + "/"), seen = findPath(address);
  if (known === seen) return "";
  return `The address of this page has the path ${seen || "/"}, and the program was told ${known || "/"}: files are ` +
    `not read. The proxy between them must send X-Forwarded-Prefix: ${seen || "/"}.`;
}

/** Show the notice above the page where it applies. */
export function checkAddress() {
  /** @type {any} */
  const { gradio_config: config } = window;
  const sentence = config?.root ? explainAddress(config.root, location.href) : "";
  if (!sentence) return;
  whenPresent("header", () => {
    const notice = document.createElement("p");
    notice.className = "uv-alert";
    notice.setAttribute("role", "alert");
    notice.textContent = sentence;
    element("header").append(notice);
  });
}
