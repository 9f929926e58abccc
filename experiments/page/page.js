// The camera: one frame at a time goes to the program, the next one only after its answer, so the
// newest frame is always the one that is sent. Frames that pass meanwhile are counted as skipped.
(() => {
  "use strict";
  const WIDTH = 640, QUALITY = 0.8, KEPT = 60;
  const at = (id) => document.getElementById("uv-" + id);
  const now = () => performance.now();
  let starting = false, stream = null, visitor = null, run = 0, written = "", earlier = "", trips = [], read = 0, passed = 0, begun = 0;

  const SENTENCES = {
    NotAllowedError: "The browser may not use the camera. Allow it beside the address above, then press Start again.",
    NotFoundError: "No camera was found. Plug one in, then press Start again; or read a picture or clip instead.",
    OverconstrainedError: "That camera is not there any more. Choose another one, then press Start again.",
    NotReadableError: "The camera cannot be read: another program may be using it. Close that, then press Start again.",
    AbortError: "The camera stopped by itself. Press Start again.",
  };
  const INSECURE = "Browsers give a camera only to pages at https:// or on this machine (http://127.0.0.1). Read a picture or clip instead.";
  const AWAY = "The camera went away. Plug it in again, then press Start.";
  const LOST = "The program does not answer: it may have ended. Start it again, then press Start.";
  const MISTAKE = "The program made a mistake with this picture; its terminal says which. Press Start to go on.";

  function complain(sentence) {
    const place = at("alert");
    if (!place) return;
    place.hidden = !sentence;
    place.textContent = sentence || "";
  }

  function speak(text) {
    if (!text.trim()) return;
    if (!window.speechSynthesis) { complain("This browser has no voice: it cannot speak."); return; }
    const said = new SpeechSynthesisUtterance(text);
    said.lang = "en";
    window.speechSynthesis.speak(said);
  }

  async function copy(text, button) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // no clipboard outside of https: and 127.0.0.1
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  }

  // ---- the program

  async function ask(path, body) {
    let answer;
    try {
      answer = await fetch("camera/" + path, { method: "POST", body });
    } catch {
      throw new Error(LOST);
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    if (answer.status === 410) forget();
    throw new Error(told.error || MISTAKE);
  }

  async function enter() {
    if (!visitor) visitor = (await ask("enter")).visitor;
  }

  function forget() {  // the text stays on the page; what comes next is written behind it
    visitor = null;
    earlier += written;
    written = "";
  }

  function leave() {
    stop();
    if (visitor) navigator.sendBeacon("camera/leave/" + visitor);
    forget();
  }

  // ---- the camera

  async function start() {
    complain("");
    if (!navigator.mediaDevices) { complain(INSECURE); return; }
    const button = at("start"), mine = ++run;
    starting = true;  // a disabled button would lose the keyboard's focus
    button.setAttribute("aria-disabled", "true");
    try {
      await open();
      await enter();
      follow(mine);
    } catch (error) {
      stop(SENTENCES[error.name] || error.message);
    } finally {
      starting = false;
      button.removeAttribute("aria-disabled");
    }
  }

  async function open() {
    const chosen = at("cameras").value;
    const video = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (chosen) video.deviceId = { exact: chosen }; else video.facingMode = "user";
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    const track = stream.getVideoTracks()[0], place = at("video");
    track.addEventListener("ended", () => stop(AWAY));
    place.srcObject = stream;
    await place.play();
    const mirrored = track.getSettings().facingMode !== "environment";
    for (const one of [place, at("seen")]) one.classList.toggle("uv-mirrored", mirrored);
    at("start").textContent = "Stop the camera";
    await list(track.getSettings().deviceId);
  }

  async function list(current) {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    at("which").hidden = cameras.length < 2;
    at("cameras").replaceChildren(...cameras.map((one, n) => new Option(one.label || "Camera " + (n + 1), one.deviceId, false, one.deviceId === current)));
  }

  function stop(sentence) {
    run += 1;
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    const place = at("video");
    if (!place) return;
    place.srcObject = null;
    at("start").textContent = "Start the camera";
    at("status").textContent = "What the model sees";
    show({ top: [], seen: null, found: true });
    if (sentence) complain(sentence);
  }

  // ---- frames

  let presented = 0, fresh = false, wake = null;

  function watch(video, mine) {  // sees every frame, so that those nobody reads are counted
    const again = video.requestVideoFrameCallback
      ? () => video.requestVideoFrameCallback(each) : () => requestAnimationFrame(each);
    function each(_, about) {
      if (run !== mine) return;
      presented = about ? about.presentedFrames : presented + 1;
      fresh = true;
      if (wake) wake(true);
      again();
    }
    presented = 0; fresh = false;
    again();
  }

  const next = () => new Promise((done) => {  // whether a frame came that was not read yet
    const end = (came) => { clearTimeout(late); wake = null; fresh = false; done(came); };
    const late = setTimeout(() => end(false), 3000);
    if (fresh) end(true); else wake = end;
  });

  function snapshot(video, canvas) {
    const scale = Math.min(1, WIDTH / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  }

  async function follow(mine) {
    const video = at("video"), canvas = document.createElement("canvas");
    trips = []; read = 0; begun = now(); passed = 0;
    let first = null;
    watch(video, mine);
    while (run === mine) {
      const came = await next();
      if (run !== mine) return;
      if (!came) { if (!document.hidden) status("The camera sends no picture."); continue; }
      if (!video.videoWidth) continue;
      first = first === null ? presented : first;
      const taken = now();
      try {
        const blob = await snapshot(video, canvas);
        const answer = await ask("frame/" + visitor + "?seconds=" + (taken / 1000).toFixed(4), blob);
        if (run !== mine) return;
        read += 1;
        passed = Math.max(0, presented - first + 1 - read);
        trips = [...trips, now() - taken].slice(-KEPT);
        show(answer);
        write(answer.text);
        pace(answer.ms);
      } catch (error) {
        if (run === mine) stop(error.message);
        return;
      }
    }
  }

  // ---- what is shown

  function show({ top, seen, found, sure }) {
    const picture = at("seen");
    picture.hidden = !seen;
    if (seen) picture.src = seen; else picture.removeAttribute("src");
    at("letter").textContent = sure ? top[0][0] : "–";
    at("letter").classList.toggle("uv-long", Boolean(sure) && top[0][0].length > 3);
    at("top").replaceChildren(...top.map(([label, share]) => {
      const row = document.createElement("li"), name = document.createElement("span");
      const bar = document.createElement("span"), fill = document.createElement("i"), number = document.createElement("span");
      name.className = "uv-name"; name.textContent = label;
      bar.className = "uv-bar"; bar.setAttribute("aria-hidden", "true"); fill.style.width = Math.round(100 * share) + "%"; bar.append(fill);
      number.textContent = Math.round(100 * share) + " %";
      row.append(name, bar, number);
      return row;
    }));
    const told = at("camera").dataset;
    if (stream) status(!found ? told.nothing : sure ? "What the model sees" : told.unsure);
  }

  let waiting = null;
  function status(text) {  // only what stays for a moment is said, or a screen reader never rests
    const place = at("status");
    if (place.textContent === text) { clearTimeout(waiting); waiting = null; return; }
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; if (stream) place.textContent = text; }, 700);
  }

  function write(text) {
    if (text === written) return;
    const added = text.startsWith(written) ? text.slice(written.length) : "";  // less after a "del"
    written = text;
    paint();
    if (at("aloud").checked) speak(added);
  }

  function paint() {
    const place = at("text");
    place.textContent = earlier + written;
    place.scrollTop = place.scrollHeight;
  }

  async function press(name) {  // a key of the text; what was written before the last start is ours
    if (visitor && (name === "space" || written)) {
      await ask("type/" + visitor + "?name=" + name).then((answer) => write(answer.text), (error) => complain(error.message));
      return;
    }
    earlier = name === "space" ? earlier + " " : earlier.slice(0, -1);
    paint();
  }

  function pace(ms) {
    if (read % 10 !== 1) return;
    const sorted = [...trips].sort((a, b) => a - b), place = at("pace");
    const share = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))].toFixed(0);
    const rate = (1000 * read / (now() - begun)).toFixed(0);
    place.textContent = `From the camera to the answer: ${share(0.5)} ms (95 of 100 within ${share(0.95)} ms), ` +
      `of which the model ${Math.round(ms.model)} ms. ${rate} frames a second, ${passed} skipped.`;
    place.dataset.p50 = share(0.5);
    place.dataset.p95 = share(0.95);
  }

  async function clear() {
    written = earlier = "";
    at("text").textContent = "";
    if (window.speechSynthesis) window.speechSynthesis.cancel();
    if (visitor) await ask("clear/" + visitor).catch((error) => complain(error.message));
  }

  // ---- buttons

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || !button.closest(".uv")) return;
    const name = button.dataset.uv || button.id.replace("uv-", "");
    const said = button.closest(".uv-said");
    const text = said ? said.querySelector(".uv-text").textContent.trim() : "";
    if (name === "start" && !starting) { if (stream) stop(); else start(); }
    if (name === "speak") speak(text);
    if (name === "copy") copy(text, button);
    if (name === "clear") clear();
    if (name === "space" || name === "backspace") press(name);
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "uv-cameras" && stream) { stop(); start(); }
  });
  window.addEventListener("pagehide", leave);
})();
