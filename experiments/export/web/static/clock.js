// The time of a stream: unvoiced/streams/base.py.

const MAX_TIME_S = 1e10, MAX_GAP_S = 3600;

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
