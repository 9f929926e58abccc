// Frequencies of words and of pairs of words: unvoiced/language.py, and words.py of the export.
import { pipeBytes } from "./npz.js";
import { isListOf, isNumber, isText, isWhole } from "./metadata.js";
import { checkWords } from "./personal.js";

const FORMAT = 1, MAX_BYTES = 16 << 20, MAX_WORDS = 200_000, MAX_PAIRS = 1_000_000, MAX_LETTERS = 24;
const PERSONAL_RANK = 100, PAIR_WEIGHT = 0.6;
const DAMAGED = "model/words.bin is damaged, so words are not suggested. Export the app again.";
const isCounts = isListOf(isNumber(1, 2 ** 53), 1, 256);

/** Return log(exp(a) + exp(b)). */
function addLogs(a, b) {
  return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
}

/** The lists of words and pairs that models of several people share. */
export class WordList {
  /**
   * @param {string[]} words sorted
   * @param {ArrayLike<number>} counts of the words
   * @param {Uint32Array} starts of the pairs of each first word, and the end of all
   * @param {Uint32Array} seconds ranks of the second words
   * @param {ArrayLike<number>} pairCounts
   * @param {Map<string, string>} spellings
   */
  constructor(words, counts, starts, seconds, pairCounts, spellings) {
    this.words = words;
    this.starts = starts;
    this.seconds = seconds;
    this.pairCounts = pairCounts;
    this.spellings = spellings;
    this.numbers = new Map(words.map((word, n) => [word, n]));
    this.logCounts = Float64Array.from(counts, Math.log);
    const order = Uint32Array.from(words.keys()).sort((a, b) => counts[b] - counts[a] || a - b);
    this.ranks = new Uint32Array(words.length);
    order.forEach((number, rank) => { this.ranks[number] = rank; });
    this.logTotal = Math.log(Array.from(counts).reduce((sum, count) => sum + count, 0) || 1);
    this.logTypical = Math.log(counts[order[Math.min(PERSONAL_RANK, words.length) - 1]] ?? 1);
  }

  /** Return how often a word follows another one; 0 if it is not known. */
  countPair(first, second) {
    const number = this.numbers.get(first), rank = this.ranks[this.numbers.get(second)];
    if (number === undefined || rank === undefined) return 0;
    let low = this.starts[number], high = this.starts[number + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seconds[middle] < rank) low = middle + 1; else high = middle;
    }
    return low < this.starts[number + 1] && this.seconds[low] === rank ? this.pairCounts[low] : 0;
  }
}

/** Log-probabilities of words, alone and after another word, with words of a person's own. */
export class LanguageModel {
  /**
   * @param {WordList} list
   * @param {string[]} [personal] words of one's own
   */
  constructor(list, personal = []) {
    const spelled = checkWords(personal);
    this.list = list;
    this.personal = [...spelled.keys()];
    this.isPersonal = new Set(this.personal);
    this.spellings = new Map([...list.spellings, ...spelled]);
  }

  has(word) {
    return this.list.numbers.has(word) || this.isPersonal.has(word);
  }

  /** Return the log-probability of a word. */
  scoreWord(word) {
    return this.logCount(word) - this.list.logTotal;
  }

  /** Return the log-probability of a word after another one; null for none. */
  scoreAfter(word, previous) {
    const alone = this.scoreWord(word);
    if (previous === null || !this.has(previous)) return alone;
    const pair = this.list.countPair(previous, word);
    if (!pair) return alone + Math.log(1 - PAIR_WEIGHT);
    const follows = Math.log(PAIR_WEIGHT) + Math.log(pair) - this.logCount(previous);
    return addLogs(Math.min(follows, 0), Math.log(1 - PAIR_WEIGHT) + alone);
  }

  /** Return words as they are written, with a space between them. */
  writeWords(words) {
    return words.map((word) => this.spellings.get(word) ?? word).join(" ");
  }

  logCount(word) {
    const number = this.list.numbers.get(word), listed = number === undefined ? -Infinity : this.list.logCounts[number];
    return this.isPersonal.has(word) ? Math.max(this.list.logTypical, listed) : listed;
  }
}

/**
 * Return the list in the content of model/words.bin.
 * @param {ArrayBuffer} content
 * @throws {Error} with a sentence: it is damaged
 */
export async function readWords(content) {
  try {
    return parseWords(await pipeBytes(new Uint8Array(content), new DecompressionStream("gzip"), MAX_BYTES));
  } catch {
    throw new Error(DAMAGED);
  }
}

function parseWords(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  const { format, words: numWords, pairs: numPairs, counts, pair_counts: pairCounts, spellings } = header;
  const isValid = format === FORMAT && isWhole(1, MAX_WORDS)(numWords) && isWhole(0, MAX_PAIRS)(numPairs)
    && isCounts(counts) && isListOf(isNumber(1, 2 ** 53), 0, 256)(pairCounts) && Object.values(spellings).every(isText(MAX_LETTERS));
  if (!isValid) throw new Error(DAMAGED);
  let place = 4 + size;
  const take = (length) => bytes.subarray(place, place += length);
  const columns = [numWords, numWords, numWords, numWords, numPairs, numPairs, numPairs, numPairs].map(take);
  const [shared, levels, lowFirsts, highFirsts, lowSteps, middleSteps, highSteps, pairLevels] = columns;
  const words = joinWords(shared, new TextDecoder().decode(bytes.subarray(place)).split("\n"));
  const starts = new Uint32Array(numWords + 1);
  for (let n = 0; n < numWords; n += 1) starts[n + 1] = starts[n] + lowFirsts[n] + 256 * highFirsts[n];
  if (words.length !== numWords || starts[numWords] !== numPairs) throw new Error(DAMAGED);
  const seconds = Uint32Array.from({ length: numPairs }, (_, n) => lowSteps[n] + 256 * middleSteps[n] + 65_536 * highSteps[n]);
  for (let first = 0; first < numWords; first += 1) {
    for (let n = starts[first] + 1; n < starts[first + 1]; n += 1) seconds[n] += seconds[n - 1];
  }
  const lookUp = (table, column) => Float64Array.from(column, (level) => table[level]);
  const all = [lookUp(counts, levels), lookUp(pairCounts, pairLevels)];
  if (!all.every((values) => values.every(Number.isFinite))) throw new Error(DAMAGED);
  return new WordList(words, all[0], starts, seconds, all[1], new Map(Object.entries(spellings)));
}

/** Return words from the letters that each shares with the one before, and its others. */
function joinWords(shared, endings) {
  let word = "";
  return endings.map((ending, n) => {
    word = word.slice(0, shared[n]) + ending;
    if (!/^[a-z]{1,24}$/.test(word)) throw new Error(DAMAGED);
    return word;
  });
}
