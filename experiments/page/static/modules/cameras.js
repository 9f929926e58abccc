// Cameras and their frames.

export const WIDTH = 640;  // pixels of a frame
export const CAMERA_LOST = "The camera was disconnected. Plug it in again, then press Start.";
const FRAME_TIMEOUT_MS = 3000;
const INSECURE_PAGE = "Browsers give a camera only to pages at https:// or on this machine (http://127.0.0.1). Read an image or clip instead.";
/** @type {Object<string, string>} */
const CAMERA_ERRORS = {
  NotAllowedError: "The browser may not use the camera. Allow it next to the address above, then press Start again.",
  NotFoundError: "No camera was found. Plug one in, then press Start again; or read an image or clip instead.",
  OverconstrainedError: "That camera is no longer there. Choose another one, then press Start again.",
  NotReadableError: "The camera cannot be read: another program may be using it. Close that, then press Start again.",
  AbortError: "The camera stopped by itself. Press Start again.",
};

/**
 * Return a sentence for the visitor.
 * @param {any} error of a camera or an answerer
 * @returns {string}
 */
export const explainError = (error) => CAMERA_ERRORS[error.name] || error.message;

/**
 * Ask for a camera.
 * @param {string} [deviceId] empty for the one that shows the visitor
 * @returns {Promise<MediaStream>}
 */
export async function requestStream(deviceId) {
  if (!navigator.mediaDevices) throw new Error(INSECURE_PAGE);
  /** @type {MediaTrackConstraints} */
  const constraints = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  if (deviceId) constraints.deviceId = { exact: deviceId }; else constraints.facingMode = "user";
  return navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
}

/** @param {MediaStream | null} stream */
export function stopStream(stream) {
  if (stream) for (const track of stream.getTracks()) track.stop();
}

/**
 * Show a stream in a video, mirrored where the camera shows the visitor.
 * @param {MediaStream} stream
 * @param {HTMLVideoElement} video
 * @param {HTMLElement[]} views other images of the same camera
 */
export async function showStream(stream, video, views) {
  video.srcObject = stream;
  await video.play();
  const isMirrored = stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
  for (const view of [video, ...views]) view.classList.toggle("uv-mirrored", isMirrored);
}

/**
 * @param {string | undefined} currentId of the camera in use
 * @returns {Promise<HTMLOptionElement[]>} an option for each camera
 */
export async function listCameras(currentId) {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter((device) => device.kind === "videoinput");
  return cameras.map(({ label, deviceId }, n) =>
    new Option(label || "Camera " + (n + 1), deviceId, false, deviceId === currentId));
}

/** The frames of a video as they are presented; those that are not taken are counted. */
export class FrameWatcher {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.numPresented = 0;
    this.isRunning = true;
    this.hasNewFrame = false;
    /** @type {((hasCome: boolean) => void) | null} */
    this.resolveNextFrame = null;
    const requestFrame = video.requestVideoFrameCallback
      ? () => video.requestVideoFrameCallback(onFrame) : () => requestAnimationFrame(onFrame);
    const onFrame = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ metadata = null) => {
      if (!this.isRunning) return;
      this.numPresented = metadata ? metadata.presentedFrames : this.numPresented + 1;
      this.hasNewFrame = true;
      if (this.resolveNextFrame) this.resolveNextFrame(true);
      requestFrame();
    };
    requestFrame();
  }

  /** @returns {Promise<boolean>} false if the camera sends nothing */
  waitForFrame() {
    return new Promise((resolve) => {
      const finish = (/** @type {boolean} */ hasCome) => {
        clearTimeout(timeout);
        this.resolveNextFrame = null;
        this.hasNewFrame = false;
        resolve(hasCome);
      };
      const timeout = setTimeout(() => finish(false), FRAME_TIMEOUT_MS);
      if (this.hasNewFrame) finish(true); else this.resolveNextFrame = finish;
    });
  }

  /** Watch no longer. */
  stop() {
    this.isRunning = false;
  }
}
