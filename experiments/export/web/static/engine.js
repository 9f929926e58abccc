// Live reading: frames in, letters and words as events out: unvoiced/engine.py and streams/base.py.
import { TextBuffer } from "./decisions.js";
import { FingerspellingStream } from "./fingerspelling.js";
import { parseAbout } from "./metadata.js";
import { Recognizer } from "./recognizer.js";

const STREAMS = { fingerspelling: FingerspellingStream };
const MAX_TIME_S = 1e10, MAX_GAP_S = 3600;

/** Milliseconds of each stage of the last push. */
class StageTimer {
  constructor() {
    this.latencyMs = {};
  }

  measure(stage, compute) {
    const startMs = performance.now(), result = compute();
    this.latencyMs[stage] = performance.now() - startMs;
    return result;
  }

  async measureLater(stage, compute) {
    const startMs = performance.now(), result = await compute();
    this.latencyMs[stage] = performance.now() - startMs;
    return result;
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
    return new Engine(stream, about.app.is_joined);
  }

  constructor(stream, isJoined) {
    Object.assign(this, { stream, isJoined });
    this.restart();
  }

  /** Begin a new stream with an empty text. */
  restart() {
    this.stream.restart();
    this.buffer = new TextBuffer(this.isJoined);
    this.clock = new StreamClock();
    this.latencyMs = {};
  }

  /** Read the next frame and return the events. */
  async push(image, seconds) {
    const timer = new StageTimer();
    const events = await this.stream.push(image, this.clock.advance(seconds), timer);
    this.latencyMs = timer.latencyMs;
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
