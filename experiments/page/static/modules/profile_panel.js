// The visitor's profile. The page keeps its file until it is saved.

import { element, saveFile, showSentence } from "./dom.js";

const NO_PROFILE = "None yet: the model answers you as it answers everybody.";
const FILE_NAME = "me.profile", MAX_BYTES = 4 * 1024 * 1024;

/**
 * @param {import("./answerer.js").Answerer} answerer
 * @param {{onChange: () => void}} hooks called before another profile is used
 */
export function startProfilePanel(answerer, hooks) {
  /** @type {Blob | null} */
  let file = null;
  let isSaved = true;

  function show(/** @type {string} */ text, sentence = "") {
    element("profile-text").textContent = text;
    showSentence(element("profile-alert"), sentence);
    for (const name of ["save", "forget"]) element("profile-" + name).hidden = !file;
  }

  /** Show the profile that is in use now. */
  function setProfile(/** @type {Blob | null} */ newFile, /** @type {string} */ text, hasFile = false) {
    file = newFile;
    isSaved = hasFile || !newFile;
    hooks.onChange();  // the camera goes on with the profile when it is started again
    show(text ? "In use: " + text + "." : NO_PROFILE);
  }

  async function readFile(/** @type {HTMLInputElement} */ input) {
    const chosen = input.files[0];
    input.value = "";
    if (!chosen) return;
    try {
      if (chosen.size > MAX_BYTES) throw new Error(chosen.name + " is too large for a profile.");
      const content = new Blob([await chosen.arrayBuffer()]);
      setProfile(content, await answerer.profile.use(content), true);
    } catch (error) {
      show(element("profile-text").textContent, error.message);
    }
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("#uv-profile button");
    if (!button) return;
    if (button.id === "uv-profile-use") element("profile-file").click();
    if (button.id === "uv-profile-save") {
      saveFile(file, FILE_NAME);
      isSaved = true;
    }
    if (button.id === "uv-profile-forget") {
      answerer.profile.forget().catch((error) => show(NO_PROFILE, error.message));
      setProfile(null, "");
      element("profile-use").focus();
    }
  });
  document.addEventListener("change", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (input.id === "uv-profile-file") readFile(input);
  });
  window.addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

  return { setProfile, hasProfile: () => Boolean(file) };
}
