// The self-test: problems of the camera's image, and their remedies.

import { explainError } from "./cameras.js";
import { element, wait } from "./dom.js";

const MARKS = new Map([[true, "✓"], [false, "✗"], [null, "–"]]);

/** @param {import("./answerer.js").Answerer} answerer */
export function startDiagnosisPanel(answerer) {
  const diagnosis = answerer.diagnosis;
  let isRunning = false;

  const showStatus = (/** @type {string} */ text) => { element("diagnosis").textContent = text; };

  /** @param {import("./answerer.js").Finding} finding */
  function createItem(finding) {
    const item = document.createElement("li"), detail = document.createElement("span");
    item.className = finding.is_ok === false ? "uv-wrong" : "";
    const advice = finding.problem ? ` ${finding.problem}: ${finding.remedy}.` : "";
    item.textContent = `${MARKS.get(finding.is_ok)} ${finding.check}.${advice} `;
    detail.className = "uv-faint";
    const expected = finding.expected ? ` (expected ${finding.expected})` : "";
    detail.textContent = finding.measured + expected;
    item.append(detail);
    return item;
  }

  async function examine() {
    if (!answerer.isOpen) throw new Error("Start the camera first.");
    element("findings").hidden = true;
    const seconds = await diagnosis.start();
    for (let left = Math.ceil(seconds); left > 0; left -= 1) {
      showStatus(`Use it as you would: ${left} s …`);
      await wait(1000);
    }
    showStatus("Examining …");
    const { findings, summary } = await diagnosis.finish();
    const wrong = findings.filter((finding) => finding.is_ok === false);
    const others = findings.filter((finding) => finding.is_ok !== false);
    element("findings").replaceChildren(...[...wrong, ...others].map(createItem));
    element("findings").hidden = false;
    showStatus(summary);
  }

  document.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("#uv-diagnose");
    if (!button || isRunning) return;
    isRunning = true;
    button.setAttribute("aria-disabled", "true");
    try {
      await examine();
    } catch (error) {
      showStatus(explainError(error));
    } finally {
      isRunning = false;
      button.removeAttribute("aria-disabled");
    }
  });
}
