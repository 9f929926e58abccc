// All panels of the page. Those whose markup or answerer is left out do nothing.

import { startCameraPanel } from "./camera_panel.js";
import { startDiagnosisPanel } from "./diagnosis_panel.js";
import { startFeedbackPanel } from "./feedback_panel.js";
import { startLessonPanel } from "./lesson_panel.js";
import { startProfilePanel } from "./profile_panel.js";

/** @param {import("./answerer.js").Answerer} answerer */
export function startPanels(answerer) {
  const camera = startCameraPanel(answerer, { beforeStart: async () => lesson?.keep() });
  const profile = answerer.profile && startProfilePanel(answerer, { onChange: camera.close });
  const hooks = {
    hasProfile: () => Boolean(profile?.hasProfile()),
    onProfile: (/** @type {Blob} */ file, /** @type {string} */ text) => profile?.setProfile(file, text),
  };
  const lesson = answerer.lesson && startLessonPanel(answerer, { ...hooks, beforeStart: camera.close });
  if (answerer.diagnosis) startDiagnosisPanel(answerer);
  if (answerer.corrections) startFeedbackPanel(answerer, hooks);
}
