// The camera. One frame at a time is sent to the program, the next one after its answer: the newest
// frame is always the one that is sent. Frames in between are counted as skipped.
(() => {
  "use strict";
  const WIDTH = 640, JPEG_QUALITY = 0.8, MAX_TIMINGS = 60, FRAME_TIMEOUT_MS = 3000, STATUS_DELAY_MS = 700;
  const BUSY = 429;  // HTTP
  const element = (id) => document.getElementById("uv-" + id);

  const CAMERA_ERRORS = {
    NotAllowedError: "The browser may not use the camera. Allow it beside the address above, then press Start again.",
    NotFoundError: "No camera was found. Plug one in, then press Start again; or read an image or clip instead.",
    OverconstrainedError: "That camera is no longer there. Choose another one, then press Start again.",
    NotReadableError: "The camera cannot be read: another program may be using it. Close that, then press Start again.",
    AbortError: "The camera stopped by itself. Press Start again.",
  };
  const INSECURE_PAGE = "Browsers give a camera only to pages at https:// or on this machine (http://127.0.0.1). Read an image or clip instead.";
  const CAMERA_LOST = "The camera was disconnected. Plug it in again, then press Start.";
  const SERVER_LOST = "The program does not answer: it may have ended. Start it again, then press Start.";
  const SERVER_ERROR = "An error in the program with this image; its terminal shows it. Press Start to resume.";

  let isStarting = false, stream = null, sessionKey = null, runNumber = 0;
  let sessionText = "", earlierText = "";  // of this session, and of those before it

  function showError(sentence) {
    const alert = element("alert");
    if (!alert) return;
    alert.hidden = !sentence;
    alert.textContent = sentence || "";
  }

  function speak(text) {
    if (!text.trim()) return;
    if (!window.speechSynthesis) { showError("This browser has no voice: it cannot speak."); return; }
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.lang = "en";
    window.speechSynthesis.speak(utterance);
  }

  async function copyText(text, button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // there is no clipboard outside of https: and 127.0.0.1
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1200);
  }

  // ---- the program

  async function post(path, body) {
    let response;
    try {
      response = await fetch(path, { method: "POST", body });
    } catch {
      throw new Error(SERVER_LOST);
    }
    const content = await response.json().catch(() => ({}));
    if (response.ok) return content;
    if (response.status === 410 && path.startsWith("camera/")) forgetSession();
    const error = new Error(content.error || SERVER_ERROR);
    error.status = response.status;
    throw error;
  }

  async function openSession() {
    const { requireProfileKey } = window.unvoiced, profile = await requireProfileKey();
    if (!sessionKey) sessionKey = (await post("camera/enter?profile=" + profile)).session;
  }

  function forgetSession() {  // its text stays on the page, in front of the next session's
    sessionKey = null;
    earlierText += sessionText;
    sessionText = "";
  }

  function closeSession() {
    stopCamera();
    if (sessionKey) navigator.sendBeacon("camera/leave/" + sessionKey);
    forgetSession();
  }

  // ---- the camera

  async function startCamera() {
    showError("");
    const button = element("start");
    isStarting = true;  // a disabled button would lose the keyboard's focus
    button.setAttribute("aria-disabled", "true");
    await window.unvoiced.stopLesson();
    const run = ++runNumber;
    try {
      await openCamera();
      await openSession();
      readFrames(run);
    } catch (error) {
      stopCamera(CAMERA_ERRORS[error.name] || error.message);
    } finally {
      isStarting = false;
      button.removeAttribute("aria-disabled");
    }
  }

  async function openCamera() {
    stream = await requestStream(element("cameras").value);
    const track = stream.getVideoTracks()[0], video = element("video");
    track.addEventListener("ended", () => stopCamera(CAMERA_LOST));
    video.srcObject = stream;
    await video.play();
    const isMirrored = track.getSettings().facingMode !== "environment";
    for (const view of [video, element("seen")]) view.classList.toggle("uv-mirrored", isMirrored);
    element("start").textContent = "Stop the camera";
    await listCameras(track.getSettings().deviceId);
  }

  function requestStream(deviceId) {
    if (!navigator.mediaDevices) throw new Error(INSECURE_PAGE);
    const constraints = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (deviceId) constraints.deviceId = { exact: deviceId }; else constraints.facingMode = "user";
    return navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
  }

  async function listCameras(currentId) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter((device) => device.kind === "videoinput");
    element("camera-choice").hidden = cameras.length < 2;
    element("cameras").replaceChildren(...cameras.map(({ label, deviceId }, n) =>
      new Option(label || "Camera " + (n + 1), deviceId, false, deviceId === currentId)));
  }

  function stopCamera(sentence) {
    runNumber += 1;
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    const video = element("video");
    if (!video) return;
    video.srcObject = null;
    element("start").textContent = "Start the camera";
    element("status").textContent = "What the model sees";
    showReading({ top: [], seen: null, found: true });
    if (sentence) showError(sentence);
  }

  // ---- frames

  let numPresented = 0, hasNewFrame = false, resolveNextFrame = null;

  function watchFrames(video, run) {  // counts all frames, so that skipped ones are known
    const requestFrame = video.requestVideoFrameCallback
      ? () => video.requestVideoFrameCallback(onFrame) : () => requestAnimationFrame(onFrame);
    function onFrame(_, metadata) {
      if (runNumber !== run) return;
      numPresented = metadata ? metadata.presentedFrames : numPresented + 1;
      hasNewFrame = true;
      if (resolveNextFrame) resolveNextFrame(true);
      requestFrame();
    }
    numPresented = 0;
    hasNewFrame = false;
    requestFrame();
  }

  const waitForFrame = () => new Promise((resolve) => {  // false if the camera sends nothing
    const finish = (hasCome) => {
      clearTimeout(timeout);
      resolveNextFrame = null;
      hasNewFrame = false;
      resolve(hasCome);
    };
    const timeout = setTimeout(() => finish(false), FRAME_TIMEOUT_MS);
    if (hasNewFrame) finish(true); else resolveNextFrame = finish;
  });

  function takeSnapshot(video, canvas) {
    const scale = Math.min(1, WIDTH / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  }

  async function readFrames(run) {
    const video = element("video"), canvas = document.createElement("canvas");
    const statistics = { startedAt: performance.now(), timings: [], numRead: 0, numSkipped: 0 };
    let firstPresented = null;
    watchFrames(video, run);
    while (runNumber === run) {
      const hasCome = await waitForFrame();
      if (runNumber !== run) return;
      if (!hasCome && !document.hidden) showStatus("The camera sends no image.");
      if (!hasCome || !video.videoWidth) continue;
      firstPresented ??= numPresented;
      const takenAt = performance.now();
      try {
        const blob = await takeSnapshot(video, canvas);
        const answer = await post("camera/frame/" + sessionKey + "?seconds=" + (takenAt / 1000).toFixed(4), blob);
        if (runNumber !== run) return;
        statistics.numRead += 1;
        statistics.numSkipped = Math.max(0, numPresented - firstPresented + 1 - statistics.numRead);
        statistics.timings = [...statistics.timings, performance.now() - takenAt].slice(-MAX_TIMINGS);
        showReading(answer);
        updateText(answer.text);
        showPace(statistics, answer.ms.model);
      } catch (error) {
        if (runNumber !== run) return;
        if (error.status === BUSY) continue;  // a button is being answered
        stopCamera(error.message);
        return;
      }
    }
  }

  // ---- the display

  function makeBar([label, probability]) {
    const row = document.createElement("li"), name = document.createElement("span");
    const bar = document.createElement("span"), fill = document.createElement("i");
    const number = document.createElement("span"), percent = Math.round(100 * probability);
    name.className = "uv-name";
    name.textContent = label;
    bar.className = "uv-bar";
    bar.setAttribute("aria-hidden", "true");
    fill.style.width = percent + "%";
    bar.append(fill);
    number.textContent = percent + " %";
    row.append(name, bar, number);
    return row;
  }

  function showReading({ top, seen, found, sure }) {
    const image = element("seen"), letter = element("letter");
    image.hidden = !seen;
    if (seen) image.src = seen; else image.removeAttribute("src");
    letter.textContent = sure ? top[0][0] : "–";
    letter.classList.toggle("uv-long", Boolean(sure) && top[0][0].length > 3);
    element("top").replaceChildren(...top.map(makeBar));
    const { notFound, notSure } = element("camera").dataset;
    if (stream) showStatus(!found ? notFound : sure ? "What the model sees" : notSure);
  }

  let statusTimeout = null;
  function showStatus(text) {  // delayed: a screen reader reads every change
    const status = element("status");
    if (status.textContent === text) {
      clearTimeout(statusTimeout);
      statusTimeout = null;
    }
    if (statusTimeout || status.textContent === text) return;
    statusTimeout = setTimeout(() => {
      statusTimeout = null;
      if (stream) status.textContent = text;
    }, STATUS_DELAY_MS);
  }

  function updateText(text) {
    if (text === sessionText) return;
    const added = text.startsWith(sessionText) ? text.slice(sessionText.length) : "";  // none after "del"
    sessionText = text;
    showText();
    if (element("aloud").checked) speak(added);
  }

  function showText() {
    const output = element("text");
    output.textContent = earlierText + sessionText;
    output.scrollTop = output.scrollHeight;
  }

  async function typeLabel(name) {  // the program edits its session's text, the page that of earlier ones
    if (sessionKey && (name === "space" || sessionText)) {
      await post("camera/type/" + sessionKey + "?name=" + name)
        .then((answer) => updateText(answer.text), (error) => showError(error.message));
      return;
    }
    earlierText = name === "space" ? earlierText + " " : earlierText.slice(0, -1);
    showText();
  }

  function showPace({ startedAt, timings, numRead, numSkipped }, modelMs) {
    if (numRead % 10 !== 1) return;
    const sorted = [...timings].sort((a, b) => a - b), output = element("pace");
    const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
    const fps = (1000 * numRead / (performance.now() - startedAt)).toFixed(0);
    output.textContent = `From the camera to the answer: ${quantile(0.5)} ms (95 of 100 within ${quantile(0.95)} ms), ` +
      `of which the model ${Math.round(modelMs)} ms. ${fps} frames a second, ${numSkipped} skipped.`;
    output.dataset.p50 = quantile(0.5);
    output.dataset.p95 = quantile(0.95);
  }

  async function clearText() {
    sessionText = earlierText = "";
    element("text").textContent = "";
    if (window.speechSynthesis) window.speechSynthesis.cancel();
    if (sessionKey) await post("camera/clear/" + sessionKey).catch((error) => showError(error.message));
  }

  // ---- buttons

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || !button.closest(".uv")) return;
    const name = button.dataset.uv || button.id.replace("uv-", "");
    const panel = button.closest(".uv-result");
    const text = panel ? panel.querySelector(".uv-text").textContent.trim() : "";
    if (name === "start" && !isStarting) { if (stream) stopCamera(); else startCamera(); }
    if (name === "speak") speak(text);
    if (name === "copy") copyText(text, button);
    if (name === "clear") clearText();
    if (name === "space" || name === "backspace") typeLabel(name);
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "uv-cameras" && stream) { stopCamera(); startCamera(); }
  });
  window.addEventListener("pagehide", closeSession);

  // For profile.js and teach.js.
  window.unvoiced = {
    element, post, speak, closeSession, requestStream, takeSnapshot, CAMERA_ERRORS, CAMERA_LOST,
    stopLesson: async () => {}, requireProfileKey: async () => "", requireFeedbackKey: async () => "",
    getCameraKey: () => sessionKey || "",
  };
})();
