// The skeleton of a hand, and a drawing of it: unvoiced/vision/skeleton.py.
// Joints are the landmarks of MediaPipe: 0 the wrist, then from base to tip 1-4 the thumb, 5-8 the
// index, 9-12 the middle, 13-16 the ring and 17-20 the little finger.

export const HAND_SIZE = 63;  // numbers of a hand: 21 joints x (x, y, z)
const STANDARD_RATIO = 4 / 3;  // width over height of the image that landmarks are brought to
const PALM_EDGES = [[0, 1], [0, 5], [0, 17], [5, 9], [9, 13], [13, 17]];
const FINGER_BONES = Array.from({ length: 20 }, (_, n) => [n, n + 1]).filter(([base]) => base % 4);
const HAND_BONES = [...PALM_EDGES, ...FINGER_BONES];

/** Return whether these settings of a reader make landmarks as of an image of 4:3. */
export function hasStandardRatio(reader) {
  return Boolean(reader?.standard_ratio) || typeof reader?.aspect_ratio === "number";
}

/** Return landmarks as an image of 4:3 would have them; `aspectRatio` is width over height. */
export function standardizeRatio(landmarks, aspectRatio) {
  const width = aspectRatio / STANDARD_RATIO;
  return landmarks.map((value, n) => (n % 3 === 1 ? value : value * width));
}

/** Draw the bones and joints of one or two hands; a hand of zeros is not drawn. */
export function drawHand(context, landmarks) {
  const { width, height } = context.canvas, line = Math.max(1, Math.floor(Math.min(width, height) / 200));
  for (let start = 0; start < landmarks.length; start += HAND_SIZE) {
    const hand = landmarks.subarray(start, start + HAND_SIZE);
    if (hand.some((value) => value !== 0)) drawBones(context, hand, width, height, line);
  }
}

function drawBones(context, hand, width, height, line) {
  const place = (joint) => [hand[3 * joint] * width, hand[3 * joint + 1] * height];
  context.strokeStyle = "rgb(0, 255, 0)";
  context.fillStyle = "rgb(255, 0, 0)";
  context.lineWidth = line;
  context.beginPath();
  for (const [start, end] of HAND_BONES) {
    context.moveTo(...place(start));
    context.lineTo(...place(end));
  }
  context.stroke();
  context.beginPath();
  for (let joint = 0; joint < 21; joint += 1) {
    const [x, y] = place(joint);
    context.moveTo(x, y);
    context.arc(x, y, 2 * line, 0, 2 * Math.PI);
  }
  context.fill();
}

/** Return a drawing of one or two hands alone, as large as fits; a hand of zeros is not drawn. */
export function drawLandmarks(landmarks, side = 240) {
  const canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d", { alpha: false });
  const points = [[], []], isSeen = [];
  for (let start = 0; start < landmarks.length; start += HAND_SIZE) {
    isSeen.push(landmarks.subarray(start, start + HAND_SIZE).some((value) => value !== 0));
  }
  landmarks.forEach((value, n) => { if (n % 3 < 2 && isSeen[Math.floor(n / HAND_SIZE)]) points[n % 3].push(value); });
  const low = points.map((part) => Math.min(...part)), high = points.map((part) => Math.max(...part));
  const extent = Math.max(high[0] - low[0], high[1] - low[1], 1e-6);
  const fit = (value, n) => (n % 3 < 2 ? ((value - (low[n % 3] + high[n % 3]) / 2) / extent) * 0.8 + 0.5 : value);
  drawHand(context, landmarks.map((value, n) => (isSeen[Math.floor(n / HAND_SIZE)] ? fit(value, n) : 0)));
  return canvas;
}
