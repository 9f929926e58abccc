// The worker of the app answers: an answerer as answerer.js describes it.
import { AnswerError } from "./answerer.js";
import { ProfileStore } from "./profile_store.js";
import { takeImage } from "./snapshots.js";

const WORKER_LOST = "The app's worker ended. Reload the page.";
const NOT_DELETED = "This browser could not delete your profile. Delete the data of this page in the settings of the browser.";
const OTHER_MODEL = "Your profile in this browser was made with another model of this app, and is not used. Teach this model again.";
const FRAME_SIDE = 640;  // pixels of the longer side, as in worker.js

const isSame = (first, second) => first?.length === second?.length && (first ?? []).every((byte, n) => byte === second[n]);

/** Sends messages to the worker and gets their answers. */
export class WorkerClient {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    this.waiting = new Map();
    this.numAsked = 0;
    worker.onmessage = ({ data }) => this.settle(data);
    worker.onerror = () => this.fail();
  }

  /**
   * Return the answer to a message, see worker.js.
   * @param {string} kind
   * @param {object} [message]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  ask(kind, message = {}, transfer = []) {
    const id = ++this.numAsked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...message }, transfer);
    });
  }

  settle({ id, answer, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(answer); else reject(new AnswerError(error));
  }

  fail() {
    for (const { reject } of this.waiting.values()) reject(new AnswerError(WORKER_LOST));
    this.waiting.clear();
  }
}

/** Return the worker of the app; in the one file, its code is joined from its parts. */
export function startWorker(parts) {
  if (!parts.contents) return new Worker(parts.locate("worker.js"));
  const code = ["guard.js", "parts.js", "worker.js"].map((name) => parts.contents[name]);
  return new Worker(URL.createObjectURL(new Blob(code, { type: "text/javascript" })));
}

/**
 * Return the answerer of the camera.
 * @param {WorkerClient} client
 * @param {Promise<{classes: string[], fingerprint?: string}>} opening settles when the models are loaded
 * @param {{locate: (path: string) => string}} parts files of the app
 * @returns {import("./answerer.js").Answerer}
 */
export function createWorkerAnswerer(client, opening, parts) {
  const profile = new WorkerProfile(client, opening);
  return {
    isOpen: false,
    ownTexts: { words: [], phrases: [] },
    async openSession() {
      await opening;
      await profile.restore().catch(() => null);  // the profile's panel shows why
      if (!this.isOpen) await client.ask("restart", { texts: this.ownTexts });
      this.isOpen = true;
      client.ask("words").catch((error) => console.warn(error.message));  // the app reads letters without them
    },
    async readFrame(source, seconds) {
      const image = await takeImage(source, FRAME_SIDE);
      return client.ask("frame", { image, seconds }, [image]);
    },
    type: (name) => client.ask("type", { name }),
    clear: () => client.ask("clear"),
    accept: (_, text) => client.ask("accept", { text }),
    undo: () => client.ask("undo"),
    configure: (texts) => client.ask("texts", { texts }),
    close() { this.isOpen = false; },
    lesson: new WorkerLesson(client, opening, profile, parts),
    profile,
    corrections: null,
  };
}

/** The visitor's profile, which the browser keeps. */
class WorkerProfile {
  constructor(client, opening) {
    this.client = client;
    this.opening = opening;
    this.restoring = null;
    this.isKept = false;
    /** @type {Uint8Array | null} */
    this.stored = null;  // the value that this browser kept last, as far as this tab knows
  }

  /** Use the profile of an earlier visit; return its file and content, null for none. */
  restore() {
    this.restoring ??= this.findStored();
    return this.restoring;
  }

  async findStored() {
    const { fingerprint } = await this.opening;
    this.store = new ProfileStore(fingerprint ?? "");
    const content = this.stored = await this.store.load();
    if (!content && await this.store.hasOther()) throw new AnswerError(OTHER_MODEL);
    if (!content) return null;
    try {
      const { text } = await this.client.ask("profile", { content });
      this.isKept = true;
      return { file: new Blob([content]), text };
    } catch (error) {
      await this.store.save(null);
      throw error;
    }
  }

  /** Use a later profile of another tab of the app, so that a lesson here extends it. */
  async renew() {
    await this.restore().catch(() => null);
    const content = await this.store.load();
    if (isSame(content, this.stored)) return;
    this.stored = content;
    await (content ? this.client.ask("profile", { content }) : this.client.ask("forgetProfile"));
    this.isKept = Boolean(content);
  }

  /** @param {Blob} file */
  async use(file) {
    await this.restore().catch(() => null);  // a damaged one is replaced
    const content = new Uint8Array(await file.arrayBuffer()), { text } = await this.client.ask("profile", { content });
    await this.keep(content);
    return text;
  }

  /** Keep the bytes of the profile in use. */
  async keep(content) {
    this.isKept = await this.store.save(content);
    if (this.isKept) this.stored = content;
  }

  async forget() {
    const isDeleted = await this.store.save(null) || !this.stored;
    if (isDeleted) this.stored = null;
    this.isKept = false;
    await this.client.ask("forgetProfile");
    if (!isDeleted) throw new AnswerError(NOT_DELETED);
  }
}

/** A lesson in the worker. */
class WorkerLesson {
  constructor(client, opening, profile, parts) {
    this.client = client;
    this.opening = opening;
    this.profile = profile;
    this.parts = parts;
    this.isOpen = false;
    this.imageUrl = "";
  }

  async open(wanted) {
    const { classes } = await this.opening;
    this.classes = classes;
    await this.profile.renew();
    const progress = await this.client.ask("lesson", wanted);
    this.isOpen = true;
    return progress;
  }

  async readFrame(source, seconds) {
    const image = await takeImage(source, FRAME_SIDE), progress = await this.client.ask("lessonFrame", { image, seconds }, [image]);
    if (!progress.captured) return progress;
    URL.revokeObjectURL(this.imageUrl);
    this.imageUrl = URL.createObjectURL(progress.captured.image);
    return { ...progress, captured: { ...progress.captured, image: this.imageUrl } };
  }

  steer(action) {
    return this.client.ask("steer", { action });
  }

  async finish() {
    const { content, text, comparison } = await this.client.ask("finishLesson");
    this.isOpen = false;
    await this.profile.keep(content);
    return { file: new Blob([content]), text, comparison };
  }

  close() {
    if (this.isOpen) this.client.ask("closeLesson").catch(() => {});  // the worker has ended
    this.isOpen = false;
  }

  /** Return the address of a drawing of a class; empty for a sign of one's own. */
  getExample(label) {
    const number = this.classes.indexOf(label);
    return number < 0 ? "" : this.parts.find(`examples/${number}.webp`);
  }
}
