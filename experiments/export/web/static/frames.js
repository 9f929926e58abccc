// Frames of the camera on one canvas. Chromium keeps drawn frames of a video in a cache of 500 MB, so
// that pixels are copied instead, where the browser can convert them.

/** Return whether the pixels of a frame are those that are shown, neither turned nor stretched. */
function isPlain(frame) {
  const { width, height } = frame.visibleRect ?? {};
  return frame.displayWidth === width && frame.displayHeight === height && !frame.rotation && !frame.flip;
}

/** Return the layout of a copy; null where the browser does not convert this frame. */
function findLayout(frame) {
  if (!isPlain(frame)) return null;
  const rect = frame.visibleRect, layout = { rect, format: "RGBA" };
  try {
    return frame.allocationSize(layout) === 4 * rect.width * rect.height ? layout : null;
  } catch {
    return null;  // its format is unknown, such as on a graphics processor
  }
}

/** A canvas whose pixels the processor keeps. */
function openCanvas() {
  return new OffscreenCanvas(1, 1).getContext("2d", { alpha: false, willReadFrequently: true });
}

function resize({ canvas }, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

/** Holds one frame of a camera at a time. */
export class FrameCanvas {
  /** @param {number} maxSide pixels of the longer side */
  constructor(maxSide = 640) {
    this.maxSide = maxSide;
    this.copied = openCanvas();
    this.shrunk = openCanvas();
    this.shrunk.imageSmoothingQuality = "medium";
    this.pixels = new ImageData(1, 1);
  }

  /**
   * Return a canvas with a frame, which is closed.
   * @param {VideoFrame} frame
   * @returns {Promise<OffscreenCanvas>}
   */
  async take(frame) {
    try {
      const layout = findLayout(frame), scale = this.maxSide / Math.max(frame.displayWidth, frame.displayHeight);
      const copied = layout && await this.copy(frame, layout);
      return copied && scale >= 1 ? copied : this.shrink(frame, copied ?? frame, Math.min(1, scale));
    } finally {
      frame.close();
    }
  }

  async copy(frame, layout) {
    const { width, height } = layout.rect;
    if (this.pixels.width !== width || this.pixels.height !== height) this.pixels = new ImageData(width, height);
    await frame.copyTo(this.pixels.data, layout);
    resize(this.copied, width, height);
    this.copied.putImageData(this.pixels, 0, 0);
    return this.copied.canvas;
  }

  /** @returns {OffscreenCanvas} */
  shrink({ displayWidth, displayHeight }, image, scale) {
    const width = Math.round(displayWidth * scale), height = Math.round(displayHeight * scale);
    resize(this.shrunk, width, height);
    this.shrunk.drawImage(image, 0, 0, width, height);
    return this.shrunk.canvas;
  }
}
