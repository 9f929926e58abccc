// Phrases that are spoken whole, and words of the visitor's own. The visitor writes them once.

import { element, showSentence, whenPresent } from "./dom.js";
import { loadValue, storeValue } from "./storage.js";

const STORED_NAME = "texts", MAX_WORDS = 500, MAX_PHRASES = 100, MAX_CHARACTERS = 200;
const NOT_STORED = "This browser keeps nothing, so they last until you close this page.";

/**
 * Return the texts of a list, without invalid ones.
 * @param {any} texts
 * @param {number} most
 * @returns {string[]}
 */
function cleanTexts(texts, most) {
  const isText = (/** @type {any} */ text) => typeof text === "string" && text.length <= MAX_CHARACTERS;
  return Array.isArray(texts) ? texts.filter(isText).slice(0, most) : [];
}

/** @returns {import("./answerer.js").OwnTexts} */
function loadTexts() {
  const stored = loadValue(STORED_NAME) || {};
  return { words: cleanTexts(stored.words, MAX_WORDS), phrases: cleanTexts(stored.phrases, MAX_PHRASES) };
}

/**
 * @param {string[]} texts
 * @param {string} noun
 */
const countNoun = (texts, noun) => `${texts.length} ${noun}${texts.length === 1 ? "" : "s"}`;

/** @param {HTMLTextAreaElement | null} area */
const readLines = (area) =>
  [...new Set((area ? area.value : "").split("\n").map((line) => line.trim()).filter(Boolean))];

/**
 * @param {import("./answerer.js").Answerer} answerer
 * @param {{say: (text: string) => void}} hooks
 */
export function startPhrasePanel(answerer, hooks) {
  answerer.ownTexts = loadTexts();

  function show() {
    const { words, phrases } = answerer.ownTexts, row = element("phrases");
    if (!row) return;
    const shared = row.querySelectorAll("[data-shared]");  // of all visitors
    row.replaceChildren(...shared, ...phrases.map(makePhraseButton));
    row.hidden = !row.children.length;
    element("phrase-list").value = phrases.join("\n");
    if (element("word-list")) element("word-list").value = words.join("\n");
  }

  async function keep(/** @type {import("./answerer.js").OwnTexts} */ texts) {
    const isEmpty = !texts.words.length && !texts.phrases.length;
    showSentence(element("lists-alert"));
    try {
      await answerer.configure?.(texts);
      answerer.ownTexts = texts;
    } catch (error) {
      showSentence(element("lists-alert"), error.message);
      element("lists-status").textContent = "";
      return;
    }
    const isStored = storeValue(STORED_NAME, isEmpty ? null : texts);
    const note = isEmpty ? "Forgotten." : `Kept: ${countNoun(texts.phrases, "phrase")}, ${countNoun(texts.words, "word")}.`;
    element("lists-status").textContent = isStored ? note : NOT_STORED;
    show();
  }

  document.addEventListener("submit", (event) => {
    if (/** @type {Element} */ (event.target).id !== "uv-lists") return;
    event.preventDefault();
    keep({ words: readLines(element("word-list")), phrases: readLines(element("phrase-list")) });
  });
  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest("button"));
    if (button?.id === "uv-lists-forget") keep({ words: [], phrases: [] });
    if (button?.closest("#uv-phrases")) hooks.say(button.textContent);
  });

  whenPresent("phrases", show);
}

/** @param {string} phrase */
function makePhraseButton(phrase) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = phrase;
  return button;
}
