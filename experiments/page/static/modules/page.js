// The page of stage=serve.

import { startPanels } from "./panels.js";
import { checkAddress } from "./proxy_notice.js";
import { createServerAnswerer } from "./server_answerer.js";

const answerer = createServerAnswerer();
startPanels(answerer);
checkAddress();

// Gradio's upload sends them with a file.
Object.assign(window, {
  unvoiced: {
    requireProfileKey: answerer.requireProfileKey,
    requireFeedbackKey: answerer.requireCorrectionsKey,
  },
});
