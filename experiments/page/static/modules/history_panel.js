// The sentences of this visit, each of which can be spoken and copied again.

import { copyText } from "./clipboard.js";
import { element } from "./dom.js";

const MAX_SENTENCES = 50;

/**
 * @param {{say: (text: string) => void}} hooks
 * @returns {{add: (text: string) => void}}
 */
export function startHistoryPanel(hooks) {
  /** @type {string[]} */
  let sentences = [];

  /** Note a sentence; one that continues the last one replaces it. */
  function add(/** @type {string} */ text) {
    const sentence = text.trim(), last = sentences.at(-1);
    if (!sentence || sentence === last) return;
    if (last !== undefined && sentence.startsWith(last)) sentences.pop();
    sentences = [...sentences, sentence].slice(-MAX_SENTENCES);
    show();
  }

  function show() {
    if (!element("history")) return;
    element("history").replaceChildren(...sentences.map(makeRow).reverse());
    element("history-empty").hidden = sentences.length > 0;
    element("history-forget").hidden = !sentences.length;
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest("button"));
    const row = button?.closest("#uv-history li");
    if (row) {
      const sentence = row.querySelector(".uv-sentence").textContent;
      if (button.dataset.history === "speak") hooks.say(sentence); else copyText(sentence, button);
    }
    if (button?.id === "uv-history-forget") {
      sentences = [];
      show();
      /** @type {HTMLElement} */ (element("history").closest("details").querySelector("summary")).focus();
    }
  });

  return { add };
}

/** @param {string} sentence */
function makeRow(sentence) {
  const row = document.createElement("li"), words = document.createElement("span");
  words.className = "uv-sentence";
  words.textContent = sentence;
  row.append(words, makeButton("speak", "Speak", sentence), makeButton("copy", "Copy", sentence));
  return row;
}

/**
 * @param {string} name
 * @param {string} label
 * @param {string} sentence
 */
function makeButton(name, label, sentence) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.history = name;
  button.textContent = label;
  button.title = `${label}: ${sentence}`;
  return button;
}
