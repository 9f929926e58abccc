// Live reading: frames in, letters and words as events out: unvoiced/engine.py and streams/base.py.
import { StreamClock } from "./clock.js";
import { TextComposer, hasAllLetters } from "./composer.js";
import { FingerspellingStream } from "./fingerspelling.js";
import { LanguageModel, readWords } from "./language.js";
import { LipStream } from "./lips.js";
import { parseAbout } from "./metadata.js";
import { checkPhrases, checkWords } from "./personal.js";
import { Recognizer } from "./recognizer.js";
import { WordComposer } from "./word_composer.js";
import { TextWriter } from "./writer.js";

const STREAMS = { fingerspelling: FingerspellingStream, lips: LipStream };

/** Milliseconds of each stage of the last push. */
class StageTimer {
  constructor() {
    this.latencyMs = {};
  }

  measure(stage, compute) {
    const startMs = performance.now(), result = compute();
    this.addDuration(stage, startMs);
    return result;
  }

  async measureLater(stage, compute) {
    const startMs = performance.now(), result = await compute();
    this.addDuration(stage, startMs);
    return result;
  }

  addDuration(stage, startMs) {
    this.latencyMs[stage] = (this.latencyMs[stage] ?? 0) + performance.now() - startMs;
  }
}

/** Reads one stream. One call at a time. */
export class Engine {
  /** Return an engine that is ready to read, of the files of the app. */
  static async open(parts) {
    const about = parseAbout(new TextDecoder().decode(await parts.read("model/about.json")));
    if (!Object.hasOwn(STREAMS, about.app.stream)) {
      throw new Error("This app cannot read the task of its model. Export the app again.");
    }
    const recognizer = new Recognizer(about), stream = new STREAMS[about.app.stream](recognizer);
    await recognizer.load(parts);
    await stream.load(parts);
    return new Engine(recognizer, stream, parts);
  }

  constructor(recognizer, stream, parts) {
    this.recognizer = recognizer;
    this.stream = stream;
    this.parts = parts;
    this.ownTexts = { words: [], phrases: [] };
    this.restart();
  }

  /** Begin a new stream with an empty text. */
  restart() {
    this.stream.restart();
    this.writer = new TextWriter(this.recognizer.about.app.is_joined);
    this.clock = new StreamClock();
    this.latencyMs = {};
    this.renewComposer();
  }

  /** Read the next frame and return the events. */
  async push(image, seconds) {
    const timer = new StageTimer();
    const events = await this.stream.push(image, this.clock.advance(seconds), timer);
    this.latencyMs = timer.latencyMs;
    return this.write(events);
  }

  /** Return the events that the end of the stream completes. */
  async end() {
    return this.write(await this.stream.end(this.clock.nowS ?? 0, new StageTimer()));
  }

  /** Return how clips from files are read: images a second, and the length of those that are one word. */
  describeClips() {
    const { clip_fps: fps, max_word_s: maxWordS } = this.recognizer.about.app;
    return { fps, maxWordS };
  }

  /** Return another engine of the same models, such as for a file. */
  async openAnother() {
    return new Engine(this.recognizer, await this.stream.openAnother(), this.parts);
  }

  write(events) {
    for (const { kind, label, probability, probabilities } of events) {
      const isWritten = this.stream.constructor.writtenKinds.includes(kind) && probability > 0;
      if (isWritten) this.writer.add(label, probabilities, this.recognizer.classes);
    }
    return events;
  }

  /** Suggest words, if the model reads all letters; the lists of words are loaded once. */
  async loadWords() {
    const { app } = this.recognizer.about;
    if (this.wordList || !app.is_joined || !app.has_words) return;
    this.wordList = await readWords(await this.parts.read("model/words.bin"));
    this.renewComposer();
  }

  /**
   * Use words and phrases of a person's own from now on.
   * @param {{words: string[], phrases: string[]}} texts
   * @throws {Error} one of them cannot be spelled
   */
  useTexts(texts) {
    checkWords(texts.words);
    checkPhrases(texts.phrases);
    this.ownTexts = texts;
    this.renewComposer();
  }

  renewComposer() {
    const { classes, profile, about } = this.recognizer, { words, phrases } = this.ownTexts;
    if (!about.app.is_joined) return this.writer.useComposer(new WordComposer(classes));
    if (!this.wordList || !hasAllLetters(classes)) return this.writer.useComposer(null);
    const language = new LanguageModel(this.wordList, words), confusions = about.confusions?.length ? about.confusions : null;
    this.writer.useComposer(new TextComposer(classes, language, profile ? null : confusions, phrases));
  }
}
