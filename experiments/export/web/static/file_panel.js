// An image or a clip from a file.
import { readClip } from "./clip_panel.js";
import { element, showSentence } from "./dom.js";
import { showBars, showImage } from "./reading_view.js";

const MAX_AREA = 50e6;  // pixels; phones take 12 to 50 million
const NOT_AN_IMAGE = "This file is not an image that the browser can open. Choose a JPEG, PNG or WebP image.";

async function openImage(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(NOT_AN_IMAGE);
  }
  if (image.width * image.height > MAX_AREA) throw new Error("The image has more than 50 million pixels. Choose a smaller one.");
  return image;
}

/** Show the reading: the text, and the likeliest labels. */
function showAnswer(text, top) {
  element("file-result").hidden = !text;
  element("file-text").textContent = text;
  showBars(element("file-top"), top);
}

/** @param {import("./worker_answerer.js").WorkerClient} client */
async function readImage(client, file) {
  const image = await openImage(file), answer = await client.ask("image", { image }, [image]);
  showImage(element("file-seen"), answer.seen);
  showAnswer(answer.top.length ? answer.top[0][0] : "", answer.top);
  const { notFound, notSure } = element("camera").dataset;
  return !answer.found ? notFound : answer.sure ? `It reads ${answer.top[0][0]}.` : notSure;
}

/**
 * Read an image or a clip whenever a file is chosen.
 * @param {import("./worker_answerer.js").WorkerClient} client
 * @param {Promise<any>} opening settles when the models are loaded
 */
export function startFilePanel(client, opening) {
  const input = element("file");
  if (!input) return;
  async function readFile(file) {
    const { clip } = await opening, isClip = file.type.startsWith("video/") || !input.accept.includes("image");
    return isClip ? readClip(client, file, clip, showAnswer) : readImage(client, file);
  }
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    input.disabled = true;  // one file after the other
    showSentence(element("file-alert"), "");
    showAnswer("", []);
    element("file-status").textContent = "Reading the file …";
    try {
      element("file-status").textContent = await readFile(file);
    } catch (error) {
      element("file-status").textContent = "";
      showSentence(element("file-alert"), error.message);
    } finally {
      input.disabled = false;
    }
  });
}
