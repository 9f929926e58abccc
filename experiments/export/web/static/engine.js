// Live reading: frames in, letters and words as events out: unvoiced/engine.py and streams/base.py.
import { TextBuffer } from "./decisions.js";
import { FingerspellingStream } from "./fingerspelling.js";
import { LipStream } from "./lips.js";
import { parseAbout } from "./metadata.js";
import { Recognizer } from "./recognizer.js";

const STREAMS = { fingerspelling: FingerspellingStream, lips: LipStream };
const MAX_TIME_S = 1e10, MAX_GAP_S = 3600;

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

/** The time of a stream, which never goes backwards and makes no large steps. */
export class StreamClock {
  constructor() {
    this.nowS = null;
    this.offsetS = 0;
  }

  /** Return the stream's time of a frame at `seconds` of the camera's clock. */
  advance(seconds) {
    if (!(Math.abs(seconds) <= MAX_TIME_S)) throw new Error("The time of a frame is not a number of seconds.");
    let nowS = seconds + this.offsetS;
    if (this.nowS !== null && !(nowS >= this.nowS && nowS - this.nowS <= MAX_GAP_S)) {
      nowS = this.nowS + (nowS > this.nowS ? MAX_GAP_S : 0);
      this.offsetS = nowS - seconds;
    }
    this.nowS = nowS;
    return nowS;
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
    return new Engine(stream, about.app);
  }

  constructor(stream, app) {
    Object.assign(this, { stream, app });
    this.restart();
  }

  /** Begin a new stream with an empty text. */
  restart() {
    this.stream.restart();
    this.buffer = new TextBuffer(this.app.is_joined);
    this.clock = new StreamClock();
    this.latencyMs = {};
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
    return { fps: this.app.clip_fps, maxWordS: this.app.max_word_s };
  }

  /** Return another engine of the same models, such as for a file. */
  async openAnother() {
    return new Engine(await this.stream.openAnother(), this.app);
  }

  write(events) {
    for (const { kind, label, probability } of events) {
      if (this.stream.constructor.writtenKinds.includes(kind) && probability > 0) this.buffer.add(label);
    }
    return events;
  }

  /** Delete the text. */
  clear() {
    this.buffer.text = "";
  }

  /** Write a letter or word; "space" and "del" act as keys. */
  type(label) {
    this.buffer.add(label);
  }

  get text() {
    return this.buffer.text;
  }
}
