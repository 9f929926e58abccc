// MediaPipe's library, shared by the detectors: unvoiced/vision/mediapipe_tasks.py.

const NO_WEBGL = "This browser gives no WebGL, through which images reach MediaPipe's models. Allow hardware acceleration, or use another browser.";

/**
 * Return the library, and its own files as it expects them.
 * @param {{locate: (path: string) => string}} parts
 * @returns {Promise<{library: any, files: object}>}
 */
export async function loadMediaPipe(parts) {
  if (!new OffscreenCanvas(1, 1).getContext("webgl2")) throw new Error(NO_WEBGL);
  const files = {
    wasmLoaderPath: parts.locate("vendor/vision_wasm_internal.js"),
    wasmBinaryPath: parts.locate("vendor/vision_wasm_internal.wasm"),
  };
  return { library: await import(parts.locate("vendor/vision_bundle.js")), files };
}

/**
 * Open a task of the library.
 * @param {any} kind such as HandLandmarker
 * @param {object} files of `loadMediaPipe`
 * @param {object} options
 * @param {string} path of the model
 * @throws {Error} with a sentence: the model or a file of the library is damaged or missing
 */
export async function openTask(kind, files, options, path) {
  try {
    return await kind.createFromOptions(files, options);
  } catch (error) {
    console.error(error);
    throw new Error(`${path}, or MediaPipe's library in vendor/, is damaged or missing. Export the app again.`);
  }
}
