// Files of profiles: arrays and a few facts, checked before use: unvoiced/profile_file.py.
import { fromHalf, roundHalf, toHalf } from "./linear_algebra.js";
import { isFlag, isListOf, isText, isWhole, isWord } from "./metadata.js";
import { packArrays, unpackArrays } from "./npz.js";
import { roundEven } from "./images.js";
import { MAX_ROWS, Profile } from "./profile.js";

const FORMAT = 2, LARGEST_CODE = 127, SMALLEST_SCALE = 1e-6, MAX_CLASSES = 10_000, MAX_NAME = 1000;
export const MAX_BYTES = 4 << 20;  // of a file, and of its content unpacked
const TYPES = { embeddings: "|i1", scales: "<f2", probabilities: "<f2", labels: "<u2", recordings: "<u2" };
const READERS = {
  "|i1": (view, n) => view.getInt8(n),
  "<f2": (view, n) => fromHalf(view.getUint16(2 * n, true)),
  "<u2": (view, n) => view.getUint16(2 * n, true),
};

/** Whether a value is a name that both languages accept in a file. */
export const isName = (most) => (value) => isText(most)(value) && value.length > 0 && !value.includes("${");
const isNames = (value) => isListOf(isName(MAX_NAME), 2, MAX_CLASSES)(value) && new Set(value).size === value.length;
const isDate = (value) => isText(10)(value) && /^\d{4}-\d{2}-\d{2}$/.test(value)
  && new Date(`${value}T00:00:00Z`).toJSON()?.startsWith(value) === true;
const FACT_CHECKS = {
  format: isWhole(FORMAT, FORMAT), task: isWord, model: isWord, classes: isNames, num_known: isWhole(1, MAX_CLASSES),
  created: isDate, only_taught: isFlag,
};

/**
 * Return the profile in the bytes of a file.
 * @param {Uint8Array} bytes
 * @throws {Error} with a sentence: it is damaged, too large, or no profile
 */
