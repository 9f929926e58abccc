// From the probabilities of held signs to words: unvoiced/composer.py and writing/confusions.py.
import { checkPhrases, MAX_WORD_LETTERS, foldLetters } from "./personal.js";
import { WordTable } from "./word_table.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz", WORD_PENALTY = -3, FIRST_MARGIN = 7, CANDIDATES = 24;
const MAX_HOLDS = 200, MIN_PROBABILITY = 1e-3, PRIOR_RIGHT = 1, PRIOR_OTHER = 0.1, OWN_SHARE = 0.95;
const tables = new WeakMap();  // of the words of each list, which composers share

/** @typedef {{text: string, score: number}} Suggestion */

/** Suggests words for signs that were held one after another. */
export class TextComposer {
  /**
   * @param {string[]} labels of the probabilities
   * @param {import("./language.js").LanguageModel} language
   * @param {number[][] | null} confusions counts of a test, true labels in rows
   * @param {string[]} [phrases] suggested while their beginning is spelled
   */
  constructor(labels, language, confusions, phrases = []) {
    this.language = language;
    this.ownLabels = labels;
    this.ownErrors = confusions && buildErrorModel(confusions);
    this.useLabels(labels);
    this.table = getTable(language.list);
    this.ownTable = new WordTable(language.personal.map((word) => [word, language.scoreWord(word)]));
    this.phrases = new Map(checkPhrases(phrases).map((text) => [foldLetters(text), text]));
    this.phraseTable = new WordTable([...this.phrases.keys()].map((letters) => [letters, language.list.logTypical]));
    this.clear();
  }

  /** Take probabilities of other labels from now on, such as with a person's profile. */
  useLabels(labels) {
    this.labels = [...labels];
    this.columns = [...LETTERS].map((letter) => [...labels.keys()].filter((n) => labels[n].toLowerCase() === letter));
    this.isComplete = hasAllLetters(labels);
    this.errors = isSameList(labels, this.ownLabels) ? this.ownErrors : null;
  }

  /** Forget all holds. */
  clear() {
    this.holds = [];  // 26 log-likelihoods of the letters each
    this.spelled = "";
    this.spans = [];  // by end: {start, word, letters}
    this.known = { most: 0, previous: null, spans: [], best: [] };
  }

  /** Return whether a label is a letter, and all letters have a label. */
  canAdd(label) {
    return this.isComplete && /^[a-z]$/i.test(label);
  }

  /** Add a hold, the probabilities of the labels, with the letter as written. */
  add(probabilities, label) {
    const mix = (row) => probabilities.reduce((sum, value, n) => sum + row[n] * value, 0);
    const weigh = (n) => (this.errors ? mix(this.errors[n]) : probabilities[n]);
    this.addHold(this.columns.map((columns) => columns.reduce((sum, n) => sum + weigh(n), 0)), label.toLowerCase());
  }

  /** Add a letter that is certain, as one that was typed. */
  addCertain(letter) {
    const name = letter.toLowerCase();
    this.addHold([...LETTERS].map((one) => Number(one === name)), name);
  }

  /** Take back the last hold. */
  undo() {
    this.restoreState({ holds: this.holds.slice(0, -1), spans: this.spans.slice(0, -1), spelled: this.spelled.slice(0, -1) });
  }

  /** Return the holds so far, for restoreState. */
  saveState() {
    const { holds, spans, spelled } = this;
    return { holds: [...holds], spans: [...spans], spelled };
  }

  /** Return to holds that saveState gave; null for none. */
  restoreState(state) {
    const { holds, spans, spelled } = state ?? { holds: [], spans: [], spelled: "" };
    this.holds = [...holds];
    this.spans = [...spans];
    this.spelled = spelled;
  }

  /** Return the likeliest texts: corrections, completions and quick phrases. */
  propose(most, previous) {
    const spelled = this.suggest(most, previous), longer = [...this.complete(most, previous), ...this.matchPhrases(most)];
    const best = Math.max(-Infinity, ...longer.map(({ score }) => score));
    const first = spelled.length && spelled[0].score >= best - FIRST_MARGIN ? [spelled[0]] : [];
    const others = [...spelled, ...longer].sort((a, b) => b.score - a.score);
    return [...new Set([...first, ...others].map(({ text }) => text))].slice(0, most);
  }

