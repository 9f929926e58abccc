// The browser's voice.

const NO_VOICE = "This browser has no voice: it cannot speak.";

/**
 * Speak a text.
 * @param {string} text
 * @returns {string} why it cannot be spoken; empty if it can
 */
export function speak(text) {
  if (!text.trim()) return "";
  if (!window.speechSynthesis) return NO_VOICE;
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = "en";
  window.speechSynthesis.speak(utterance);
  return "";
}

/** End what is being spoken. */
export function stopSpeaking() {
  window.speechSynthesis?.cancel();
}
