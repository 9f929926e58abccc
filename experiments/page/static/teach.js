// A lesson: the program asks for a sign or word, and captures it from the frames of the camera.
(() => {
  "use strict";
  const { element, post, speak, closeSession, requestStream, takeSnapshot } = window.unvoiced;
  const OWN_SHOTS = 5, FRAME_INTERVAL_MS = 20;
  const NOTHING_CHOSEN = "Choose at least one.", NO_NAME = "Give it a name first.";

  const BUSY = 429, REFUSED = 422;  // HTTP

  let stream = null, sessionKey = "", runNumber = 0, shownLabel = null, isStarting = false;
  const isRunning = () => Boolean(sessionKey);

  function showError(sentence) {
    const alert = element("teach-alert");
    alert.hidden = !sentence;
    alert.textContent = sentence || "";
  }

  const listChosen = () => [...document.querySelectorAll("input[name=uv-label]:checked")].map((box) => box.value);

  // ---- the lesson

  async function startLesson(labels, shots) {
    if (isRunning() || isStarting) return;
    showError("");
    closeSession();  // of the camera's own tab
    isStarting = true;
    const run = ++runNumber;
    try {
      const profile = await window.unvoiced.requireProfileKey();
      const camera = await requestStream("");
      if (run !== runNumber) { stopTracks(camera); return; }
      stream = camera;
      const wanted = new Blob([JSON.stringify({ labels, shots, profile })], { type: "application/json" });
      const answer = await post("teach/enter", wanted);
      if (run !== runNumber) { navigator.sendBeacon("teach/leave/" + answer.session); return; }
      sessionKey = answer.session;
      await showCamera();
      showProgress(answer);
      element("asked").focus();
      captureFrames(run);
    } catch (error) {
      if (run !== runNumber) return;
      closeLesson();
      showError(window.unvoiced.CAMERA_ERRORS[error.name] || error.message);
    } finally {
      isStarting = false;
    }
  }

  async function showCamera() {
    element("plan").hidden = true;
    element("taught").hidden = true;
    element("lesson").hidden = false;
    shownLabel = null;
    element("captured").hidden = true;
    element("captured-text").textContent = "What is kept";
    const track = stream.getVideoTracks()[0], video = element("teach-video");
    track.addEventListener("ended", () => { closeLesson(); showError(window.unvoiced.CAMERA_LOST); });
    video.srcObject = stream;
    await video.play();
    const isMirrored = track.getSettings().facingMode !== "environment";
    for (const name of ["teach-video", "captured", "example"]) element(name).classList.toggle("uv-mirrored", isMirrored);
  }

  async function captureFrames(run) {
    const video = element("teach-video"), canvas = document.createElement("canvas");
    while (runNumber === run && sessionKey) {
      const isShown = !document.hidden && video.offsetParent;  // in another tab, the lesson waits
      if (!video.videoWidth || !isShown) { await wait(100); continue; }
      const takenAt = performance.now(), key = sessionKey;
      try {
        const blob = await takeSnapshot(video, canvas);
        if (runNumber !== run) return;
        const answer = await post("teach/frame/" + key + "?seconds=" + (takenAt / 1000).toFixed(4), blob);
        if (runNumber !== run) return;
        showProgress(answer);
        if (answer.phase === "done") { await finishLesson(); return; }
      } catch (error) {
        if (runNumber !== run) return;
        if (error.status === BUSY) { await wait(100); continue; }  // a button is being answered
        if (error.status === REFUSED) await finishLesson(); else closeLesson();
        showError(error.message);
        return;
      }
      await wait(Math.max(0, FRAME_INTERVAL_MS - (performance.now() - takenAt)));
    }
  }

  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function steer(action) {
    if (!isRunning()) return;
    const run = runNumber;
    try {
      const answer = await post("teach/do/" + sessionKey + "?action=" + action);
      if (runNumber !== run) return;  // a frame has ended the lesson
      if (answer.phase === "done") await finishLesson(); else showProgress(answer);
    } catch (error) {
      if (runNumber !== run) return;
      closeLesson();
      showError(error.message);
    }
  }

  async function finishLesson() {
    const key = sessionKey;
    runNumber += 1;
    sessionKey = "";  // keys and buttons have no effect any more
    try {
      const answer = await post("teach/finish/" + key);
      const content = Uint8Array.from(atob(answer.file), (character) => character.charCodeAt(0));
      closeLesson();
      window.unvoiced.setProfile(new Blob([content]), answer.profile, answer.text);
      const taught = element("taught");
      taught.hidden = false;
      taught.textContent = answer.comparison;
      element("profile-save").focus();
    } catch (error) {
      navigator.sendBeacon("teach/leave/" + key);
      closeLesson();
      showError(error.message);
    }
  }

  function closeLesson() {
    runNumber += 1;
    if (stream) stopTracks(stream);
    if (sessionKey) navigator.sendBeacon("teach/leave/" + sessionKey);
    stream = null;
    sessionKey = "";
    const video = element("teach-video");
    if (!video) return;
    const hadFocus = element("lesson").contains(document.activeElement);
    video.srcObject = null;
    element("lesson").hidden = true;
    element("plan").hidden = false;
    if (hadFocus) element("teach-start").focus();
  }

  function stopTracks(camera) {
    for (const track of camera.getTracks()) track.stop();
  }

  async function keepLesson() {  // the camera of another tab starts: what was captured stays
    if (isRunning()) await finishLesson(); else closeLesson();
  }

  // ---- the display

  function showProgress(answer) {
    const { phase, label, name, index, total, shot, shots } = answer;
    if (phase === "done") return;
    announce(answer, label !== shownLabel);
    if (label !== shownLabel) showLabel(label, name);
    const isReady = phase === "ready";
    element("cue").textContent = isReady ? "Get ready: " + Math.ceil(2 * answer.countdown_s)
      : !answer.is_visible ? element("teach").dataset.notFound : "Now";
    element("dots").textContent = "●".repeat(shot) + "○".repeat(shots - shot);
    element("progress").value = (index + shot / shots) / total;
    element("left").textContent = `${index + 1} of ${total}, about ${Math.max(1, Math.round(answer.remaining_s))} s left`;
    if (answer.captured) showCaptured(answer.captured);
  }

  function announce({ captured, name, shot, shots }, isNew) {  // in one go: the last text alone is read out
    const parts = [captured && captured.name + " captured", isNew ? name : captured && `${shot} of ${shots}`];
    const text = parts.filter(Boolean).join(". ");
    if (text) element("said").textContent = text;
  }

  function showLabel(label, name) {
    shownLabel = label;
    element("asked").textContent = name;
    element("lesson").dataset.label = label;
    if (element("say").checked) { window.speechSynthesis?.cancel(); speak(name); }
    const example = element("example");
    example.hidden = true;
    if (!element("teach").dataset.hasExample) return;
    example.onload = () => { example.hidden = false; };
    example.alt = "The sign " + name;
    example.src = "teach/example?label=" + encodeURIComponent(label);
  }

  function showCaptured({ name, read, image }) {
    const view = element("captured");
    view.hidden = false;
    view.src = image;
    view.alt = "What is kept of " + name;
    element("captured-text").textContent = read === name ? name + ", as the model reads it too" : `${name}; the model alone reads ${read}`;
  }

  // ---- buttons and keys

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#uv-teach button");
    if (!button) return;
    const name = button.id.replace("uv-", "");
    if (name === "teach-start") {
      const labels = listChosen();
      const most = Number(element("teach").dataset.maxLabels);
      if (!labels.length) showError(NOTHING_CHOSEN);
      else if (labels.length > most) showError(`You chose ${labels.length}. Choose at most ${most} for one lesson; a later one adds others.`);
      else startLesson(labels, Number(element("shots").value));
    }
    if (name === "redo" || name === "skip") steer(name);
    if (name === "teach-stop") steer("stop");
    if (name === "all" || name === "none") {
      for (const box of document.querySelectorAll("input[name=uv-label]")) box.checked = name === "all";
    }
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "uv-own") return;
    event.preventDefault();
    const name = element("own-name").value.trim();
    if (name) startLesson([name], OWN_SHOTS); else showError(NO_NAME);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    const isShown = isRunning() && element("lesson").offsetParent;
    if (!isShown || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { r: "redo", s: "skip", Escape: "stop" }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    steer(action);
  });
  window.addEventListener("pagehide", closeLesson);

  window.addEventListener("beforeunload", (event) => { if (isRunning()) event.preventDefault(); });

  Object.assign(window.unvoiced, { stopLesson: keepLesson });
})();
