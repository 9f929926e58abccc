// An image from a file.
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

/**
 * Read an image whenever a file is chosen.
 * @param {import("./worker_answerer.js").WorkerClient} client
 * @param {Promise<any>} opening settles when the models are loaded
 */
export function startFilePanel(client, opening) {
  const input = element("file");
  if (!input) return;
  async function readFile(file) {
    const image = await openImage(file);
    await opening;
    const answer = await client.ask("image", { image }, [image]);
    showImage(element("file-seen"), answer.seen);
    showBars(element("file-top"), answer.top);
    element("file-letter").textContent = answer.top.length ? answer.top[0][0] : "–";
    const { notFound, notSure } = element("camera").dataset;
    element("file-status").textContent = !answer.found ? notFound : answer.sure ? `It reads ${answer.top[0][0]}.` : notSure;
  }
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    showSentence(element("file-alert"), "");
    element("file-status").textContent = "Reading the image …";
    try {
      await readFile(file);
    } catch (error) {
      element("file-status").textContent = "";
      showSentence(element("file-alert"), error.message);
    }
  });
}
