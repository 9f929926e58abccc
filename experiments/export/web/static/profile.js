// Personal profiles: a few recordings of one person correct a model's answers: unvoiced/profile.py.
import { decompose, roundHalf, solve } from "./linear_algebra.js";
import { logSoftmax } from "./recognizer.js";

const GAMMA = 2, REGULARIZATION = 0.1, SCALE = 8;
const NEW_CLASS_ALONE = -8, NEW_CLASS_AMONG_ALL = -3;
const FEW_BYTES = 190_000, MAX_VALUES = 1_000_000, MIN_NORM = 1e-9, MIN_PROBABILITY = 1e-6;
export const MAX_ROWS = 2000;

/** A person's recordings as one model embeds them. A recording has one or more rows. */
export class Profile {
  /**
   * @param {{task: string, model: string, classes: string[], numKnown: number, width: number,
   *   embeddings: Float32Array, probabilities: Float32Array, labels: number[], recordings: number[],
   *   created: string, onlyTaught: boolean}} facts embeddings (N, width) and probabilities
   *   (N, numKnown) in half precision, by rows; labels are indices into the classes
   */
  constructor(facts) {
    this.task = facts.task;
    this.model = facts.model;
    this.classes = facts.classes;
    this.numKnown = facts.numKnown;
    this.width = facts.width;
    this.embeddings = facts.embeddings;
    this.probabilities = facts.probabilities;
    this.labels = facts.labels;
    this.recordings = facts.recordings;
    this.created = facts.created;
    this.onlyTaught = facts.onlyTaught;
    this.weights = this.cachedSupport = null;  // computed when they are needed
    this.size = this.labels.length;
    const taught = [...new Set(this.labels)].sort((a, b) => a - b);
    this.answered = this.onlyTaught ? taught : [...this.classes.keys()];  // indices into the classes
    this.answers = this.answered.map((n) => this.classes[n]);
    this.numTaught = taught.length;
    this.numRecordings = new Set(this.recordings).size;
    this.newClassPrior = this.computePrior(taught);
  }

  /** Return the corrected log-probabilities of the answers. */
  correct(logProbabilities, embedding) {
    if (embedding.length !== this.width) {
      throw new Error(`The model's embedding has ${embedding.length} numbers, and the profile's ${this.width}. Make a new profile.`);
    }
    if (!embedding.every(Number.isFinite)) throw new Error("The model's embedding is not all finite numbers. Use another model.");
    this.weights ??= solve(this.decomposeSystem(), this.size, this.computeResiduals(), this.answers.length);
    const answers = this.extend(logProbabilities), similarity = this.compare(this.embed(embedding, 0));
    similarity.forEach((value, row) => {
      const start = row * answers.length;
      for (let n = 0; n < answers.length; n += 1) answers[n] += value * this.weights[start + n];
    });
    return logSoftmax(answers);
  }

  /** Return the share of recordings that a profile of all others reads correctly; null for none. */
  measureAccuracy() {
    const lower = this.decomposeSystem(), size = this.size, columns = this.answers.length;
    const identity = new Float64Array(size * size);
    for (let n = 0; n < size; n += 1) identity[n * size + n] = 1;
    const inverse = solve(lower, size, identity, size), residuals = this.computeResiduals();
    const weights = solve(lower, size, residuals, columns), counts = this.countRecordings();
    let [right, all] = [0, 0];
    for (const [number, rows] of this.groupRows()) {
      const label = this.answered.indexOf(this.labels[rows[0]]);
      if (counts.get(this.labels[rows[0]]) < 2) continue;
      // The answer of a ridge regression that leaves rows out, from the one with all rows.
      const block = Float64Array.from(rows.flatMap((row) => rows.map((column) => inverse[row * size + column])));
      const sides = Float64Array.from(rows.flatMap((row) => [...weights.subarray(row * columns, (row + 1) * columns)]));
      const lacking = solve(decompose(block, rows.length), rows.length, sides, columns), answer = Array(columns).fill(0);
      rows.forEach((row, n) => {
        const own = this.probabilities.subarray(row * this.numKnown, (row + 1) * this.numKnown);
        const base = this.extend(own.map((value) => Math.log(Math.max(value, MIN_PROBABILITY))));
        base.forEach((value, column) => { answer[column] += value + residuals[row * columns + column] - lacking[n * columns + column]; });
      });
      all += 1;
      right += Number(answer.indexOf(Math.max(...answer)) === label);
    }
    return all ? right / all : null;
  }

  /** Return the rows of each recording, by its number. */
  groupRows() {
    const groups = new Map();
    this.recordings.forEach((number, row) => groups.set(number, [...(groups.get(number) ?? []), row]));
    return new Map([...groups].sort(([first], [second]) => first - second));
  }

  /** Return how many recordings each label has. */
  countRecordings() {
    const counts = new Map();
    for (const [row] of this.groupRows().values()) counts.set(this.labels[row], (counts.get(this.labels[row]) ?? 0) + 1);
    return counts;
  }

  computePrior(taught) {
    const share = this.onlyTaught ? 1 : taught.filter((label) => label < this.numKnown).length / this.numKnown;
    return NEW_CLASS_ALONE + share * (NEW_CLASS_AMONG_ALL - NEW_CLASS_ALONE);
  }

