// The worker that reads: messages {id, kind, ...} in, {id, answer} or {id, error} out. A classic
// script: in the one file it must import modules that it has unpacked itself.
"use strict";
if (!self.isGuarded) importScripts("guard.js", "parts.js");  // in the one file they precede it

const SEEN_SIDE = 320, CLIP_SIDE = 1280;  // pixels of the longer side of images that are shown, and of clips
const TYPED_LABELS = { space: "space", backspace: "del" };  // button → the sign that does the same
const NOT_OFFERED = "This suggestion is not offered any more. Choose another one.";
const seenCanvas = new OffscreenCanvas(1, 1);
let engine = null, teacher = null, frameCanvas = null, clipCanvas = null, memory = null;
let clip = null;  // from a file

const formatLabel = (label) => label.replaceAll("_", " ");
const describeText = () => ({ text: formatLabel(engine.writer.text), suggestions: engine.writer.suggestions.map(formatLabel) });
const formatTop = ({ top }) => top.map(([label, probability]) => [formatLabel(label), probability]);
const isSure = ({ probability }) => probability >= engine.stream.minProbability;

function formatProgress(progress) {
  const { label, captured } = progress;
  const shown = captured && { ...captured, name: formatLabel(captured.name), read: formatLabel(captured.read) };
  return { ...progress, name: formatLabel(label), captured: shown };
}

function drawSeen(image, annotate) {
  const scale = Math.min(1, SEEN_SIDE / Math.max(image.width, image.height));
  seenCanvas.width = Math.round(image.width * scale);
  seenCanvas.height = Math.round(image.height * scale);
  const context = seenCanvas.getContext("2d", { alpha: false });
  context.drawImage(image, 0, 0, seenCanvas.width, seenCanvas.height);
  annotate(context);
  return seenCanvas.transferToImageBitmap();
}

const actions = {
  async open({ contents }) {
    const parts = new self.Parts(contents);
    memory = await import(parts.locate("wasm_memory.js"));
    memory.watchMemory();
    const { Engine } = await import(parts.locate("engine.js"));
    const { FrameCanvas } = await import(parts.locate("frames.js"));
    frameCanvas = new FrameCanvas();
    clipCanvas = new FrameCanvas(CLIP_SIDE);
    const { Teacher } = await import(parts.locate("teacher.js"));
    engine = await Engine.open(parts);
    teacher = new Teacher(engine);
    const { classes, fingerprint } = engine.recognizer.about;
    return { clip: engine.describeClips(), classes, fingerprint };
  },
  async frame({ image, seconds }) {
    const startMs = performance.now(), events = await engine.push(image, seconds), { stream } = engine;
    const model = performance.now() - startMs, seen = drawSeen(image, (context) => stream.annotate(context));
    return {
      ...describeText(), top: formatTop(stream.reading), sure: isSure(stream.reading), found: stream.hasFound, seen,
      events: events.map(({ kind, label }) => ({ kind, label: formatLabel(label) })), ms: { ...engine.latencyMs, model },
    };
  },
  async image({ image }) {
    const { reading, hand, landmarks } = await engine.stream.readImage(image);
    const seen = drawSeen(image, (context) => engine.stream.annotate(context, hand));
    return { top: formatTop(reading), sure: isSure(reading), found: Boolean(hand), seen, landmarks };
  },
  async clip_begin({ isWhole }) {
    clip?.stream.close();
    clip = await engine.openAnother();
    clip.isWhole = isWhole;
    if (isWhole) clip.stream.beginClip();
    return {};
  },
  async clip_frame({ image, seconds }) {
    const { stream } = clip;
    await (clip.isWhole ? stream.pushClip(image) : clip.push(image, seconds));
    const seen = drawSeen(image, (context) => stream.annotate(context));
    return { text: formatLabel(clip.writer.text), top: formatTop(stream.reading), found: stream.hasFound, seen };
  },
  async clip_end({ isStopped }) {
    const { stream, isWhole } = clip;
    if (!isStopped) await (isWhole ? stream.readClip() : clip.end());  // a part of a word is none
    const { reading } = stream, text = formatLabel(isWhole ? reading.label : clip.writer.text);
    stream.close();
    clip = null;
    return { text, top: formatTop(reading), sure: isWhole ? isSure(reading) : Boolean(text) };
  },
  async type({ name }) {
    engine.writer.add(TYPED_LABELS[name]);
    return describeText();
  },
  async clear() {
    engine.writer.clear();
    return describeText();
  },
  async accept({ text }) {
    const offered = engine.writer.suggestions.find((one) => formatLabel(one) === text);
    if (offered === undefined || !engine.writer.accept(offered)) throw new Error(NOT_OFFERED);
    return describeText();
  },
  async undo() {
    engine.writer.undo();
    return describeText();
  },
  async measure() {
    const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
    const sizes = entries.map(({ decodedBodySize, transferSize }) => ({ decodedBodySize, transferSize }));
    return { entries: sizes, memory: memory.countMemory() };
  },
  async restart({ texts }) {
    engine.restart();
    if (texts) engine.useTexts(texts);
    return {};
  },
  async texts({ texts }) {
    engine.useTexts(texts);
    return {};
  },
  async words() {
    await engine.loadWords();
    return {};
  },
  async profile({ content }) {
    return { text: await teacher.useProfile(new Uint8Array(content)) };
  },
  async forgetProfile() {
    teacher.forgetProfile();
    return {};
  },
  async lesson({ labels, shots }) {
    return formatProgress(teacher.openLesson(labels, shots));
  },
  async lessonFrame({ image, seconds }) {
    return formatProgress(await teacher.readFrame(image, seconds));
  },
  async steer({ action }) {
    return formatProgress(teacher.steer(action));
  },
  async finishLesson() {
    return teacher.finishLesson();
  },
  async closeLesson() {
    teacher.closeLesson();
    return {};
  },
};

/** Return the image of a message: a frame of a camera or clip on a canvas. */
function takeImage(image, kind) {
  const isFrame = self.VideoFrame && image instanceof VideoFrame;
  return isFrame ? (kind === "clip_frame" ? clipCanvas : frameCanvas).take(image) : image;
}

async function reply({ id, kind, image, ...message }) {
  try {
    const answer = await actions[kind]({ image: await takeImage(image, kind), ...message });
    self.postMessage({ id, answer }, answer.seen ? [answer.seen] : []);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  } finally {
    image?.close();  // its memory is then free at once
  }
}

let lastReply = Promise.resolve();  // one message after the other
self.onmessage = ({ data }) => { lastReply = lastReply.then(() => reply(data)); };
