// The text of a stream, with suggestions and a history for undo:
// unvoiced/writing/writer.py.
import { isSameList } from "./composer.js";
import { PAUSE_LABEL, TextBuffer } from "./decisions.js";

const MAX_UNDO = 200, MAX_SUGGESTIONS = 3;

/** Writes letters or words, and suggests corrections. Only accept replaces written text. */
export class TextWriter {
  /** @param {boolean} isJoined labels are letters; otherwise words, with a space between them */
  constructor(isJoined) {
    this.buffer = new TextBuffer(isJoined);
    /** @type {import("./composer.js").TextComposer | import("./word_composer.js").WordComposer | null} */
    this.composer = null;
    this.history = [];
    this.cachedSuggestions = [];
  }

  get text() {
    return this.buffer.text;
  }

  /** The end of the text that a suggestion replaces. */
  get spelled() {
    return this.text.slice(this.text.length - (this.composer?.spelled.length ?? 0));
  }

  /** Up to three suggestions for the current word, the likeliest first. */
  get suggestions() {
    this.cachedSuggestions ??= this.findSuggestions();
    return this.cachedSuggestions;
  }

  /**
   * Write a label; "space" and "del" act as keys.
   * @param {string} label
   * @param {ArrayLike<number> | null} [probabilities] of the hold, those of the classes first; null
   *   for a label that is certain, as one that was typed
   * @param {string[]} [classes]
   */
  add(label, probabilities = null, classes = []) {
    if (label === PAUSE_LABEL) return;
    this.keepStep();
    this.buffer.add(label);
    if (this.composer) this.compose(this.composer, label, probabilities, classes);
  }

  /** Replace the current word by a suggestion; return whether it is offered. */
  accept(text) {
    if (!this.composer || !this.suggestions.includes(text)) return false;
    this.keepStep();
    const kept = this.text.slice(0, this.text.length - this.spelled.length), { isJoined } = this.buffer;
    this.buffer.text = isJoined ? kept : kept.replace(/ $/, "");
    this.buffer.add(isJoined ? `${text} ` : text);
    this.forgetHolds();
    return true;
  }

  /** Suggest with another composer from now on; the text and its history stay. */
  useComposer(composer) {
    this.composer = composer;
    this.cachedSuggestions = [];
    this.history = this.history.map(({ text }) => ({ text, state: null }));
  }

  /** Take back the last hold, acceptance or typed key; return whether there was one. */
  undo() {
    const step = this.history.pop();
    if (!step) return false;
    this.buffer.text = step.text;
    if (this.composer) {
      this.composer.restoreState(step.state);
      this.cachedSuggestions = null;
    }
    return true;
  }

  /** Delete the text and its history. */
  clear() {
    this.buffer.text = "";
    this.history = [];
    this.forgetHolds();
  }

  compose(composer, label, probabilities, classes) {
    if (probabilities && !isSameList(composer.labels, classes)) composer.useLabels(classes);
    this.cachedSuggestions = null;
    if (label === "del" && this.buffer.isJoined) composer.undo();
    else if (!composer.canAdd(label)) this.forgetHolds();
    else if (probabilities) composer.add(Array.from(probabilities).slice(0, classes.length), label);
    else composer.addCertain(label);
  }

  findSuggestions() {
    const before = this.text.slice(0, this.text.length - this.spelled.length).split(/\s+/).filter(Boolean);
    return this.composer.propose(MAX_SUGGESTIONS, before.length ? before[before.length - 1].toLowerCase() : null);
  }

  forgetHolds() {
    this.composer?.clear();
    this.cachedSuggestions = [];
  }

  keepStep() {
    this.history = [...this.history, { text: this.text, state: this.composer?.saveState() ?? null }].slice(-MAX_UNDO);
  }
}
