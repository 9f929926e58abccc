"""A network that reads the light on a mouth, its clips, and scripts that read them in the app."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.helpers.faces import paint_scene
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT, PLAIN_TEXT_KEYS

HEIGHT, WIDTH, FPS = 64, 96, 25.0
CAMERA_FPS = 30.0  # of Chromium's fake camera
FACTS = {
    FORMAT_KEY: METADATA_FORMAT,
    "task": "lipread",
    "classes": ["yes", "no"],
    "frame": {"shape": [HEIGHT, WIDTH], "dtype": "uint8", "rate": FPS},
    "input": {"frames": 12},
    "reader": {"zoom": 1.0, "detect_every": 2},
    "clip_s": 1.0,
    "fingerprint": "light",
    "simulated": True,
    "training_data_note": "Made for tests: it reads how light a mouth is.",
}
THRESHOLD, SHARPNESS = 130.0, 0.2  # grey levels, and logits for one more
# Each returns what the app's modules make of images, so that tests need no camera and no clock.
READ_MOUTHS = """async (clips) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const parts = new Parts(null), { parseAbout } = await load("metadata.js");
  const [{ FaceDetector }, { MouthTracker }] = [await load("faces.js"), await load("trackers.js")];
  const { Recognizer } = await load("recognizer.js"), motions = await load("mouth_motion.js");
  const about = parseAbout(await (await fetch("model/about.json")).text());
  const { app, frame } = about, recognizer = new Recognizer(about);
  await recognizer.load(parts);
  const detector = new FaceDetector(app.detector), answers = [];
  await detector.load(parts);
  for (const images of clips) {
    const tracker = new MouthTracker(detector, frame.rate, app.detector, Infinity), faces = [];
    for (const [n, image] of images.entries()) {
      const bytes = Uint8Array.from(atob(image), (one) => one.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      faces.push(tracker.push(bitmap, n / frame.rate) ? tracker.face : null);
    }
    const crops = tracker.cropMouths(), size = frame.shape[0] * frame.shape[1];
    const flat = new Uint8Array(crops.length * size);
    crops.forEach((crop, n) => flat.set(crop, n * size));
    const { logits } = crops.length ? await recognizer.runNetwork(flat, frame.shape) : {};
    answers.push({
      faces, crops: crops.map((crop) => [...crop]), logits: logits ? [...logits.data] : [],
      motion: [...motions.measureMotion(crops, frame.shape, frame.rate, app.settings)],
      noise: [...motions.measureNoise(crops, frame.shape, app.settings)],
    });
  }
  return answers;
}"""
FIND_SPEECH = """async (cases) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { RestBaseline, SpeechSegmenter, WordPeakPicker } = await load("speech_segments.js");
  return cases.map(({ settings, motion, noise, fps, hop, readings, apart, least, step }) => {
    const baseline = new RestBaseline(settings), segmenter = new SpeechSegmenter(settings);
    const values = Float64Array.from(motion), segments = [];
    for (let stop = hop; stop <= values.length; stop += hop) {
      const rest = baseline.subtract(values.slice(0, stop), hop, fps, noise.slice(0, hop));
      segments.push(segmenter.findSegments(rest, fps));
    }
    const picker = new WordPeakPicker(apart, least, 0.5);
    const push = ([label, probability]) => picker.push({ label, probability }, step);
    const words = [...readings.flatMap(push), ...picker.end()];
    return [segments, words.map(({ kind, label, probability, seconds }) =>
      [kind, label, probability, seconds])];
  });
}"""
READ_STREAMS = """async ({ app, cases }) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { WordCapturer } = await load("words.js");
  const { LipStream } = await load("lips.js"), { FrameBuffer } = await load("trackers.js");
  const { Engine } = await load("engine.js"), { logSoftmax } = await load("recognizer.js");
  class CropTracker {
    constructor(fps, keepS) {
      Object.assign(this, { fps, endS: 0, hasFace: true, buffer: new FrameBuffer(keepS, 240) });
    }
    push(crop, seconds) { this.buffer.add({ seconds, crop }); }
    cropMouths() {
      const frames = this.buffer.resample(this.fps);
      if (frames.length) this.endS = frames[0].seconds + (frames.length - 1) / this.fps;
      return frames.map(({ crop }) => crop);
    }
  }
  const answers = [];
  for (const { settings, shape, fps, images, times } of cases) {
    const bytes = Uint8Array.from(atob(images), (one) => one.charCodeAt(0));
    const size = shape[0] * shape[1];
    const recognizer = {
      classes: ["yes", "no", "maybe"],
      about: { app: { ...app, settings, is_joined: false }, frame: { shape, rate: fps } },
      async predictProbabilities(frames) {
        let brightest = 0, sum = 0;
        for (const value of frames) { brightest = Math.max(brightest, value); sum += value; }
        return logSoftmax([brightest / 50 - 4, 0, sum / frames.length / 50 - 2]).map(Math.exp);
      },
      toReading(values) {
        const best = values.indexOf(Math.max(...values));
        return { label: ["yes", "no", "maybe"][best], probability: values[best], top: [] };
      },
    };
    const [stream, another] = [new LipStream(recognizer), new LipStream(recognizer)];
    stream.openTracker = another.openTracker = (keepS) => new CropTracker(fps, keepS);
    another.restart();
    const engine = new Engine(recognizer, stream, null), capturer = new WordCapturer(another);
    const events = [], captured = [];
    for (const [n, seconds] of times.entries()) {
      const frame = bytes.subarray(n * size, (n + 1) * size);
      events.push(...(await engine.push(frame, seconds)));
      const capture = await capturer.push(frame, seconds);
      const weigh = (sum, value, place) => sum + value * (place % 251);
      if (capture) captured.push([n, capture.clips[0].length, capture.clips[0].reduce(weigh, 0)]);
    }
    events.push(...(await engine.end()));
    const rows = events.map(({ kind, label, probability, seconds }) =>
      [kind, label, probability, seconds]);
    answers.push([rows, engine.writer.text, captured]);
  }
  return answers;
}"""


TAKE_LESSON = """async ({ labels, shots, images, fps }) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { Engine } = await load("engine.js"), { Teacher } = await load("teacher.js");
  const teacher = new Teacher(await Engine.open(new Parts(null))), captured = [];
  teacher.openLesson(labels, shots);
  for (const [n, image] of images.entries()) {
    const bytes = Uint8Array.from(atob(image), (one) => one.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const progress = await teacher.readFrame(bitmap, n / fps);
    if (progress.captured) captured.push([n, progress.captured.name, progress.captured.read]);
    bitmap.close();
  }
  const { content, comparison } = await teacher.finishLesson();
  const packed = btoa(Array.from(content, (one) => String.fromCharCode(one)).join(""));
  return { captured, comparison, packed };
}"""
WRITE_WORDS = """async ({ labels, steps }) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { WordComposer } = await load("word_composer.js"), { TextWriter } = await load("writer.js");
  const writer = new TextWriter(false);
  writer.useComposer(new WordComposer(labels));
  return steps.map(([kind, value]) => {
    if (kind === "add") writer.add(labels[value.indexOf(Math.max(...value))], value, labels);
    if (kind === "accept") writer.accept(writer.suggestions[value]);
    if (kind === "undo") writer.undo();
    return [writer.text, writer.suggestions];
  });
}"""
TEACH_WORDS = """async ({ file, recordings, queries }) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { parseAbout } = await load("metadata.js"), { Recognizer } = await load("recognizer.js");
  const { SupportSet } = await load("support.js");
  const { parseProfile, packProfile } = await load("profile_file.js");
  const decode = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const encode = (bytes) => btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(""));
  const about = parseAbout(await (await fetch("model/about.json")).text());
  const recognizer = new Recognizer(about), answers = [];
  await recognizer.load(new Parts(null));
  const support = new SupportSet(recognizer, null);
  for (const [label, clip] of recordings) await support.add(label, [decode(clip)]);
  const own = support.buildProfile(), packed = await packProfile(own);
  for (const content of [decode(file), packed]) {
    recognizer.useProfile(await parseProfile(content));
    const rows = [];
    for (const clip of queries) rows.push(await recognizer.predictProbabilities(decode(clip)));
    answers.push(rows.map((row) => [...row]));
  }
  const accuracies = [support.measureOwnAccuracy(), own.measureAccuracy()];
  return { answers, classes: recognizer.classes, accuracies, packed: encode(packed) };
}"""


def write_lip_network(path: Path) -> Path:
    """Write a network that reads "yes" of a light mouth, and "no" of a dark one.

    Its embedding is the light in each part of the mouth, on average and in the first frame.
    """
    floats, whole, cell = TensorProto.FLOAT, TensorProto.INT64, [16, 16]
    shape = ["batch", "length", HEIGHT, WIDTH]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["frames"], ["grey"], to=floats),
            helper.make_node("ReduceMean", ["grey", "axes"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "column"], ["light"]),
            helper.make_node("Sub", ["light", "threshold"], ["excess"]),
            helper.make_node("Mul", ["excess", "signs"], ["logits"]),
            helper.make_node("ReduceMean", ["grey", "time"], ["average"], keepdims=1),
            helper.make_node("Gather", ["grey", "first"], ["start"], axis=1),
            helper.make_node("Concat", ["average", "start"], ["both"], axis=1),
            helper.make_node("AveragePool", ["both"], ["cells"], kernel_shape=cell, strides=cell),
            helper.make_node("Flatten", ["cells"], ["embedding"]),
        ],
        "light",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("logits", floats, ["batch", 2]),
            helper.make_tensor_value_info("embedding", floats, ["batch", 48]),
        ],
        [
            helper.make_tensor("axes", whole, [3], [1, 2, 3]),
            helper.make_tensor("column", whole, [1], [1]),
            helper.make_tensor("time", whole, [1], [1]),
            helper.make_tensor("first", whole, [1], [0]),
            helper.make_tensor("threshold", floats, [1], [THRESHOLD]),
            helper.make_tensor("signs", floats, [1, 2], [SHARPNESS, -SHARPNESS]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(
        model,
        {key: one if key in PLAIN_TEXT_KEYS else json.dumps(one) for key, one in FACTS.items()},
    )
    onnx.save(model, path)
    return path


def paint_words() -> list[np.ndarray]:
    """Return images at ``CAMERA_FPS`` of a face that says "yes", and "no" in darkness."""
    images = []
    for n in range(round(6 * CAMERA_FPS)):
        seconds = n / CAMERA_FPS
        is_speaking = 1 <= seconds < 2 or 4 <= seconds < 5
        gape = 0.1 + 0.9 * is_speaking * np.sin(2 * np.pi * 1.5 * (seconds - 1)) ** 2
        image = paint_scene((180, 100, 280, gape), shape=(480, 640))
        images.append((image * (0.75 if seconds > 3 else 1.0)).astype(np.uint8))
    return images


def encode_images(images: list[np.ndarray]) -> list[str]:
    """Return images (H, W, 3) uint8 RGB as PNG in base64."""
    contents = (cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images)
    return [base64.b64encode(content).decode() for content in contents]
