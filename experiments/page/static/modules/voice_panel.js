// The choice of the voice and its speed.

import { element, whenPresent } from "./dom.js";
import { listVoices, loadVoice, speak, stopSpeaking, storeVoice } from "./speech.js";

const SAMPLE = "This is how I sound.", DEFAULT_NAME = "The browser's own";

/** Offer the browser's voices, which some browsers load late. */
export function startVoicePanel() {
  function fill() {
    if (!element("voice")) return;
    const { name, rate } = loadVoice();
    const options = listVoices().map((voice) =>
      new Option(`${voice.name} (${voice.lang})`, voice.voiceURI, false, voice.voiceURI === name));
    element("voice").replaceChildren(new Option(DEFAULT_NAME, ""), ...options);
    element("rate").value = rate;
    showRate();
  }

  function showRate() {
    element("rate-text").textContent = Number(element("rate").value).toFixed(1) + " ×";
  }

  whenPresent("voice", fill);
  window.speechSynthesis?.addEventListener?.("voiceschanged", fill);
  document.addEventListener("input", (event) => {
    const id = /** @type {Element} */ (event.target).id;
    if (id !== "uv-voice" && id !== "uv-rate") return;
    storeVoice({ name: element("voice").value, rate: Number(element("rate").value) });
    showRate();
  });
  document.addEventListener("click", (event) => {
    if (!/** @type {Element} */ (event.target).closest("#uv-voice-try")) return;
    stopSpeaking();
    speak(SAMPLE);
  });
}
