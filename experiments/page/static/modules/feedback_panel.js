// Corrections: wrong answers with their right labels.

import { saveFile, showSentence } from "./dom.js";

const FILE_NAME = "corrections.zip";
const NO_PROFILE = "You have no profile yet: teach the model, or use a profile from its file.";
const EXPIRED = "Your earlier corrections have expired.";

/**
 * @param {import("./answerer.js").Answerer} answerer
 * @param {{hasProfile: () => boolean, onProfile: (file: Blob, text: string) => void}} hooks
 */
export function startFeedbackPanel(answerer, hooks) {
  const corrections = answerer.corrections;
  let keptText = "";
  const panels = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".uv-feedback")]);

  function showKept(/** @type {string} */ text, note = "") {
    keptText = text;
    for (const panel of panels()) {
      panel.querySelector("[role=status]").textContent = [note, text].filter(Boolean).join(" ");
      /** @type {HTMLElement} */ (panel.querySelector(".uv-kept")).hidden = !text;
    }
  }

  function showForm(/** @type {HTMLElement} */ panel, /** @type {boolean} */ isShown) {
    const button = /** @type {HTMLElement} */ (panel.querySelector("[data-feedback=mark]"));
    panel.querySelector("form").hidden = !isShown;
    button.hidden = isShown;
    button.setAttribute("aria-expanded", String(isShown));
    (isShown ? panel.querySelector("input") : button).focus();
  }

  /** @type {Object<string, (panel: HTMLElement) => Promise<void>>} */
  const actions = {
    async mark(panel) {
      if (panel.dataset.source === "camera" && !answerer.isOpen) throw new Error("Start the camera first.");
      const answer = await corrections.mark(panel.dataset.source);
      panel.querySelector(".uv-read").textContent = `It was read as “${answer.answer || "no words"}”. It was`;
      panel.querySelector("datalist").replaceChildren(...answer.labels.map((label) => new Option(label, label)));
      panel.querySelector("input").value = "";
      showForm(panel, true);
    },
    async cancel(panel) { showForm(panel, false); },
    async keep(panel) {
      const answer = await corrections.correct(panel.querySelector("input").value);
      showForm(panel, false);
      showKept(answer.text, `Kept as “${answer.label}”.`);
    },
    async download() { saveFile(await corrections.pack(), FILE_NAME); },
    async profile() {
      if (!hooks.hasProfile()) throw new Error(NO_PROFILE);
      const { file, text } = await corrections.extendProfile();
      hooks.onProfile(file, text);
      showKept(keptText, "Added to your profile; start the camera again to use it.");
    },
    async forget(panel) {
      await corrections.forget();
      showKept("", "Forgotten.");
      /** @type {HTMLElement} */ (panel.querySelector("[data-feedback=mark]")).focus();
    },
  };

  async function act(/** @type {HTMLElement} */ panel, /** @type {string} */ name) {
    const alert = /** @type {HTMLElement} */ (panel.querySelector("[role=alert]"));
    showSentence(alert);
    try {
      await actions[name](panel);
    } catch (error) {
      showSentence(alert, error.message);
    }
  }

  /** @returns {HTMLElement | null} */
  const closestPanel = (/** @type {Event} */ event) =>
    /** @type {Element} */ (event.target).closest?.(".uv-feedback");

  document.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest("[data-feedback]"));
    if (button) act(button.closest(".uv-feedback"), button.dataset.feedback);
  });
  document.addEventListener("submit", (event) => {
    const panel = closestPanel(event);
    if (!panel) return;
    event.preventDefault();
    act(panel, "keep");
  });
  document.addEventListener("keydown", (event) => {
    const isInForm = /** @type {Element} */ (event.target).closest?.(".uv-feedback form");
    if (isInForm && event.key === "Escape") act(closestPanel(event), "cancel");
  });
  window.addEventListener("pagehide", () => {
    corrections.close();
    showKept("");
  });
  corrections.onExpired = () => { if (keptText) showKept("", EXPIRED); };
}
