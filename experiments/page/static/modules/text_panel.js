// The text and its actions: suggestions, keys, speaking, copying, the history.

import { explainError } from "./cameras.js";
import { copyText } from "./clipboard.js";
import { element, showSentence, whenPresent } from "./dom.js";
import { startHistoryPanel } from "./history_panel.js";
import { startPhrasePanel } from "./phrase_panel.js";
import { speak, stopSpeaking } from "./speech.js";
import { startSuggestionPanel } from "./suggestion_panel.js";
import { TextView } from "./text_view.js";
import { startVoicePanel } from "./voice_panel.js";

/** @param {import("./answerer.js").Answerer} answerer */
export function startTextPanel(answerer) {
  const text = new TextView();

  const showError = (/** @type {string} */ sentence) => showSentence(element("alert"), sentence);
  const isAloud = () => element("aloud").checked;

  function say(/** @type {string} */ words) {
    const reason = speak(words);
    if (reason) showError(reason);
  }

  /** Speak a sentence as a whole, and note it. */
  function saySentence(/** @type {string} */ sentence) {
    history.add(sentence);
    say(sentence);
  }

  /** Show the state of the session's text. */
  function show(/** @type {import("./answerer.js").TextState} */ state) {
    const added = text.update(state.text);
    suggestions.show(state.suggestions || []);
    if (isAloud()) say(added);
  }

  /** Return a sentence on an error, and keep the text where its session has ended. */
  function noteError(/** @type {any} */ error) {
    if (error.kind === "expired") archive();
    return explainError(error);
  }

  /** Keep the text of the session that has ended. */
  function archive() {
    text.archive();
    suggestions.show([]);
  }

  /** Show the change of the session's text by a button; return whether there was one. */
  async function change(/** @type {Promise<import("./answerer.js").TextState>} */ answer) {
    try {
      showError("");
      show(await answer);
      return true;
    } catch (error) {
      showError(noteError(error));
      return false;
    }
  }

  async function accept(/** @type {number} */ n, /** @type {string} */ suggestion) {
    const isDone = await change(answerer.accept(n, suggestion));
    if (isDone && isAloud()) say(suggestion);
  }

  function undo() {
    if (answerer.isOpen && answerer.undo) change(answerer.undo());
  }

  /** @param {"space" | "backspace"} name */
  function type(name) {  // the session edits its own text, the page that of earlier ones
    if (answerer.isOpen && (name === "space" || text.sessionText)) change(answerer.type(name));
    else text.type(name);
  }

  function clear() {
    history.add(text.whole);
    text.clear();
    stopSpeaking();
    if (answerer.isOpen) change(answerer.clear());
  }

  const history = startHistoryPanel({ say });
  const suggestions = startSuggestionPanel({ accept, undo, isActive: () => answerer.isOpen });
  startPhrasePanel(answerer, { say: saySentence });
  startVoicePanel();
  whenPresent("undo", () => { element("undo").hidden = !answerer.undo; });

  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (!button || !button.closest(".uv-result")) return;
    const name = button.dataset.uv || button.id.replace("uv-", "");
    const words = button.closest(".uv-result").querySelector(".uv-text").textContent.trim();
    if (name === "speak") saySentence(words);
    if (name === "copy") { history.add(words); copyText(words, button); }
    if (name === "clear") clear();
    if (name === "undo") undo();
    if (name === "space" || name === "backspace") type(name);
  });

  return { show, noteError, archive, showError };
}
