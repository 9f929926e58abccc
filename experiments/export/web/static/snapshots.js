// Snapshots of a video, for the worker.

/**
 * Return what a video shows; the worker closes it, and makes it smaller where a browser gives frames.
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
