// The facts about a model in model/about.json, and their checks: unvoiced/metadata.py. The file is
// data that anyone may have written: accepted data have known types and bounded sizes.

const MAX_CLASSES = 10_000, MAX_NAME = 1000, MAX_TEXT = 100_000;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

export const isNumber = (least, most) => (value) => typeof value === "number" && value >= least && value <= most;
export const isWhole = (least, most) => (value) => Number.isInteger(value) && value >= least && value <= most;
export const isText = (most) => (value) => typeof value === "string" && value.length <= most && !CONTROLS.test(value);
export const isFlag = (value) => typeof value === "boolean";
export const isWord = (value) => typeof value === "string" && /^[A-Za-z]\w{0,63}$/.test(value);
export const isListOf = (check, least, most) => (value) =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every(check);
const isNames = (value) => isListOf(isText(MAX_NAME), 1, MAX_CLASSES)(value) && new Set(value).size === value.length;
const optional = (check) => (value) => value === undefined || value === null || check(value);
const isTable = (checks) => (value) => value !== null && typeof value === "object" && !Array.isArray(value)
  && Object.entries(checks).every(([key, check]) => check(Object.hasOwn(value, key) ? value[key] : undefined));

/** Of a copy of a recording: shift as a share of its length, and speed. */
const isWarp = (value) => isListOf(isNumber(-1, 10), 2, 2)(value) && value[1] > 0;
const isSeconds = isNumber(0, 3600), isPositive = isNumber(1e-3, 3600), isShare = isNumber(0, 1);
const tableOf = (check, ...keys) => Object.fromEntries(keys.map((key) => [key, check]));

/** The checks of the facts that the app uses, by key; other facts are ignored. */
const FACT_CHECKS = {
  task: isWord,
  classes: isNames,
  frame: isTable({ shape: isListOf(isWhole(1, 1024), 1, 3), dtype: optional(isWord), rate: optional(isNumber(1, 1e5)) }),
  input: isTable({ frames: isWhole(1, 10_000) }),
  reader: optional(isTable({})),
  simulated: isFlag,
  training_data_note: isText(MAX_TEXT),
  takes_word_mask: optional(isFlag),
  fingerprint: optional(isWord),
  confusions: optional(isListOf(isListOf(isWhole(0, 1e9), 0, 128), 0, 128)),
};

/** The checks of the export's additions. */
const APP_CHECKS = {
  format: isWhole(1, 1),
  stream: isWord,
  is_joined: isFlag,
  has_words: isFlag,
  clip_fps: isNumber(1, 240),
  max_word_s: isSeconds,
  support_warps: isListOf(isWarp, 1, 9),
};

const isAttempts = isListOf(isListOf(isNumber(0, 2), 2, 2), 1, 20);

/** The checks of how each stream decides, and of how its hands or faces are found. */
const FINGERSPELLING_CHECKS = {
  settings: isTable({
    window_s: isSeconds, smooth_s: optional(isSeconds), hold_s: optional(isSeconds), release_s: optional(isSeconds),
    repeat_s: optional(isNumber(1e-3, 3600)), min_probability: optional(isShare), keep_probability: optional(isShare),
    max_change: optional(isNumber(1e-6, 1000)), static_labels: optional(isListOf(isText(MAX_NAME), 0, MAX_CLASSES)),
  }),
  detector: isTable({
    min_confidence: isShare, num_hands: isWhole(1, 2), video_step_ms: isWhole(1, 1000),
    search_attempts: isAttempts, close_up_attempts: isAttempts, close_up_side: isWhole(16, 8192),
    video_borders: isListOf(isNumber(0, 2), 1, 20),
    max_searched_side: isWhole(16, 8192), max_tracked_side: isWhole(16, 8192), min_crop_side: isWhole(16, 8192),
  }),
};

const LIPS_CHECKS = {
  settings: isTable({
    window_s: isPositive, hop_s: isPositive, clip_s: isPositive, min_probability: isShare,
    speech_on: isNumber(0, 1e3), speech_off: isNumber(0, 1e3),
    ...tableOf(isSeconds, "quiet_s", "least_s", "around_s", "settle_s", "smear_s"),
    lag_s: isPositive, smoothing_s: isSeconds, noise_gain: isNumber(0, 10),
    memory_s: isSeconds, rest_share: isShare, max_motion: isNumber(0, 1e3),
  }),
  detector: isTable({
    min_confidence: isShare, small_face_share: isShare, detect_every: isWhole(1, 1000), max_move: isShare, max_jump: isShare,
    max_pause_s: isSeconds,
    crop_face_sizes: isNumber(0.1, 100), crop_share: isNumber(0.01, 1),
    max_tracked_side: isWhole(16, 8192), max_buffer_fps: isNumber(1, 1e3), max_shift: isNumber(0, 100),
    height: isWhole(1, 1024), width: isWhole(2, 1024), zoom: isNumber(0.01, 100), max_gap_s: isSeconds,
    window_width: isNumber(0.1, 10), centre_above_mouth: isNumber(-10, 10),
    head_smoothing_s: isSeconds, shape_smoothing_s: isSeconds, median_frames: isWhole(1, 99),
  }),
};

const STREAM_CHECKS = { fingerspelling: FINGERSPELLING_CHECKS, lips: LIPS_CHECKS };

function checkFacts(place, facts, checks) {
  if (!isTable({})(facts)) throw new Error(`${place} is not a table of facts. Export the app again.`);
  for (const [key, check] of Object.entries(checks)) {
    if (!check(Object.hasOwn(facts, key) ? facts[key] : undefined)) {
      throw new Error(`${place} states no valid ${key}. Export the app again.`);
    }
  }
}

/** Refuse frames of another kind than the stream's. */
function checkFrames({ frame, app }, stream) {
  const { height, width } = app.detector ?? {}, [rows, columns] = frame.shape;
  const isMouth = frame.shape.length === 2 && rows === height && columns === width && frame.dtype === "uint8" && frame.rate;
  if (stream === "lips" && !isMouth) throw new Error("model/about.json states no valid frame. Export the app again.");
}

/**
 * Return the facts of the text of an about.json.
 * @throws {Error} with a sentence: it is not JSON, or a fact is missing or not valid
 */
export function parseAbout(text) {
  let about;
  try {
    about = JSON.parse(text);
  } catch {
    throw new Error("model/about.json is damaged. Export the app again.");
  }
  checkFacts("model/about.json", about, FACT_CHECKS);
  checkFacts("model/about.json: app", about.app, APP_CHECKS);
  const { stream } = about.app, checks = Object.hasOwn(STREAM_CHECKS, stream) ? STREAM_CHECKS[stream] : {};
  checkFacts("model/about.json: app", about.app, checks);
  checkFrames(about, stream);
  const { confusions, classes } = about, isSquare = confusions?.every((row) => row.length === confusions.length);
  if (confusions?.length && !(isSquare && confusions.length === classes.length)) {
    throw new Error("model/about.json states confusions of other classes. Export the app again.");
  }
  return about;
}
