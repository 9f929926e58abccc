// The display of a lesson: its prompt, its captures and its progress.

import { element } from "./dom.js";
import { speak, stopSpeaking } from "./speech.js";

/** The part of the tab that is shown during a lesson. */
export class LessonView {
  constructor() {
    /** @type {string | null} */
    this.shownLabel = null;
  }

  /** Show the lesson in place of the plan. */
  open() {
    element("plan").hidden = true;
    element("taught").hidden = true;
    element("lesson").hidden = false;
    this.shownLabel = null;
    element("captured").hidden = true;
    element("captured-text").textContent = "What is kept";
  }

  /** Show the plan again. */
  close() {
    const hadFocus = element("lesson").contains(document.activeElement);
    element("teach-video").srcObject = null;
    element("lesson").hidden = true;
    element("plan").hidden = false;
    if (hadFocus) element("teach-start").focus();
  }

  /**
   * @param {import("./answerer.js").Progress} progress
   * @param {string} example URL of a drawing; empty for none
   */
  showProgress(progress, example) {
    const { phase, label, name, index, total, shot, shots } = progress;
    if (phase === "done") return;
    this.announce(progress, label !== this.shownLabel);
    if (label !== this.shownLabel) this.showLabel(label, name, example);
    element("cue").textContent = phase === "ready" ? "Get ready: " + Math.ceil(2 * progress.countdown_s)
      : !progress.is_visible ? element("teach").dataset.notFound : "Now";
    element("dots").textContent = "●".repeat(shot) + "○".repeat(shots - shot);
    element("progress").value = (index + shot / shots) / total;
    element("left").textContent = `${index + 1} of ${total}, about ${Math.max(1, Math.round(progress.remaining_s))} s left`;
    if (progress.captured) this.showCaptured(progress.captured);
  }

  /**
   * Announce a change in one go: a screen reader reads the last text alone.
   * @param {import("./answerer.js").Progress} progress
   * @param {boolean} isNew
   */
  announce({ captured, name, shot, shots }, isNew) {
    const parts = [captured && captured.name + " captured", isNew ? name : captured && `${shot} of ${shots}`];
    const text = parts.filter(Boolean).join(". ");
    if (text) element("said").textContent = text;
  }

  /**
   * @param {string} label
   * @param {string} name
   * @param {string} example
   */
  showLabel(label, name, example) {
    this.shownLabel = label;
    element("asked").textContent = name;
    element("lesson").dataset.label = label;
    if (element("say").checked) { stopSpeaking(); speak(name); }
    const image = element("example");
    image.hidden = true;
    if (!example) return;
    image.onload = () => { image.hidden = false; };
    image.alt = "The sign " + name;
    image.src = example;
  }

  /** @param {{name: string, read: string, image: string}} captured */
  showCaptured({ name, read, image }) {
    const view = element("captured");
    view.hidden = false;
    view.src = image;
    view.alt = "What is kept of " + name;
    element("captured-text").textContent = read === name ? name + ", as the model reads it too" : `${name}; the model alone reads ${read}`;
  }

  /** @param {string} comparison of the model with and without the profile */
  showComparison(comparison) {
    const taught = element("taught");
    taught.hidden = false;
    taught.textContent = comparison;
  }
}
