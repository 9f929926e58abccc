// Words by length, compared with the likelihoods of held letters all at once: unvoiced/writing/word_table.py.

const SLIP_PENALTY = -6, DOUBLE_PENALTY = -2, FIRST_LETTER = "a".charCodeAt(0);

/** @typedef {[string, number]} Match a word, and the log-likelihood of its letters */

/** Words as arrays of letters. */
export class WordTable {
  /** @param {[string, number][]} words letters a to z, with the log-probability of each word */
  constructor(words) {
    this.groups = new Map();  // by length
    for (const [word, score] of words) {
      if (!this.groups.has(word.length)) this.groups.set(word.length, { words: [], scores: [] });
      const group = this.groups.get(word.length);
      group.words.push(word);
      group.scores.push(score);
    }
    for (const [length, group] of this.groups) {
      group.codes = Array.from({ length }, (_, place) => Uint8Array.from(group.words, (word) => word.charCodeAt(place) - FIRST_LETTER));
    }
  }

  /** Return the best words of holds, which may have as many letters, or one more or less. */
  match(holds, most) {
    const lengths = [holds.length - 1, holds.length, holds.length + 1].filter((length) => this.groups.has(length));
    return this.rank(lengths.map((length) => [length, alignWords(holds, this.groups.get(length).codes)]), most);
  }

  /** Return the best longer words that begin with holds. */
  complete(holds, most) {
    const lengths = [...this.groups.keys()].filter((length) => length > holds.length);
    return this.rank(lengths.map((length) => [length, sumLetters(holds, this.groups.get(length).codes)]), most);
  }

  /** Return the best words by letters and frequency, with the score of the letters. */
  rank(letters, most) {
    const found = letters.flatMap(([length, scores]) => {
      const group = this.groups.get(length), total = scores.map((score, n) => score + group.scores[n]);
      return findBest(total, most).map((n) => ({ word: group.words[n], score: scores[n], total: total[n] }));
    });
    found.sort((a, b) => b.total - a.total || (a.word < b.word ? -1 : 1));
    return found.slice(0, most).map(({ word, score }) => [word, score]);
  }
}

/** Return the places of the largest numbers. */
function findBest(values, most) {
  const best = [];
  for (let n = 0; n < values.length; n += 1) {
    if (best.length === most && values[n] <= values[best[most - 1]]) continue;
    let place = best.length;
    while (place && values[best[place - 1]] < values[n]) place -= 1;
    best.splice(place, 0, n);
    if (best.length > most) best.pop();
  }
  return best;
}

/** Return the log-likelihoods of words whose letter of each hold is its own. */
function sumLetters(holds, codes) {
  const scores = new Float64Array(codes[0].length);
  holds.forEach((hold, place) => {
    const letters = codes[place];
    for (let n = 0; n < scores.length; n += 1) scores[n] += hold[letters[n]];
  });
  return scores;
}

/** Return the log-likelihoods of words (length, words) for as many holds, or one more or less. */
function alignWords(holds, codes) {
  if (holds.length === codes.length) return sumLetters(holds, codes);
  // A hold too many: the letters behind it lie one hold later. A letter without a hold: the holds
  // behind it belong to the next letters.
  const isLonger = codes.length > holds.length, shorter = Math.min(holds.length, codes.length);
  const lateHolds = isLonger ? holds : holds.slice(1), lateCodes = isLonger ? codes.slice(1) : codes;
  const first = sumLetters(lateHolds, lateCodes), best = first.map((score) => score + SLIP_PENALTY), change = new Float64Array(best.length);
  const start = best.slice();
  for (let place = 0; place < shorter; place += 1) {
    const [hold, lateHold, letters, lateLetters] = [holds[place], lateHolds[place], codes[place], lateCodes[place]];
    const next = isLonger ? codes[place + 1] : null;
    for (let n = 0; n < best.length; n += 1) {
      change[n] += hold[letters[n]] - lateHold[lateLetters[n]];
      let score = change[n] + start[n];
      if (next && next[n] === letters[n]) score += DOUBLE_PENALTY - SLIP_PENALTY;  // people hold a double letter once
      if (score > best[n]) best[n] = score;
    }
  }
  return best;
}
