// Words that look alike: n-best words of a stream: unvoiced/writing/word_composer.py, without a model of
// their order. English pairs read fewer words of a closed vocabulary than the network alone.
import { isSameList } from "./composer.js";

const CANDIDATES = 8, MAX_WORDS = 24, MIN_PROBABILITY = 1e-6;
const MAX_BEHIND = 7;  // a text whose score is this far below that of another is not offered

/** Suggests corrections of a sequence of words. */
export class WordComposer {
  /** @param {string[]} labels of the probabilities */
  constructor(labels) {
    this.useLabels(labels);
  }

  /** Take probabilities of other labels from now on, such as with a person's profile. */
  useLabels(labels) {
    this.labels = [...labels];
    this.clear();
  }

  /** Forget all words. */
  clear() {
    /** @type {number[][]} */
    this.places = [];  // log-probabilities of the labels
    /** @type {string[]} */
    this.written = [];
  }

  /** The words, as written. */
  get spelled() {
    return this.written.join(" ");
  }

  /** Return whether a label is a word of the model. */
  canAdd(label) {
    return this.labels.includes(label);
  }

  /** Add a word, the probabilities of the labels, as it was written. */
  add(probabilities, label) {
    if (this.places.length === MAX_WORDS) this.clear();
    this.places = [...this.places, probabilities.map((value) => Math.log(Math.max(value, MIN_PROBABILITY)))];
    this.written = [...this.written, label];
  }

  /** Add a word that is certain, as one that was typed. */
  addCertain(label) {
    this.add(this.labels.map((one) => Number(one === label)), label);
  }

  /** Take back the last word. */
  undo() {
    this.places = this.places.slice(0, -1);
    this.written = this.written.slice(0, -1);
  }

  /** Return the words so far, for restoreState. */
  saveState() {
    const { labels, places, written } = this;
    return { labels, places, written };
  }

  /** Return to the words that saveState gave; null for none, as for those of other labels. */
  restoreState(state) {
    if (!state || !isSameList(state.labels, this.labels)) return this.clear();
    this.places = state.places;
    this.written = state.written;
  }

  /** Return the likeliest texts that differ from the written one, best first. */
  propose(most) {
    if (!this.places.length) return [];
    const found = this.rankTexts(most + 1), least = found[0].score - MAX_BEHIND;
    const texts = found.filter(({ score }) => score >= least).map(({ text }) => text);
    return texts.filter((text) => text !== this.spelled).slice(0, most);
  }

  /** Return the likeliest sequences of words with their scores, best first. */
  rankTexts(most) {
    let paths = [{ score: 0, words: /** @type {string[]} */ ([]) }];
    for (const place of this.places) {
      const best = [...place.keys()].sort((a, b) => place[b] - place[a] || a - b).slice(0, CANDIDATES);
      const grown = paths.flatMap(({ score, words }) =>
        best.map((n) => ({ score: score + place[n], words: [...words, this.labels[n]] })));
      paths = grown.sort((a, b) => b.score - a.score).slice(0, most);
    }
    return paths.map(({ score, words }) => ({ score, text: words.join(" ") }));
  }
}
