// Snapshots of a video, for the worker.
const RETRY_MS = 20, MAX_WAIT_MS = 5000;  // browsers need a moment for an image that they have announced
const NO_IMAGE = "The browser does not give the image of this video. Open it again.";

/**
 * Return the current frame of a video; the worker closes it, and shrinks it where a browser gives frames.
 * @param {HTMLVideoElement | HTMLCanvasElement} source
 * @param {number} maxSide pixels of the longer side
 * @returns {Promise<VideoFrame | ImageBitmap>}
 * @throws {Error} with a sentence: the video has no image for five seconds
 */
export async function takeImage(source, maxSide) {
  for (let waitedMs = 0; waitedMs < MAX_WAIT_MS; waitedMs += RETRY_MS) {
    try {
      return await takeShownImage(source, maxSide);
    } catch (error) {
      if (error.name !== "InvalidStateError") throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
  throw new Error(NO_IMAGE);
}

/** @returns {VideoFrame | Promise<ImageBitmap>} */
function takeShownImage(/** @type {HTMLVideoElement | HTMLCanvasElement} */ source, /** @type {number} */ maxSide) {
  const isVideo = source instanceof HTMLVideoElement;
  if (window.VideoFrame && isVideo) return new VideoFrame(source);
  const width = isVideo ? source.videoWidth : source.width, height = isVideo ? source.videoHeight : source.height;
  const scale = maxSide / Math.max(width, height);
  if (scale >= 1) return createImageBitmap(source);
  const size = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
  return createImageBitmap(source, { ...size, resizeQuality: "medium" });
}
