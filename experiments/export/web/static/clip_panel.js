// The progress of a clip that is read from a file, with a button that stops it.
import { closeClip, openClip, readClipFrames } from "./clip_frames.js";
import { element } from "./dom.js";
import { showImage } from "./reading_view.js";

const STREAM_FPS = 30;  // at most, of a clip that is searched for words, as on the page
const SHOWN_FRAMES = 5;  // every so many images of a clip are shown
const MIN_ELAPSED_S = 1;  // before an end is estimated

/** Return a text as a sentence. */
const describeText = (text) => (text ? `It reads ${text}.` : "It has read nothing so far.");

/** Shows how much of a clip was read, and when it will end. */
class ClipProgress {
  constructor() {
    this.isStopped = false;
    this.startedMs = performance.now();
    element("file-stop").onclick = () => this.stop();
    element("file-section").onkeydown = (event) => { if (event.key === "Escape") this.stop(); };
    element("file-run").hidden = false;
    this.show(0);
    element("file-stop").focus();
  }

  stop() {
    this.isStopped = true;
    element("file-left").textContent = "Stopping …";
  }

  /** @param {number} share of the clip, 0 to 1 */
  show(share) {
    const elapsedS = (performance.now() - this.startedMs) / 1000, percent = `${Math.floor(100 * share)} %`;
    const leftS = Math.max(1, Math.round((elapsedS / share) * (1 - share)));
    const text = elapsedS < MIN_ELAPSED_S ? percent : `${percent}, about ${leftS} s left`;
    element("file-progress").value = share;
    element("file-progress").setAttribute("aria-valuetext", text);
    element("file-left").textContent = text;
  }

  close() {
    const hasFocus = element("file-section").contains(document.activeElement);
    element("file-run").hidden = true;
    element("file-section").onkeydown = null;
    return hasFocus;
  }
}

/**
 * Read a clip and show its text.
 * @param {import("./worker_answerer.js").WorkerClient} client
 * @param {File} file
 * @param {{fps: number, maxWordS: number}} settings of clips
 * @param {(text: string, top: [string, number][]) => void} showAnswer
 * @returns {Promise<string>} a sentence on it
 */
export async function readClip(client, file, { fps, maxWordS }, showAnswer) {
  const video = await openClip(file), { notFound, notSure } = element("camera").dataset;
  const progress = new ClipProgress(), isWhole = video.duration <= maxWordS;
  let numImages = 0, numFound = 0, lastS = 0;
  try {
    await client.ask("clip_begin", { isWhole });
    for await (const { image, seconds } of readClipFrames(video, isWhole ? fps : STREAM_FPS, isWhole)) {
      const { seen, text, top, found } = await client.ask("clip_frame", { image, seconds }, [image]);
      numFound += Number(found);
      lastS = seconds;
      if (numImages % SHOWN_FRAMES) seen.close(); else showImage(element("file-seen"), seen);
      if (!(numImages % SHOWN_FRAMES)) progress.show(Math.min(1, seconds / video.duration));
      if (top.length) showAnswer(text, top);
      numImages += 1;
      if (progress.isStopped) break;
    }
    const { text, top, sure } = await client.ask("clip_end", { isStopped: progress.isStopped });
    showAnswer(text, top);
    if (progress.isStopped) return `Stopped after ${lastS.toFixed(1)} of ${video.duration.toFixed(1)} seconds. ${describeText(text)}`;
    return !numFound ? notFound : sure ? describeText(text) : notSure;
  } finally {
    closeClip(video);
    if (progress.close()) setTimeout(() => element("file").focus());  // once it is enabled again
  }
}