  /** Return the likeliest texts, best first: words as far as they are spelled. */
  suggest(most, previous) {
    return this.findPaths(most, previous).map(({ words, score }) => ({ text: this.language.writeWords(words), score }));
  }

  /** Return the likeliest words that begin as spelled, best first. */
  complete(most, previous) {
    if (!this.holds.length) return [];
    const found = new Map([...this.table.complete(this.holds, 4 * most), ...this.ownTable.complete(this.holds, 4 * most)]);
    const scored = [...found].map(([word, score]) =>
      ({ text: this.language.writeWords([word]), score: score + this.language.scoreAfter(word, previous) }));
    return scored.sort((a, b) => b.score - a.score).slice(0, most);
  }

  /** Return the quick phrases that begin as spelled, best first. */
  matchPhrases(most) {
    if (!this.holds.length) return [];
    const { logTypical, logTotal } = this.language.list;
    return this.phraseTable.complete(this.holds, most)
      .map(([letters, score]) => ({ text: this.phrases.get(letters), score: score + (logTypical - logTotal) }));
  }

  addHold(likelihoods, letter) {
    if (this.holds.length === MAX_HOLDS) this.clear();
    this.holds.push(Float64Array.from(likelihoods, (value) => Math.log(Math.max(value, MIN_PROBABILITY))));
    this.spelled += letter;
    this.spans.push(this.matchSpans(this.holds.length));
  }

  /** Return the best words of all spans that end at a hold. */
  matchSpans(end) {
    const spans = [];
    for (let start = Math.max(0, end - MAX_WORD_LETTERS); start < end; start += 1) {
      const holds = this.holds.slice(start, end);
      const found = new Map([...this.table.match(holds, CANDIDATES), ...this.ownTable.match(holds, CANDIDATES)]);
      for (const [word, letters] of found) spans.push({ start, word, letters });
    }
    return spans;
  }

  /** Return the best sequences of words for all holds (Viterbi); those of earlier holds are remembered. */
  findPaths(most, previous) {
    if (!this.spans.length) return [];
    if (previous !== this.known.previous || most !== this.known.most) this.known = { previous, most, spans: [], best: [[{ score: 0, words: [] }]] };
    const { spans, best } = this.known;
    let count = 0;
    while (count < spans.length && spans[count] === this.spans[count]) count += 1;
    spans.length = count;
    best.length = count + 1;
    for (const next of this.spans.slice(count)) {
      best.push(this.extendPaths(next, best, previous).slice(0, Math.max(most, 4)));
      spans.push(next);
    }
    return best[best.length - 1].slice(0, most);
  }

  /** Return the sequences of words that end with one of the spans, best first. */
  extendPaths(spans, best, previous) {
    const found = new Map();
    for (const { start, word, letters } of spans) {
      for (const path of best[start]) {
        const last = path.words.length ? path.words[path.words.length - 1] : previous, words = [...path.words, word], key = words.join(" ");
        const score = path.score + letters + WORD_PENALTY + this.language.scoreAfter(word, last);
        if (!(found.get(key)?.score >= score)) found.set(key, { score, words });
      }
    }
    return [...found.values()].sort((a, b) => b.score - a.score);
  }
}

/** Whether every letter from A to Z has a label. */
export function hasAllLetters(labels) {
  const names = new Set(labels.map((label) => label.toLowerCase()));
  return [...LETTERS].every((letter) => names.has(letter));
}

export const isSameList = (first, second) => first.length === second.length && first.every((value, n) => value === second[n]);

/** Return weights (true, predicted) of counts of the same shape. */
function buildErrorModel(confusions) {
  return confusions.map((row, label) => {
    const counts = row.map((count, n) => count + PRIOR_RIGHT * Number(n === label) + PRIOR_OTHER / row.length);
    const sum = counts.reduce((total, count) => total + count, 0);
    return counts.map((count, n) => OWN_SHARE * Number(n === label) + (1 - OWN_SHARE) * (count / sum));
  });
}

function getTable(list) {
  if (!tables.has(list)) tables.set(list, new WordTable(list.words.map((word, n) => [word, list.logCounts[n] - list.logTotal])));
  return tables.get(list);
}
