// Requirements on the browser.

const NEEDED = ["Worker", "OffscreenCanvas", "createImageBitmap", "WebAssembly", "DecompressionStream"];
// A module whose only function uses a vector of 128 bits.
const SIMD_MODULE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/**
 * Refuse a browser that cannot run the app.
 * @throws {Error} with a sentence
 */
export function requireBrowser() {
  const missing = NEEDED.filter((name) => !(name in window));
  if (!missing.includes("WebAssembly") && !WebAssembly.validate(new Uint8Array(SIMD_MODULE))) missing.push("WebAssembly with SIMD");
  if (missing.length) throw new Error(`This browser has no ${missing.join(", ")}. Use a current one.`);
}
