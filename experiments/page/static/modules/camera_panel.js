// The camera: one frame at a time is read, the next one after its answer. The newest frame is always
// the one that is read; frames in between are counted as skipped.

import { CAMERA_LOST, FrameWatcher, listCameras, requestStream, showStream, stopStream } from "./cameras.js";
import { element, whenPresent } from "./dom.js";
import { Pace, clearReading, showReading, showStatus } from "./reading_view.js";
import { startTextPanel } from "./text_panel.js";

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
  const text = startTextPanel(answerer);

  async function start() {
    text.showError("");
    const button = element("start");
    isStarting = true;  // a disabled button would lose the keyboard's focus
    button.setAttribute("aria-disabled", "true");
    await hooks.beforeStart();
    const run = ++runNumber;
    try {
      await openCamera();
      if (!answerer.isOpen) text.archive();
      await answerer.openSession();
      readFrames(run);
    } catch (error) {
      stop(text.noteError(error));
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
    if (sentence) text.showError(sentence);
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
        text.show(reading);
        pace.show(reading.ms.model);
      } catch (error) {
        if (runNumber !== run) return;
        if (error.kind === "busy") continue;  // a button is being answered
        stop(text.noteError(error));
        return;
      }
    }
  }

  document.addEventListener("click", (event) => {
    const isStart = /** @type {Element} */ (event.target).closest("#uv-start");
    if (isStart && !isStarting) { if (stream) stop(); else start(); }
  });
  document.addEventListener("change", (event) => {
    if (/** @type {Element} */ (event.target).id === "uv-cameras" && stream) { stop(); start(); }
  });
  window.addEventListener("pagehide", close);
  whenPresent("start", () => element("start").removeAttribute("aria-disabled"));  // the scripts are loaded

  return { close };
}
