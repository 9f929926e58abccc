// The camera: one frame at a time is read, the next one after its answer. The newest frame is always
// the one that is read; frames in between are counted as skipped.

import { CAMERA_LOST, FrameWatcher, explainError, listCameras, requestStream, showStream, stopStream } from "./cameras.js";
import { copyText } from "./clipboard.js";
import { element, showSentence } from "./dom.js";
import { Pace, clearReading, showReading, showStatus } from "./reading_view.js";
import { speak, stopSpeaking } from "./speech.js";
import { TextView } from "./text_view.js";

/**
 * @param {import("./answerer.js").Answerer} answerer
 * @param {{beforeStart: () => Promise<void>}} hooks
 * @returns {{close: () => void}}
 */
export function startCameraPanel(answerer, hooks) {
  let isStarting = false, runNumber = 0;
  /** @type {MediaStream | null} */
  let stream = null;
  /** @type {FrameWatcher | null} */
  let watcher = null;
  const text = new TextView();

  const showError = (/** @type {string} */ sentence) => showSentence(element("alert"), sentence);

  /** Keep the text where an error says that its session has ended. */
  function noteError(/** @type {any} */ error) {
    if (error.kind === "expired") text.archive();
    return explainError(error);
  }

  async function start() {
    showError("");
    const button = element("start");
    isStarting = true;  // a disabled button would lose the keyboard's focus
    button.setAttribute("aria-disabled", "true");
    await hooks.beforeStart();
    const run = ++runNumber;
    try {
      await openCamera();
      await answerer.openSession();
      readFrames(run);
    } catch (error) {
      stop(noteError(error));
    } finally {
      isStarting = false;
      button.removeAttribute("aria-disabled");
    }
  }

  async function openCamera() {
    stream = await requestStream(element("cameras").value);
    const track = stream.getVideoTracks()[0];
    track.addEventListener("ended", () => stop(CAMERA_LOST));
    await showStream(stream, element("video"), [element("seen")]);
    element("start").textContent = "Stop the camera";
    const cameras = await listCameras(track.getSettings().deviceId);
    element("camera-choice").hidden = cameras.length < 2;
    element("cameras").replaceChildren(...cameras);
  }

  function stop(sentence = "") {
    runNumber += 1;
    watcher?.stop();
    stopStream(stream);
    stream = null;
    const video = element("video");
    if (!video) return;
    video.srcObject = null;
    element("start").textContent = "Start the camera";
    clearReading();
    if (sentence) showError(sentence);
  }

  function close() {
    stop();
    answerer.close();
    text.archive();
  }

  async function readFrames(/** @type {number} */ run) {
    const video = element("video"), pace = new Pace(), frames = new FrameWatcher(video);
    let numEarlier = -1;  // frames before the first one that is read
    watcher = frames;
    while (runNumber === run) {
      const hasCome = await frames.waitForFrame();
      if (runNumber !== run) return;
      if (!hasCome && !document.hidden) showStatus("The camera sends no image.");
      if (!hasCome || !video.videoWidth) continue;
      if (numEarlier < 0) numEarlier = frames.numPresented - 1;
      const takenAt = performance.now();
      try {
        const reading = await answerer.readFrame(video, takenAt / 1000);
        if (runNumber !== run) return;
        pace.add(takenAt, frames.numPresented - numEarlier);
        showReading(reading);
        showText(reading);
        pace.show(reading.ms.model);
      } catch (error) {
        if (runNumber !== run) return;
        if (error.kind === "busy") continue;  // a button is being answered
        stop(noteError(error));
        return;
      }
    }
  }

  function showText(/** @type {import("./answerer.js").TextState} */ state) {
    const added = text.update(state.text);
    if (element("aloud").checked) say(added);
  }

  function say(/** @type {string} */ words) {
    const reason = speak(words);
    if (reason) showError(reason);
  }

  /** Show what a button changed in the session's text. */
  async function change(/** @type {Promise<import("./answerer.js").TextState>} */ answer) {
    try {
      showText(await answer);
    } catch (error) {
      showError(noteError(error));
    }
  }

  /** @param {"space" | "backspace"} name */
  async function type(name) {  // the session edits its own text, the page that of earlier ones
    if (answerer.isOpen && (name === "space" || text.sessionText)) await change(answerer.type(name));
    else text.type(name);
  }

  async function clear() {
    text.clear();
    stopSpeaking();
    if (answerer.isOpen) await change(answerer.clear());
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (!button || !button.closest(".uv")) return;
    const name = button.dataset.uv || button.id.replace("uv-", "");
    const panel = button.closest(".uv-result");
    const words = panel ? panel.querySelector(".uv-text").textContent.trim() : "";
    if (name === "start" && !isStarting) { if (stream) stop(); else start(); }
    if (name === "speak") say(words);
    if (name === "copy") copyText(words, button);
    if (name === "clear") clear();
    if (name === "space" || name === "backspace") type(name);
  });
  document.addEventListener("change", (event) => {
    if (/** @type {Element} */ (event.target).id === "uv-cameras" && stream) { stop(); start(); }
  });
  window.addEventListener("pagehide", close);

  return { close };
}
