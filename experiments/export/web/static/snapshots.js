// Snapshots of a video, for the worker.

/**
 * Return the current frame of a video; the worker closes it, and shrinks it where a browser gives frames.
 * @param {HTMLVideoElement | HTMLCanvasElement} source
 * @param {number} maxSide pixels of the longer side
 * @returns {VideoFrame | Promise<ImageBitmap>}
 */
export function takeImage(source, maxSide) {
  const isVideo = source instanceof HTMLVideoElement;
  if (window.VideoFrame && isVideo) return new VideoFrame(source);
  const width = isVideo ? source.videoWidth : source.width, height = isVideo ? source.videoHeight : source.height;
  const scale = maxSide / Math.max(width, height);
  if (scale >= 1) return createImageBitmap(source);
  const size = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
  return createImageBitmap(source, { ...size, resizeQuality: "medium" });
}
