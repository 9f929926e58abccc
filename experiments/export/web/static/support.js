// The recordings that a person showed a model, and the profile that they make: unvoiced/teaching/support.py.
import { findLargest } from "./decisions.js";
import { buildProfile } from "./profile.js";
import { isName } from "./profile_file.js";

const MAX_PER_CLASS = 10, MAX_RECORDINGS = 1500, MAX_LABEL = 40, MIN_PROBABILITY = 1e-6;

/** @typedef {{label: string, logProbabilities: Float32Array[], embeddings: Float32Array[]}} Shot rows of a recording */

/** Recordings of one person, of which the oldest of each class fade. */
export class SupportSet {
  /**
   * @param {import("./recognizer.js").Recognizer} recognizer
   * @param {import("./profile.js").Profile | null} profile recordings to begin with
   */
  constructor(recognizer, profile) {
    this.recognizer = recognizer;
    this.onlyTaught = Boolean(profile?.onlyTaught);
    /** @type {Shot[]} */
    this.shots = profile ? listShots(profile) : [];
  }

  /** Add a recording, clips (T, *shape) flat, and return the model's own answer to it. */
  async add(label, clips) {
    const logProbabilities = [], embeddings = [];
    for (const clip of clips) {
      for (const row of await this.recognizer.embedSupport(clip)) {
        logProbabilities.push(Float32Array.from(row.logProbabilities));
        embeddings.push(Float32Array.from(row.embedding));
      }
    }
    if (this.shots.length && this.shots[0].embeddings[0].length !== embeddings[0].length) {
      throw new Error("The embeddings of the profile have another size than the model's. Begin a new profile.");
    }
    const same = this.shots.filter((shot) => shot.label === label);
    if (same.length >= MAX_PER_CLASS) this.remove(same[0]);
    else if (this.shots.length >= MAX_RECORDINGS) throw new Error(`A profile holds at most ${MAX_RECORDINGS} recordings.`);
    this.shots.push({ label, logProbabilities, embeddings });
    return this.recognizer.toReading(average(logProbabilities.map((row) => row.map(Math.exp))), this.recognizer.about.classes);
  }

  /** Remove the last recordings of a label. */
  removeLast(label, count) {
    const same = this.shots.filter((shot) => shot.label === label);
    for (const shot of count ? same.slice(-count) : []) this.remove(shot);
  }

  remove(shot) {
    this.shots.splice(this.shots.indexOf(shot), 1);
  }

  /** Return different labels: those of the model or profile as they are, others checked. */
  checkLabels(names) {
    const known = new Set([...this.recognizer.about.classes, ...this.shots.map(({ label }) => label)]);
    return [...new Set(names.map((name) => (known.has(name) ? name : checkLabel(name))))];
  }

  /** Refuse more recordings than the support holds. */
  requireRoom(labels, numShots) {
    const counts = countLabels(this.shots);
    const added = labels.reduce((sum, label) => sum + Math.min(numShots, Math.max(0, MAX_PER_CLASS - (counts.get(label) ?? 0))), 0);
    if (this.shots.length + added > MAX_RECORDINGS) {
      throw new Error(`A profile holds at most ${MAX_RECORDINGS} recordings; yours has ${this.shots.length}, and ${added} would be added. Choose fewer, or fewer times.`);
    }
  }

  /** Return the profile of the recordings, with today's date. */
  buildProfile() {
    const { task, fingerprint: model, classes } = this.recognizer.about;
    const now = new Date(), created = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
    return buildProfile({ task, model, classes }, this.shots, this.onlyTaught, created);
  }

  /** Return the share of recordings that the model reads without a profile; null for none. */
  measureOwnAccuracy() {
    const counts = countLabels(this.shots), repeated = this.shots.filter(({ label }) => counts.get(label) > 1);
    const { classes } = this.recognizer.about;
    const hits = repeated.filter(({ label, logProbabilities }) => classes[findLargest(average(logProbabilities))] === label);
    return repeated.length ? hits.length / repeated.length : null;
  }
}

/** Return the name of a sign or word of one's own in its normal form. */
export function checkLabel(name) {
  const label = name.trim().split(/\s+/).join(" ").normalize("NFC");
  if (!label || [...label].length > MAX_LABEL) throw new Error(`A sign or word needs a name of 1 to ${MAX_LABEL} characters.`);
  if (!isName(2 * MAX_LABEL)(label)) throw new Error("The name holds characters that no name can have. Choose another one.");
  return label;
}

function average(rows) {
  return Float64Array.from(rows[0], (_, n) => rows.reduce((sum, row) => sum + row[n], 0) / rows.length);
}

function countLabels(shots) {
  const counts = new Map();
  for (const { label } of shots) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

/** Return the recordings of a profile. */
function listShots(profile) {
  const cut = (values, row, width) => values.slice(row * width, (row + 1) * width);
  return [...profile.groupRows().values()].map((rows) => ({
    label: profile.classes[profile.labels[rows[0]]],
    logProbabilities: rows.map((row) => cut(profile.probabilities, row, profile.numKnown).map((value) => Math.log(Math.max(value, MIN_PROBABILITY)))),
    embeddings: rows.map((row) => cut(profile.embeddings, row, profile.width)),
  }));
}
