// A lesson: the program asks for a sign or word, and captures it from the frames of the camera.

import { CAMERA_LOST, explainError, requestStream, showStream, stopStream } from "./cameras.js";
import { element, showSentence, wait } from "./dom.js";
import { LessonView } from "./lesson_view.js";

const OWN_SHOTS = 5, FRAME_INTERVAL_MS = 20;
const NOTHING_CHOSEN = "Choose at least one.", NO_NAME = "Give it a name first.";
/** @type {Object<string, "redo" | "skip" | "stop">} */
const ACTIONS = { r: "redo", s: "skip", Escape: "stop" };

/**
 * @param {import("./answerer.js").Answerer} answerer
 * @param {{beforeStart: () => void, onProfile: (file: Blob, text: string) => void}} hooks
 */
export function startLessonPanel(answerer, hooks) {
  const lesson = answerer.lesson, view = new LessonView();
  /** @type {MediaStream | null} */
  let stream = null;
  let runNumber = 0, isStarting = false, isRunning = false;

  const showError = (/** @type {string} */ sentence) => showSentence(element("teach-alert"), sentence);
  const listChosen = () =>
    [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=uv-label]:checked"))].map((box) => box.value);

  async function start(/** @type {string[]} */ labels, /** @type {number} */ shots) {
    if (isRunning || isStarting) return;
    showError("");
    hooks.beforeStart();  // the camera's own tab gives its place back
    isStarting = true;
    const run = ++runNumber;
    try {
      const camera = await requestStream("");
      if (run !== runNumber) { stopStream(camera); return; }
      stream = camera;
      const progress = await lesson.open({ labels, shots });
      if (run !== runNumber) { lesson.close(); return; }
      isRunning = true;
      view.open();
      view.showProgress(progress, getExample(progress.label));
      await showCamera();
      element("asked").focus();
      captureFrames(run);
    } catch (error) {
      if (run !== runNumber) return;
      close();
      showError(explainError(error));
    } finally {
      isStarting = false;
    }
  }

  const getExample = (/** @type {string} */ label) =>
    element("teach").dataset.hasExample ? lesson.getExample(label) : "";

  async function showCamera() {
    stream.getVideoTracks()[0].addEventListener("ended", async () => { await keep(); showError(CAMERA_LOST); });
    await showStream(stream, element("teach-video"), [element("captured"), element("example")]);
  }

  async function captureFrames(/** @type {number} */ run) {
    const video = element("teach-video");
    while (runNumber === run && isRunning) {
      const isShown = !document.hidden && video.offsetParent;  // in another tab, the lesson waits
      if (!video.videoWidth || !isShown) { await wait(100); continue; }
      const takenAt = performance.now();
      try {
        const progress = await lesson.readFrame(video, takenAt / 1000);
        if (runNumber !== run) return;
        view.showProgress(progress, getExample(progress.label));
        if (progress.phase === "done") { await finish(); return; }
      } catch (error) {
        if (runNumber !== run) return;
        if (error.kind === "busy") { await wait(100); continue; }  // a button is being answered
        if (error.kind === "refused") await finish(); else close();
        showError(error.message);
        return;
      }
      await wait(Math.max(0, FRAME_INTERVAL_MS - (performance.now() - takenAt)));
    }
  }

  async function steer(/** @type {"redo" | "skip" | "stop"} */ action) {
    if (!isRunning) return;
    const run = runNumber;
    try {
      const progress = await lesson.steer(action);
      if (runNumber !== run) return;  // a frame has ended the lesson
      if (progress.phase === "done") await finish(); else view.showProgress(progress, getExample(progress.label));
    } catch (error) {
      if (runNumber !== run) return;
      close();
      showError(error.message);
    }
  }

  async function finish() {
    runNumber += 1;
    isRunning = false;  // keys and buttons have no effect any more
    try {
      const { file, text, comparison } = await lesson.finish();
      close();
      hooks.onProfile(file, text);
      view.showComparison(comparison);
      element("profile-save").focus();
    } catch (error) {
      close();
      showError(error.message);
    }
  }

  function close() {
    runNumber += 1;
    stopStream(stream);
    stream = null;
    isRunning = false;
    lesson.close();
    if (element("teach-video")) view.close();
  }

  /** Keep the captures, since the camera of another tab starts or this one is lost. */
  async function keep() {
    if (isRunning) await finish(); else close();
  }

  function startChosen() {
    const labels = listChosen(), most = Number(element("teach").dataset.maxLabels);
    if (!labels.length) showError(NOTHING_CHOSEN);
    else if (labels.length > most) showError(`You chose ${labels.length}. Choose at most ${most} for one lesson; a later one adds others.`);
    else start(labels, Number(element("shots").value));
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("#uv-teach button");
    if (!button) return;
    const name = button.id.replace("uv-", "");
    if (name === "teach-start") startChosen();
    if (name === "redo" || name === "skip") steer(name);
    if (name === "teach-stop") steer("stop");
    if (name === "all" || name === "none") {
      const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=uv-label]"));
      for (const box of boxes) box.checked = name === "all";
    }
  });
  document.addEventListener("submit", (event) => {
    if (/** @type {Element} */ (event.target).id !== "uv-own") return;
    event.preventDefault();
    const name = element("own-name").value.trim();
    if (name) start([name], OWN_SHOTS); else showError(NO_NAME);
  });
  document.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    const isTyping = target.closest?.("input:not([type=checkbox]), textarea, select");
    const isShown = isRunning && element("lesson").offsetParent;
    if (!isShown || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    steer(action);
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("beforeunload", (event) => { if (isRunning) event.preventDefault(); });

  return { keep };
}
