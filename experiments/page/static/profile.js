// The visitor's profile. The page keeps its file, and sends it again where the program has lost it.
(() => {
  "use strict";
  const { element, post, closeSession } = window.unvoiced;
  const NO_PROFILE = "None yet: the model answers you as it answers everybody.";
  const FILE_NAME = "me.profile", MAX_BYTES = 4 * 1024 * 1024;

  let file = null, key = "";  // a Blob, and the key by which the program knows it
  let isSaved = true;

  function show(text, sentence) {
    element("profile-text").textContent = text;
    const alert = element("profile-alert");
    alert.hidden = !sentence;
    alert.textContent = sentence || "";
    for (const name of ["save", "forget"]) element("profile-" + name).hidden = !file;
  }

  function setProfile(newFile, newKey, text, hasFile = false) {
    file = newFile;
    key = newKey;
    isSaved = hasFile || !newFile;
    closeSession();  // the camera goes on with the profile when it is started again
    show(text ? "In use: " + text + "." : NO_PROFILE);
  }

  async function requireProfileKey() {
    if (!file) return "";
    try {
      await post("profile/touch/" + key);
    } catch (error) {
      if (error.status !== 410) throw error;
      key = (await post("profile/use", file)).profile;
    }
    return key;
  }

  async function readFile(input) {
    const chosen = input.files[0];
    input.value = "";
    if (!chosen) return;
    try {
      if (chosen.size > MAX_BYTES) throw new Error(chosen.name + " is too large for a profile.");
      const content = new Blob([await chosen.arrayBuffer()]);
      const answer = await post("profile/use", content);
      setProfile(content, answer.profile, answer.text, true);
    } catch (error) {
      show(element("profile-text").textContent, error.message);
    }
  }

  function saveFile() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = FILE_NAME;
    link.click();
    isSaved = true;
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#uv-profile button");
    if (!button) return;
    if (button.id === "uv-profile-use") element("profile-file").click();
    if (button.id === "uv-profile-save") saveFile();
    if (button.id === "uv-profile-forget") {
      post("profile/forget/" + key).catch((error) => show(NO_PROFILE, error.message));
      setProfile(null, "", "");
      element("profile-use").focus();
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "uv-profile-file") readFile(event.target);
  });

  window.addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

  Object.assign(window.unvoiced, { requireProfileKey, setProfile });
})();
