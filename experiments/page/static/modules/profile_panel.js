// The visitor's profile. The page keeps its file until it is saved.

import { element, saveFile, showSentence, whenPresent } from "./dom.js";

const NO_PROFILE = "None yet: the model answers you as it answers everybody.";
const KEPT = " This browser keeps it for your next visit.";
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
    isSaved = hasFile || !newFile || Boolean(answerer.profile.isKept);
    hooks.onChange();  // the camera uses the profile when it is started again
    show(text ? describe(text) : NO_PROFILE);
  }

  const describe = (/** @type {string} */ text) => `In use: ${text}.${answerer.profile.isKept ? KEPT : ""}`;

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

  /** Show the profile of an earlier visit. */
  async function restore() {
    try {
      const stored = await answerer.profile.restore();
      if (!stored || file) return;
      file = stored.file;
      show(describe(stored.text));
    } catch (error) {
      show(NO_PROFILE, error.message);
    }
  }

  /** Say that there is no profile once it is deleted, so that a reload finds none. */
  async function forget() {
    element("profile-forget").hidden = true;  // a second click has nothing to delete
    const sentence = await answerer.profile.forget().then(() => "", (error) => error.message);
    setProfile(null, "");
    showSentence(element("profile-alert"), sentence);
    element("profile-use").focus();
  }

  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("#uv-profile button");
    if (!button) return;
    if (button.id === "uv-profile-use") element("profile-file").click();
    if (button.id === "uv-profile-save") {
      saveFile(file, FILE_NAME);
      isSaved = true;
    }
    if (button.id === "uv-profile-forget") forget();
  });
  document.addEventListener("change", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (input.id === "uv-profile-file") readFile(input);
  });
  if (answerer.profile.restore) whenPresent("profile", restore);
  window.addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

  return { setProfile, hasProfile: () => Boolean(file) };
}
