// Suggestions for the current word. A suggestion that stays keeps its button, nothing changes
// under a pointer or below the keyboard's focus, and a press on a button that has just changed is
// ignored: it was meant for another text.

import { element, whenPresent } from "./dom.js";
import { loadValue, storeValue } from "./storage.js";

const SETTLE_MS = 350;  // a finger's way to a button
const HOLD_MS = 2500;  // for which a pointer that rests keeps the suggestions
const ANNOUNCE_MS = 1200;  // without a change, after which a screen reader reads them
/** @type {Object<string, number>} */
const KEYS = { Digit1: 0, Digit2: 1, Digit3: 2, Numpad1: 0, Numpad2: 1, Numpad3: 2 };
const STORED_NAME = "digits";  // false: the keys are switched off
const UNDO_KEYS = ["Digit0", "Numpad0"];

/**
 * Return the suggestions in the order of the buttons: those that stay do not move.
 * @param {string[]} shown
 * @param {string[]} suggestions best first
 * @param {number} size number of buttons
 * @returns {string[]} empty texts for buttons without one
 */
export function arrangeSuggestions(shown, suggestions, size) {
  const added = suggestions.filter((text) => !shown.includes(text));
  return Array.from({ length: size }, (_, n) =>
    (suggestions.includes(shown[n]) ? shown[n] : added.shift()) || "");
}

/**
 * @param {{accept: (n: number, text: string) => void, undo: () => void, isActive: () => boolean}} hooks
 * @returns {{show: (suggestions: string[]) => void}}
 */
export function startSuggestionPanel(hooks) {
  /** @type {string[]} */
  let shown = [];
  /** @type {string[]} */
  let latest = [];
  /** @type {number[]} */
  const changedAt = [];
  let heldUntil = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let heldTimeout;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let announceTimeout;

  const listButtons = () =>
    /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#uv-suggestions .uv-suggestion")]);

  function show(/** @type {string[]} */ suggestions) {
    const isSame = suggestions.length === latest.length && suggestions.every((text, n) => text === latest[n]);
    if (isSame) return;
    latest = suggestions;
    const heldMs = heldUntil - performance.now();
    clearTimeout(heldTimeout);
    if (heldMs > 0 && shown.some(Boolean)) heldTimeout = setTimeout(render, heldMs); else render();
  }

  function render() {
    const row = element("suggestions"), buttons = listButtons();
    if (!row) return;
    if (latest.length) row.hidden = false;
    const texts = arrangeSuggestions(shown, latest, buttons.length);
    buttons.forEach((button, n) => showSuggestion(button, texts[n], n));
    shown = texts;
    clearTimeout(announceTimeout);
    announceTimeout = setTimeout(announce, ANNOUNCE_MS);
  }

  function showSuggestion(/** @type {HTMLElement} */ button, /** @type {string} */ text, /** @type {number} */ n) {
    button.classList.toggle("uv-likeliest", Boolean(text) && text === latest[0]);
    if (text === (shown[n] || "")) return;
    changedAt[n] = performance.now();
    button.querySelector("span").textContent = text || "–";
    if (text) button.removeAttribute("aria-disabled"); else button.setAttribute("aria-disabled", "true");
  }

  function announce() {
    const texts = shown.map((text, n) => text && `${n + 1} ${text}`).filter(Boolean);
    element("suggested").textContent = texts.length ? "Suggestions: " + texts.join(", ") : "";
  }

  function choose(/** @type {number} */ n) {
    if (!shown[n] || performance.now() - changedAt[n] < SETTLE_MS) return;
    heldUntil = 0;
    hooks.accept(latest.indexOf(shown[n]), shown[n]);
  }

  function release() {
    heldUntil = 0;
    clearTimeout(heldTimeout);
    if (shown.filter(Boolean).join("\n") !== latest.join("\n")) render();
  }

  const isInRow = (/** @type {Event} */ event) =>
    Boolean(/** @type {Element} */ (event.target).closest?.("#uv-suggestions"));

  for (const kind of ["pointermove", "pointerdown", "focusin"]) {
    document.addEventListener(kind, (event) => {
      if (isInRow(event)) heldUntil = performance.now() + HOLD_MS;
      else if (heldUntil) release();
    });
  }
  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".uv-suggestion"));
    if (button) choose(listButtons().indexOf(button));
  });
  whenPresent("digits", () => { element("digits").checked = loadValue(STORED_NAME) !== false; });
  document.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box.id === "uv-digits") storeValue(STORED_NAME, box.checked ? null : false);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = /** @type {Element} */ (event.target).closest?.("input:not([type=checkbox]), textarea, select");
    if (!hooks.isActive() || !element("suggestions")?.offsetParent) return;
    if (!element("digits").checked) return;
    if (event.ctrlKey || event.metaKey || event.repeat || (isTyping && !event.altKey)) return;
    const n = KEYS[event.code], isUndo = UNDO_KEYS.includes(event.code);
    if (n === undefined && !isUndo) return;
    event.preventDefault();
    if (isUndo) hooks.undo(); else choose(n);
  });

  return { show };
}
