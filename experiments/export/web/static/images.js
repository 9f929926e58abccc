// Images on canvases: unvoiced/vision/images.py and crops.py.

const SKIN_POWERS = [0.75, 1.05, 1.25];  // of red, green and blue
const MIN_SIDE = 16;  // pixels of a crop

/** @typedef {ImageBitmap | OffscreenCanvas} Image */

/** Return a number rounded as Python does: halves to the even neighbour. */
export function roundEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

/** Return a canvas with a part of an image, or with an image at another place. */
function drawPart(image, width, height, ...place) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, .../** @type {[number, number]} */ (place));
  return canvas;
}

/** Return the image, shrunk until its longer side has at most `longest` pixels. */
export function limitSide(image, longest) {
  const factor = longest / Math.max(image.width, image.height);
  if (factor >= 1) return image;
  const [width, height] = [image.width, image.height].map((size) => Math.max(1, roundEven(size * factor)));
  return drawPart(image, width, height, 0, 0, width, height);
}

/** Return the image with a black border, in image sizes, on each side. */
export function addBorder(image, border) {
  if (border === 0) return image;
  const [columns, rows] = [image.width, image.height].map((size) => roundEven(border * size));
  return drawPart(image, image.width + 2 * columns, image.height + 2 * rows, columns, rows);
}

/** Return the square crop about a centre [x, y], within the image, and its corner [x, y]. */
export function cropAround(image, centre, side) {
  const size = [image.width, image.height], half = Math.max(side, MIN_SIDE) / 2;
  const clip = (value, low, high) => Math.min(Math.max(value, low), high);
  const low = size.map((most, n) => Math.trunc(clip(roundEven(centre[n] - half), 0, Math.max(most - MIN_SIDE, 0))));
  const high = size.map((most, n) => Math.trunc(clip(roundEven(centre[n] + half), Math.min(low[n] + MIN_SIDE, most), most)));
  return { crop: drawPart(image, high[0] - low[0], high[1] - low[1], -low[0], -low[1]), corner: low };
}

/** Return the centres of squares that cover an image and overlap by a third or more. */
export function cropCentres(image, side) {
  const [xs, ys] = [image.width, image.height].map((size) => {
    const count = 1 + Math.ceil(Math.max(0, size - side) / ((side * 2) / 3));
    const first = side / 2, last = Math.max(size - side / 2, side / 2);
    return Array.from({ length: count }, (_, n) => (count === 1 ? first : first + ((last - first) * n) / (count - 1)));
  });
  return xs.flatMap((x) => ys.map((y) => [x, y]));
}

function readPixels(image) {
  const canvas = image instanceof OffscreenCanvas ? image : drawPart(image, image.width, image.height, 0, 0);
  return canvas.getContext("2d").getImageData(0, 0, image.width, image.height);
}

/**
 * Return an image in grey, by OpenCV's weights.
 * @returns {{data: Uint8Array, width: number, height: number}}
 */
export function toGrey(image) {
  const { data, width, height } = readPixels(image), grey = new Uint8Array(width * height);
  for (let n = 0, place = 0; n < grey.length; n += 1, place += 4) {
    grey[n] = (9798 * data[place] + 19235 * data[place + 1] + 3735 * data[place + 2] + 16384) >> 15;
  }
  return { data: grey, width, height };
}

/** Return whether an image has no colours, from 10,000 of its pixels. */
export function isGrey(image) {
  const { data, width, height } = readPixels(image), spreads = [];
  const step = Math.max(1, Math.trunc(Math.sqrt((width * height) / 1e4)));
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) {
      const pixel = data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3);
      spreads.push(Math.max(...pixel) - Math.min(...pixel));
    }
  }
  spreads.sort((a, b) => a - b);
  const place = 0.99 * (spreads.length - 1), low = Math.floor(place);  // as NumPy's quantile
  const next = spreads[Math.min(low + 1, spreads.length - 1)];
  return spreads[low] + (place - low) * (next - spreads[low]) <= 8;
}

/** Return a grey image in the tones of skin: MediaPipe then finds more hands. */
export function toSkinTones(image) {
  const tones = SKIN_POWERS.map((power) => Array.from({ length: 256 }, (_, n) => roundEven(255 * (n / 255) ** power)));
  const pixels = readPixels(image), { data } = pixels;
  for (let n = 0; n < data.length; n += 4) {
    const grey = data[n + 1];
    for (let channel = 0; channel < 3; channel += 1) data[n + channel] = tones[channel][grey];
  }
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d", { alpha: false, willReadFrequently: true }).putImageData(pixels, 0, 0);
  return canvas;
}
