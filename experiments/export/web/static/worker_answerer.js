// The worker of the app answers: an answerer as answerer.js describes it.
import { AnswerError } from "./answerer.js";

const WORKER_LOST = "The app's worker ended. Reload the page.";
const FRAME_SIDE = 640;  // pixels of the longer side

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

/** Return a snapshot of a video, which the worker closes. */
function takeImage(source) {
  if (window.VideoFrame && source instanceof HTMLVideoElement) return new VideoFrame(source);
  const width = source.videoWidth ?? source.width, height = source.videoHeight ?? source.height;
  const scale = FRAME_SIDE / Math.max(width, height);
  if (scale >= 1) return createImageBitmap(source);
  const size = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
  return createImageBitmap(source, { ...size, resizeQuality: "medium" });
}

/**
 * Return the answerer of the camera.
 * @param {WorkerClient} client
 * @param {Promise<any>} opening settles when the models are loaded
 * @returns {import("./answerer.js").Answerer}
 */
export function createWorkerAnswerer(client, opening) {
  return {
    isOpen: false,
    async openSession() {
      await opening;
      if (!this.isOpen) await client.ask("restart");
      this.isOpen = true;
    },
    async readFrame(source, seconds) {
      const image = await takeImage(source);
      return client.ask("frame", { image, seconds }, [image]);
    },
    type: (name) => client.ask("type", { name }),
    clear: () => client.ask("clear"),
    close() { this.isOpen = false; },
    lesson: null,
    profile: null,
    corrections: null,
  };
}
