// The text: of the session, and of those before it.

import { element } from "./dom.js";

/** The text of a visit. */
export class TextView {
  constructor() {
    this.sessionText = this.earlierText = "";
  }

  /** The text of this and of earlier sessions. */
  get whole() { return this.earlierText + this.sessionText; }

  /**
   * Show the text of the session.
   * @param {string} text
   * @returns {string} the text added at its end; empty after a change
   */
  update(text) {
    if (text === this.sessionText) return "";
    const added = text.startsWith(this.sessionText) ? text.slice(this.sessionText.length) : "";
    this.sessionText = text;
    this.show();
    return added;
  }

  /** Keep the text of a session that has ended in front of the next one's. */
  archive() {
    this.earlierText += this.sessionText;
    this.sessionText = "";
  }

  /**
   * Edit the text of earlier sessions.
   * @param {string} name of the button
   */
  type(name) {
    this.earlierText = name === "space" ? this.earlierText + " " : this.earlierText.slice(0, -1);
    this.show();
  }

  /** Delete all text. */
  clear() {
    this.sessionText = this.earlierText = "";
    this.show();
  }

  /** Show the text, its end in sight. */
  show() {
    const output = element("text");
    output.textContent = this.whole;
    output.scrollTop = output.scrollHeight;
  }
}