export async function parseProfile(bytes) {
  try {
    if (bytes.length > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES >> 20} MiB`);
    const { facts: encoded, ...arrays } = await unpackArrays(bytes, ["facts", ...Object.keys(TYPES)], MAX_BYTES);
    const facts = parseFacts(encoded);
    return readProfile(arrays, facts);
  } catch (error) {
    throw new Error(`This file is not a valid profile: ${error.message}.`);
  }
}

function parseFacts({ type, shape, content }) {
  if (type !== "|u1" || shape.length !== 1) throw new Error("its facts are not text");
  let facts;
  try {
    facts = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch {
    throw new Error("its facts are not JSON");
  }
  if (facts === null || typeof facts !== "object" || Array.isArray(facts)) throw new Error("its facts are not a table");
  facts = { only_taught: false, ...facts };  // which the first files of this format do not state
  const expected = Object.keys(FACT_CHECKS);
  if (Object.keys(facts).sort().join() !== [...expected].sort().join()) throw new Error(`it does not state exactly ${expected.join(", ")}`);
  for (const [key, check] of Object.entries(FACT_CHECKS)) if (!check(facts[key])) throw new Error(`its ${key} is not valid`);
  if (facts.num_known > facts.classes.length) throw new Error("its num_known is not valid");
  return facts;
}

function readProfile(arrays, facts) {
  const rows = arrays.labels.shape.length === 1 ? arrays.labels.shape[0] : 0;
  if (!(rows >= 1 && rows <= MAX_ROWS)) throw new Error(`it has ${rows} rows; expected 1 to ${MAX_ROWS}`);
  const width = arrays.embeddings.shape.length === 2 ? arrays.embeddings.shape[1] : 0;
  const shapes = { embeddings: [rows, width], scales: [rows], probabilities: [rows, facts.num_known], labels: [rows], recordings: [rows] };
  /** @type {Object<string, number[]>} */
  const values = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const { type, shape: found, content } = arrays[name];
    if (type !== TYPES[name] || found.join() !== shape.join() || shape.includes(0)) {
      throw new Error(`its ${name} have shape (${found.join(", ")}) and type ${type}`);
    }
    values[name] = Array.from({ length: shape.reduce((product, size) => product * size) }, (_, n) => READERS[type](content, n));
    if (!values[name].every(Number.isFinite)) throw new Error(`its ${name} are not all finite`);
  }
  const embeddings = Float32Array.from(values.embeddings, (code, n) => roundHalf(Math.fround(code * values.scales[Math.floor(n / width)])));
  const { scales, probabilities, labels, recordings } = values;
  checkValues({ embeddings, scales, probabilities, labels, recordings }, facts);
  const { task, model, classes, num_known: numKnown, created, only_taught: onlyTaught } = facts;
  const halves = Float32Array.from(probabilities);
  return new Profile({ task, model, classes, numKnown, width, embeddings, probabilities: halves, labels, recordings, created, onlyTaught });
}

function checkValues({ embeddings, scales, probabilities, labels, recordings }, { classes, num_known: numKnown }) {
  if (!embeddings.every(Number.isFinite)) throw new Error("its embeddings are larger than 16 bits can hold");
  const sums = labels.map((_, row) => probabilities.slice(row * numKnown, (row + 1) * numKnown).reduce((sum, value) => sum + value, 0));
  if (probabilities.some((value) => value < 0) || sums.some((sum) => Math.abs(sum - 1) > 0.05)) {
    throw new Error("its probabilities do not add up to 1");
  }
  if (scales.some((scale) => scale <= 0)) throw new Error("its scales are not all above 0");
  const taught = new Set(labels), pairs = new Set(labels.map((label, row) => `${recordings[row]} ${label}`));
  if (taught.size < 2) throw new Error("it holds recordings of one class; expected two or more");
  if (pairs.size > new Set(recordings).size) throw new Error("a recording has two labels");
  if (Math.max(...labels) >= classes.length) throw new Error("a label has no class");
  for (let n = numKnown; n < classes.length; n += 1) {
    if (!taught.has(n)) throw new Error("a class that the model does not know has no recording");
  }
}

/**
 * Return the bytes of a profile's file.
 * @param {Profile} profile
 */
export async function packProfile(profile) {
  const { size, width, numKnown } = profile, scales = [];
  const codes = new Int8Array(profile.embeddings.length);
  for (let row = 0; row < size; row += 1) {
    const values = profile.embeddings.subarray(row * width, (row + 1) * width);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    scales[row] = toHalf(Math.max(Math.fround(largest / LARGEST_CODE), SMALLEST_SCALE));
    values.forEach((value, n) => {
      const code = roundEven(Math.fround(value / fromHalf(scales[row])));
      codes[row * width + n] = Math.min(Math.max(code, -LARGEST_CODE), LARGEST_CODE);
    });
  }
  const { task, model, classes, created, onlyTaught } = profile;
  const facts = { format: FORMAT, task, model, classes, num_known: numKnown, created, only_taught: onlyTaught };
  const text = new TextEncoder().encode(JSON.stringify(facts));
  const bytes = await packArrays({
    facts: { type: "|u1", shape: [text.length], content: text },
    embeddings: { type: TYPES.embeddings, shape: [size, width], content: new Uint8Array(codes.buffer) },
    scales: writePairs("scales", [size], scales),
    probabilities: writePairs("probabilities", [size, numKnown], Array.from(profile.probabilities, toHalf)),
    labels: writePairs("labels", [size], profile.labels),
    recordings: writePairs("recordings", [size], profile.recordings),
  });
  await parseProfile(bytes);
  return bytes;
}

/** Return an array of numbers of 16 bits. */
function writePairs(name, shape, values) {
  const content = new Uint8Array(2 * values.length), view = new DataView(content.buffer);
  values.forEach((value, n) => view.setUint16(2 * n, value, true));
  return { type: TYPES[name], shape, content };
}
