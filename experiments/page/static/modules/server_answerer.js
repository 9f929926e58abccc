// The program that serves the page answers.

import { decodeFile, post, request, takeSnapshot, toJson, toQuery } from "./server_http.js";

/**
 * @returns {import("./answerer.js").Answerer & {
 *   requireProfileKey: () => Promise<string>, requireCorrectionsKey: () => Promise<string>}}
 */
export function createServerAnswerer() {
  const profile = new ServerProfile(), camera = new ServerCamera(profile);
  const corrections = new ServerCorrections(camera, profile);
  return Object.assign(camera, {
    profile,
    corrections,
    diagnosis: {
      start: async () => (await camera.ask("diagnose/" + camera.key)).seconds,
      finish: () => camera.ask("diagnosis/" + camera.key),
    },
    lesson: new ServerLesson(profile),
    requireProfileKey: () => profile.requireKey(),
    requireCorrectionsKey: () => corrections.requireKey().catch(() => ""),  // a file is read without it too
  });
}

/** The session of the camera. */
class ServerCamera {
  /** @param {ServerProfile} profile */
  constructor(profile) {
    this.ownProfile = profile;
    this.key = "";
    /** @type {import("./answerer.js").OwnTexts} */
    this.ownTexts = { words: [], phrases: [] };
  }

  get isOpen() { return Boolean(this.key); }

  async openSession() {
    const profile = await this.ownProfile.requireKey();
    if (this.key) return;
    this.key = (await post("camera/enter?profile=" + profile, toJson(this.ownTexts))).session;
  }

  /**
   * @param {string} path
   * @param {BodyInit} [body]
   */
  async ask(path, body) {
    try {
      return await post("camera/" + path, body);
    } catch (error) {
      if (error.kind === "expired") this.key = "";
      throw error;
    }
  }

  /**
   * @param {HTMLVideoElement} source
   * @param {number} seconds
   */
  async readFrame(source, seconds) {
    const key = this.key, frame = await takeSnapshot(source);
    return this.ask("frame/" + key + toQuery(seconds), frame);
  }

  /** @param {"space" | "backspace"} name */
  type(name) { return this.ask("type/" + this.key + "?name=" + name); }

  clear() { return this.ask("clear/" + this.key); }

  /**
   * @param {number} _
   * @param {string} text
   */
  accept(_, text) { return this.ask("accept/" + this.key, toJson({ text })); }

  undo() { return this.ask("undo/" + this.key); }

  /** @param {import("./answerer.js").OwnTexts} texts */
  async configure(texts) {
    const content = toJson(texts);
    try {
      await this.ask("texts?session=" + this.key, content);
    } catch (error) {
      if (error.kind !== "expired") throw error;
      await this.ask("texts", content);  // the next session uses them
    }
  }

  close() {
    if (this.key) navigator.sendBeacon("camera/leave/" + this.key);
    this.key = "";
  }
}

/** The visitor's profile; its file is sent again where the program has lost it. */
class ServerProfile {
  constructor() {
    /** @type {Blob | null} */
    this.file = null;
    this.key = "";
  }

  /**
   * @param {Blob} file
   * @param {{profile: string, text: string}} answer of the program
   */
  adopt(file, answer) {
    this.file = file;
    this.key = answer.profile;
    return answer.text;
  }

  /** @param {Blob} file */
  async use(file) { return this.adopt(file, await post("profile/use", file)); }

  async forget() {
    const key = this.key;
    this.file = null;
    this.key = "";
    await post("profile/forget/" + key);
  }

  /** @returns {Promise<string>} empty without a profile */
  async requireKey() {
    if (!this.file) return "";
    try {
      await post("profile/touch/" + this.key);
    } catch (error) {
      if (error.kind !== "expired") throw error;
      await this.use(this.file);
    }
    return this.key;
  }
}

/** A lesson before the camera. */
class ServerLesson {
  /** @param {ServerProfile} profile */
  constructor(profile) {
    this.profile = profile;
    this.key = "";
  }

  get isOpen() { return Boolean(this.key); }

  /** @param {{labels: string[], shots: number}} wanted */
  async open(wanted) {
    const profile = await this.profile.requireKey();
    const answer = await post("teach/enter", toJson({ ...wanted, profile }));
    this.key = answer.session;
    return answer;
  }

  /**
   * @param {HTMLVideoElement} source
   * @param {number} seconds
   */
  async readFrame(source, seconds) {
    const key = this.key, frame = await takeSnapshot(source);
    return post("teach/frame/" + key + toQuery(seconds), frame);
  }

  /** @param {"redo" | "skip" | "stop"} action */
  steer(action) { return post("teach/do/" + this.key + "?action=" + action); }

  async finish() {
    const answer = await post("teach/finish/" + this.key), file = decodeFile(answer.file);
    this.key = "";
    return { file, text: this.profile.adopt(file, answer), comparison: answer.comparison };
  }

  close() {
    if (this.key) navigator.sendBeacon("teach/leave/" + this.key);
    this.key = "";
  }

  /** @param {string} label */
  getExample(label) { return "teach/example?label=" + encodeURIComponent(label); }
}

/** The visitor's corrections; the program keeps them for this tab alone. */
class ServerCorrections {
  /**
   * @param {ServerCamera} camera
   * @param {ServerProfile} profile
   */
  constructor(camera, profile) {
    this.camera = camera;
    this.profile = profile;
    this.key = "";
    /** @type {(() => void) | null} */
    this.onExpired = null;
  }

  async requireKey() {
    const key = this.key;
    this.key = (await post("feedback/enter?session=" + key)).session;
    if (key && this.key !== key) this.onExpired?.();
    return this.key;
  }

  /** @param {string} source */
  async mark(source) {
    const camera = source === "camera" ? this.camera.key : "";
    return post("feedback/mark/" + await this.requireKey() + "?camera=" + camera);
  }

  /** @param {string} label */
  correct(label) { return post("feedback/correct/" + this.key, toJson({ label })); }

  async pack() { return (await request("feedback/set/" + this.key)).blob(); }

  async extendProfile() {
    const profile = await this.profile.requireKey();
    const answer = await post("feedback/profile/" + this.key + "?profile=" + profile);
    const file = decodeFile(answer.file);
    return { file, text: this.profile.adopt(file, answer) };
  }

  async forget() {
    await post("feedback/leave/" + this.key);
    this.key = "";
  }

  close() {
    if (this.key) navigator.sendBeacon("feedback/leave/" + this.key);
    this.key = "";
  }
}
