// Lessons and profiles in the worker: experiments/page/teaching.py and profiles.py.
import { parseProfile, packProfile } from "./profile_file.js";
import { Lesson } from "./lesson.js";
import { NO_EMBEDDING } from "./recognizer.js";
import { SupportSet } from "./support.js";

const OTHER_MODEL = "The profile was made with another model. Make a new one with this app, or use the model that it was made with.";
const ONE_CLASS = "A profile needs two classes or more. Teach some of the model's own first, or use your profile.";
const TOO_FEW = "Show each of them twice or more to see how well your profile works.";
const ENDED = "This lesson has ended. Begin another one.";

/** Teaches the model of an engine, and uses profiles. */
export class Teacher {
  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.engine = engine;
    /** @type {Lesson | null} */
    this.lesson = null;
  }

  /** Use a person's profile, the bytes of a file, from the next session on; return it in words. */
  async useProfile(bytes) {
    const profile = await parseProfile(bytes), { recognizer } = this.engine, { about } = recognizer;
    if (profile.task !== about.task) throw new Error(`The profile belongs to task ${profile.task}, and the model to task ${about.task}.`);
    if (!recognizer.canBeTaught) throw new Error(NO_EMBEDDING);
    const known = profile.classes.slice(0, profile.numKnown);
    if (profile.model !== about.fingerprint || known.join("\n") !== about.classes.join("\n")) throw new Error(OTHER_MODEL);
    recognizer.useProfile(profile);
    return describeProfile(profile);
  }

  /** Answer as the model alone does, from the next session on. */
  forgetProfile() {
    this.engine.recognizer.useProfile(null);
  }

  /** Begin a lesson, which extends the profile in use. */
  openLesson(labels, shots) {
    const { recognizer, stream } = this.engine;
    if (!recognizer.canBeTaught) throw new Error(NO_EMBEDDING);
    const support = new SupportSet(recognizer, recognizer.profile), checked = support.checkLabels(labels);
    if (new Set([...checked, ...support.shots.map(({ label }) => label)]).size < 2) throw new Error(ONE_CLASS);
    this.lesson = new Lesson(checked, shots, support, stream.createCapturer());
    return this.lesson.progress;
  }

  /** Read an image; return the prompt, with the recording that it completes. */
  async readFrame(image, seconds) {
    const lesson = this.requireLesson(), isCaptured = await lesson.push(this.engine.stream.track(image), seconds);
    return isCaptured ? { ...lesson.progress, captured: await describeCaptured(lesson.captured) } : lesson.progress;
  }

  /** Act as a button of the lesson does: "redo", "skip" or "stop". */
  steer(action) {
    const lesson = this.requireLesson();
    if (action === "redo") lesson.redo(); else if (action === "skip") lesson.skip(); else lesson.stop();
    return lesson.progress;
  }

  /** Return the profile of the lesson, which is in use from now on. */
  async finishLesson() {
    const { support } = this.requireLesson();
    this.lesson = null;
    const profile = support.buildProfile(), content = await packProfile(profile);
    this.engine.recognizer.useProfile(profile);
    return { content, text: describeProfile(profile), comparison: compareAccuracy(support, profile) };
  }

  closeLesson() {
    this.lesson = null;
  }

  requireLesson() {
    if (!this.lesson) throw new Error(ENDED);
    return this.lesson;
  }
}

async function describeCaptured({ label, reading, image }) {
  return { name: label, read: reading.label, sure: reading.probability, image: await image.convertToBlob() };
}

const countNoun = (count, noun) => `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;

/** Return the classes, recordings and date of a profile in words. */
function describeProfile({ numTaught, numRecordings, created }) {
  return `${countNoun(numTaught, "class")}, ${countNoun(numRecordings, "recording")}, made on ${created}`;
}

/** Return how well the recordings are read before and after, in words. */
function compareAccuracy(support, profile) {
  const before = support.measureOwnAccuracy(), after = profile.measureAccuracy();
  if (before === null || after === null) return TOO_FEW;
  const percent = (share) => `${Math.round(100 * share)}%`;
  return `Of your recordings, the model alone reads ${percent(before)}, and with your profile ${percent(after)} ` +
    "(each recording read by a profile of all others).";
}
