// Corrections: what was read wrongly, with the right label. The program keeps them for this tab alone.
(() => {
  "use strict";
  const { post } = window.unvoiced;
  const FILE_NAME = "corrections.zip";
  const NO_PROFILE = "You have no profile yet: teach the model, or use a profile from its file.";
  const EXPIRED = "Your earlier corrections have expired.";

  let key = "", keptText = "";
  const panels = () => [...document.querySelectorAll(".uv-feedback")];

  function showError(panel, sentence) {
    const alert = panel.querySelector("[role=alert]");
    alert.hidden = !sentence;
    alert.textContent = sentence || "";
  }

  function showKept(text, note) {
    keptText = text;
    for (const panel of panels()) {
      panel.querySelector("[role=status]").textContent = [note, text].filter(Boolean).join(" ");
      panel.querySelector(".uv-kept").hidden = !text;
    }
  }

  async function requireSession() {
    const answer = await post("feedback/enter?session=" + key);
    if (key && answer.session !== key && keptText) showKept("", EXPIRED);
    key = answer.session;
    return key;
  }

  function showForm(panel, isShown) {
    const button = panel.querySelector("[data-feedback=mark]");
    panel.querySelector("form").hidden = !isShown;
    button.hidden = isShown;
    button.setAttribute("aria-expanded", String(isShown));
    (isShown ? panel.querySelector("input") : button).focus();
  }

  const actions = {
    async mark(panel) {
      const camera = panel.dataset.source === "camera" ? window.unvoiced.getCameraKey() : "";
      if (panel.dataset.source === "camera" && !camera) throw new Error("Start the camera first.");
      const answer = await post("feedback/mark/" + await requireSession() + "?camera=" + camera);
      panel.querySelector(".uv-read").textContent = `It was read as “${answer.answer || "no words"}”. It was`;
      panel.querySelector("datalist").replaceChildren(...answer.labels.map((label) => new Option(label, label)));
      panel.querySelector("input").value = "";
      showForm(panel, true);
    },
    async cancel(panel) { showForm(panel, false); },
    async keep(panel) {
      const label = panel.querySelector("input").value;
      const body = new Blob([JSON.stringify({ label })], { type: "application/json" });
      const answer = await post("feedback/correct/" + key, body);
      showForm(panel, false);
      showKept(answer.text, `Kept as “${answer.label}”.`);
    },
    async download() {
      const response = await fetch("feedback/set/" + key, { method: "POST" });
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error || "The download failed.");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = FILE_NAME;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
    async profile() {
      const profile = await window.unvoiced.requireProfileKey();
      if (!profile) throw new Error(NO_PROFILE);
      const answer = await post("feedback/profile/" + key + "?profile=" + profile);
      const content = Uint8Array.from(atob(answer.file), (character) => character.charCodeAt(0));
      window.unvoiced.setProfile(new Blob([content]), answer.profile, answer.text);
      showKept(keptText, "Added to your profile; start the camera again to use it.");
    },
    async forget(panel) {
      await post("feedback/leave/" + key);
      key = "";
      showKept("", "Forgotten.");
      panel.querySelector("[data-feedback=mark]").focus();
    },
  };

  async function act(panel, name) {
    showError(panel, "");
    try {
      await actions[name](panel);
    } catch (error) {
      showError(panel, error.message);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-feedback]");
    if (button) act(button.closest(".uv-feedback"), button.dataset.feedback);
  });
  document.addEventListener("submit", (event) => {
    const panel = event.target.closest(".uv-feedback");
    if (!panel) return;
    event.preventDefault();
    act(panel, "keep");
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest && event.target.closest(".uv-feedback form");
    if (form && event.key === "Escape") act(form.closest(".uv-feedback"), "cancel");
  });
  window.addEventListener("pagehide", () => {
    if (key) navigator.sendBeacon("feedback/leave/" + key);
    key = "";
    showKept("");
  });

  window.unvoiced.requireFeedbackKey = () => requireSession().catch(() => "");  // a file is read without it too
})();