  /** Return log-probabilities with those of the classes that the model does not know. */
  extend(logProbabilities) {
    return Float64Array.from(this.answered, (n) => (n < this.numKnown ? logProbabilities[n] : this.newClassPrior));
  }

  /** Return the errors of the model's own answers, times the scale, (N, answers). */
  computeResiduals() {
    const { answered, numKnown } = this;
    return Float64Array.from({ length: this.size * answered.length }, (_, place) => {
      const row = Math.floor(place / answered.length), n = answered[place % answered.length];
      const own = n < numKnown ? Math.max(this.probabilities[row * numKnown + n], MIN_PROBABILITY) : 0;
      return SCALE * (Number(this.labels[row] === n) - own);
    });
  }

  decomposeSystem() {
    const { size, width } = this, matrix = new Float64Array(size * size);
    for (let row = 0; row < size; row += 1) {
      matrix.set(this.compare(this.support.subarray(row * width, (row + 1) * width)), row * size);
      matrix[row * size + row] += REGULARIZATION;
    }
    return decompose(matrix, size);
  }

  get support() {
    this.cachedSupport ??= this.embedAll();
    return this.cachedSupport;
  }

  embedAll() {
    const { size, width } = this, support = new Float64Array(size * width);
    for (let row = 0; row < size; row += 1) support.set(this.embed(this.embeddings, row * width), row * width);
    return support;
  }

  get center() {
    if (!this.cachedCenter) {
      this.cachedCenter = new Float64Array(this.width);
      this.embeddings.forEach((value, n) => { this.cachedCenter[n % this.width] += value / this.size; });
    }
    return this.cachedCenter;
  }

  /** Return an embedding, centred and normalized. */
  embed(embeddings, start) {
    const centered = this.center.map((value, n) => embeddings[start + n] - value);
    const norm = Math.max(Math.sqrt(centered.reduce((sum, value) => sum + value * value, 0)), MIN_NORM);
    return centered.map((value) => value / norm);
  }

  /** Return the similarity of a unit vector to the support. */
  compare(vector) {
    const { size, width, support } = this, similarity = new Float64Array(size);
    for (let row = 0; row < size; row += 1) {
      let sum = 0;
      for (let n = 0, start = row * width; n < width; n += 1) sum += vector[n] * support[start + n];
      similarity[row] = Math.exp(GAMMA * (sum - 1));
    }
    return similarity;
  }
}

/**
 * Return the profile of a person from a model's outputs on their recordings.
 * @param {{task: string, model: string, classes: string[]}} model
 * @param {{label: string, logProbabilities: Float32Array[], embeddings: Float32Array[]}[]} shots rows of each recording
 * @param {boolean} onlyTaught answers are the labels of the recordings alone
 * @param {string} created the date, as YYYY-MM-DD
 * @throws {Error} fewer than two classes, or values that are not finite
 */
export function buildProfile({ task, model, classes }, shots, onlyTaught, created) {
  const names = [...new Set([...classes, ...shots.map(({ label }) => label)])], taught = [...new Set(shots.map(({ label }) => label))];
  if (taught.length < 2) throw new Error(`A profile needs recordings of two classes or more (found: ${taught.join(", ") || "none"}).`);
  const width = shots[0].embeddings[0].length, rows = [], labels = [], recordings = [];
  const most = countKept(shots.length, width, classes.length);
  shots.forEach(({ label, logProbabilities, embeddings }, number) => {
    for (const row of spreadRows(embeddings.length, most)) {
      rows.push({ embedding: embeddings[row], own: logProbabilities[row] });
      labels.push(names.indexOf(label));
      recordings.push(number);
    }
  });
  const embeddings = Float32Array.from(rows.flatMap(({ embedding }) => [...embedding]), roundHalf);
  const probabilities = Float32Array.from(rows.flatMap(({ own }) => [...own]), (value) => roundHalf(Math.exp(value)));
  if (![embeddings, probabilities].every((values) => values.every(Number.isFinite))) {
    throw new Error("The model's answers to these recordings are not finite numbers of 16 bits. Use another model.");
  }
  const facts = { task, model, classes: names, numKnown: classes.length, width, created, onlyTaught };
  return new Profile({ ...facts, embeddings, probabilities, labels, recordings });
}

/** Return how many rows of each recording a small file holds. */
function countKept(numRecordings, width, numKnown) {
  const limit = Math.min(MAX_ROWS, Math.floor(MAX_VALUES / (width + numKnown)));
  if (numRecordings > limit) throw new Error(`There are ${numRecordings} recordings; a profile of this model holds at most ${limit}.`);
  const numRows = Math.min(Math.floor(FEW_BYTES / (width + 2 * numKnown + 6)), MAX_ROWS);
  return Math.max(1, Math.floor(numRows / numRecordings));
}

/** Return at most so many of a recording's rows, with its middle row if it has one. */
function spreadRows(size, most) {
  if (size <= most) return [...Array(size).keys()];
  const count = size % 2 && !(most % 2) ? most - 1 : most;
  return Array.from({ length: count }, (_, n) => Math.floor(((n + 0.5) * size) / count));
}
