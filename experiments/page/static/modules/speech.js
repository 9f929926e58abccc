// The browser's voice.

import { loadValue, storeValue } from "./storage.js";

export const MIN_RATE = 0.5, MAX_RATE = 2;
const NO_VOICE = "This browser has no voice: it cannot speak.";
const LANGUAGE = "en", STORED_NAME = "voice";

/** @returns {SpeechSynthesisVoice[]} those that read English first */
export function listVoices() {
  const voices = window.speechSynthesis?.getVoices() || [];
  const isEnglish = (/** @type {SpeechSynthesisVoice} */ voice) => voice.lang.toLowerCase().startsWith(LANGUAGE);
  return [...voices].sort((a, b) => Number(isEnglish(b)) - Number(isEnglish(a)));
}

/** @returns {{name: string, rate: number}} the voice, empty for the browser's own, and its speed */
export function loadVoice() {
  const stored = loadValue(STORED_NAME) || {}, rate = Number(stored.rate);
  return {
    name: typeof stored.name === "string" ? stored.name : "",
    rate: rate >= MIN_RATE && rate <= MAX_RATE ? rate : 1,
  };
}

/** @param {{name: string, rate: number}} voice */
export const storeVoice = (voice) => storeValue(STORED_NAME, voice);

/**
 * Speak a text.
 * @param {string} text
 * @returns {string} why it cannot be spoken; empty if it can
 */
export function speak(text) {
  if (!text.trim()) return "";
  if (!window.speechSynthesis) return NO_VOICE;
  const { name, rate } = loadVoice(), voice = listVoices().find((one) => one.voiceURI === name);
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = voice ? voice.lang : LANGUAGE;
  utterance.rate = rate;
  if (voice) utterance.voice = voice;
  window.speechSynthesis.speak(utterance);
  return "";
}

/** Stop the speech. */
export function stopSpeaking() {
  window.speechSynthesis?.cancel();
}
