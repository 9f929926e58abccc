// A trained model that reads landmarks and mouths: unvoiced/recognizer.py and networks.py.
import { warpFrames } from "./augmentation.js";

/** @typedef {{label: string, probability: number, top: [string, number][]}} Reading */

export const NO_EMBEDDING = "This model gives no embedding, which a profile needs. Export it again from its checkpoint.";
/** @type {Reading} */
export const NO_READING = { label: "", probability: 0, top: [] };

/** Return log probabilities, as Float64Array. */
export function logSoftmax(logits) {
  const shifted = Float64Array.from(logits), largest = Math.max(...logits);
  shifted.forEach((value, n) => { shifted[n] = value - largest; });
  const logSum = Math.log(shifted.reduce((sum, value) => sum + Math.exp(value), 0));
  return shifted.map((value) => value - logSum);
}

const RUNTIME = "vendor/ort-wasm-simd-threaded.wasm";
const OTHER_INPUTS = "model/network.onnx has other inputs than model/about.json states. Export the app again.";

/** An exported network, run by ONNX Runtime. */
export class Recognizer {
  /** @param {any} about the checked facts of the model */
  constructor(about) {
    this.about = about;
    this.useProfile(null);
  }

  /**
   * Correct all following answers by a person's profile; null for the model alone.
   * @param {import("./profile.js").Profile | null} profile of this model
   */
  useProfile(profile) {
    this.profile = profile;
    /** @type {string[]} */
    this.classes = profile ? profile.answers : this.about.classes;
  }

  /** Whether the model gives an embedding, which a profile needs. */
  get canBeTaught() {
    return Boolean(this.about.fingerprint) && this.session.outputNames.length > 1;
  }

  /** Load the runtime and the network. */
  async load(parts) {
    const ort = await import(parts.locate("vendor/ort.wasm.bundle.min.js"));
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = { wasm: parts.locate(RUNTIME) };
    ort.env.logLevel = "fatal";  // errors are thrown as well
    this.ort = ort;
    const content = new Uint8Array(await parts.read("model/network.onnx"));
    try {
      this.session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
    } catch {
      await parts.read(RUNTIME);  // or it is missing
      throw new Error("model/network.onnx is damaged or not a network that can be run. Export the app again.");
    }
  }

  /** Return all outputs of the network for frames (T, *shape), flat, as a prepared set stores them. */
  async runNetwork(frames, shape) {
    const numFrames = frames.length / shape.reduce((product, size) => product * size, 1);
    const inputs = [new this.ort.Tensor(frames instanceof Uint8Array ? "uint8" : "float32", frames, [1, numFrames, ...shape])];
    if (this.about.takes_word_mask) {  // unknown: the word may take all frames
      inputs.push(new this.ort.Tensor("float32", new Float32Array(numFrames).fill(1), [1, numFrames]));
    }
    const names = this.session.inputNames;
    if (names.length !== inputs.length) {
      throw new Error(`model/network.onnx has ${names.length} inputs; expected ${inputs.length}. Export the app again.`);
    }
    try {
      return await this.session.run(Object.fromEntries(names.map((name, n) => [name, inputs[n]])));
    } catch {
      throw new Error(OTHER_INPUTS);
    }
  }

  /** Return the probabilities of the classes for landmarks (T, 63 or 126) or mouths (T, h, w), flat. */
  async predictProbabilities(frames) {
    if (!this.profile) return logSoftmax((await this.predict(frames)).logits).map(Math.exp);
    const { logProbabilities, embedding } = await this.embed(frames);
    return this.profile.correct(logProbabilities, embedding).map(Math.exp);
  }

  /** Return the model's own log-probabilities and its embedding of a recording. */
  async embed(frames) {
    const { logits, outputs } = await this.predict(frames), embedding = outputs[this.session.outputNames.at(-1)];
    if (embedding.type !== "float32" || embedding.dims.length !== 2 || embedding.dims[0] !== 1) throw new Error(NO_EMBEDDING);
    return { logProbabilities: logSoftmax(logits), embedding: embedding.data };
  }

  /** Return what `embed` gives for a recording and for its copies, which a profile holds. */
  async embedSupport(frames) {
    const { frame, app } = this.about, size = frame.shape.reduce((product, one) => product * one, 1), rows = [];
    for (const warp of app.support_warps) rows.push(await this.embed(warpFrames(frames, size, warp)));
    return rows;
  }

  /** Return the logits of the known classes, and all outputs of the network. */
  async predict(frames) {
    const outputs = await this.runNetwork(frames, this.about.frame.shape), { logits } = outputs;
    if (logits?.type !== "float32" || logits.dims.length !== 2 || logits.data.length !== this.about.classes.length) {
      throw new Error("model/network.onnx does not answer with one number for each class. Export the app again.");
    }
    return { logits: logits.data, outputs };
  }

  /**
   * Return the three best answers of probabilities.
   * @returns {Reading}
   */
  toReading(probabilities, classes = this.classes) {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
    /** @type {[string, number][]} */
    const top = order.slice(0, 3).map((n) => [classes[n], probabilities[n]]);
    return { label: top[0][0], probability: top[0][1], top };
  }
}
