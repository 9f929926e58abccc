"""stage=serve in a real Chromium whose camera shows hands, without access to other hosts."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from datamodules.store.dataset import PreparedSet
from tests.helpers.browser import (
    ALLOW_CAMERA,
    CHROMIUM,
    measure_layout,
    open_tab,
    run_browsers,
    save_screenshot,
)
from tests.helpers.pages import (
    POINTING_LETTERS,
    PointingNetwork,
    TeachableNetwork,
    encode_jpeg,
    paint_pointing_hand,
    serve_page,
    write_file,
    write_hand_video,
)
from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.proxies import serve_below
from unvoiced import Recognizer
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal
from unvoiced.vision.videos import Video

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]
ANNOUNCED = """() => {
  const region = document.querySelector("#uv-said");
  window.said = [];
  const note = () => window.said.push(region.textContent);
  new MutationObserver(note).observe(region, { childList: true });
}"""
EXPLAIN_ADDRESS = """async (paths) => {
  const { explainAddress } = await import(new URL("page/proxy_notice.js", document.baseURI));
  return paths.map((path) => explainAddress(location.origin + "/" + path, location.href));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Callable[..., Any]]:
    """Return ``chromium(flags)``, which starts a browser; all are closed at the end."""
    with run_browsers() as launch:
        yield launch


@pytest.fixture(scope="module")
def camera_flag(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the flag of a camera that repeats A, B, C, L at 30 fps."""
    path = tmp_path_factory.mktemp("reel") / "hands.mjpeg"
    path.write_bytes(
        b"".join(encode_jpeg(paint_pointing_hand(letter)) * 45 for letter in POINTING_LETTERS)
    )
    return f"--use-file-for-fake-video-capture={path}"


@pytest.fixture(scope="module")
def page_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ignore_profiling_signal()
    folder = tmp_path_factory.mktemp("uploads")
    with serve_page(Recognizer(PointingNetwork()), folder, max_upload_s=8.0) as address:
        yield address


@pytest.fixture
def camera(chromium, camera_flag: str) -> Any:
    return chromium(ALLOW_CAMERA, "--use-fake-device-for-media-stream", camera_flag)


def start_camera(shown: Any) -> None:
    shown.get_by_role("button", name="Start the camera").click()


def wait_for_text(shown: Any, least: int) -> str:
    enough = f"document.querySelector('#uv-text').textContent.length >= {least}"
    shown.wait_for_function(enough)
    return shown.locator("#uv-text").inner_text()


def read_error(shown: Any) -> str:
    place = shown.locator("#uv-alert")
    place.wait_for(state="visible")
    return place.inner_text()


# ---- the camera


def test_one_button_starts_the_camera_and_letters_are_written_and_spoken(
    camera, page_address: str, tmp_path: Path
) -> None:
    with open_tab(camera, page_address) as shown:
        shown.get_by_role("button", name="Start the camera").wait_for()
        save_screenshot(shown, tmp_path, "begin")
        start_camera(shown)
        text = wait_for_text(shown, 5)
        assert text in POINTING_LETTERS * 4
        heard = shown.evaluate("window.heard")
        assert "".join(heard).startswith(text[: len(heard)]) and heard
        assert shown.locator("#uv-top li").count() == 3
        assert shown.locator("#uv-seen").evaluate("one => one.naturalWidth") == 320
        assert shown.locator("#uv-pace").inner_text().startswith("From the camera to the answer:")
        save_screenshot(shown, tmp_path, "camera_light")
        shown.get_by_label("Speak as I go").uncheck()
        shown.get_by_role("button", name="Stop the camera").click()
        before = len(shown.evaluate("window.heard"))
        text = shown.locator("#uv-text").inner_text()
        shown.get_by_role("button", name="Speak", exact=True).click()
        assert shown.evaluate("window.heard")[before:] == [text]
        shown.get_by_role("button", name="Clear").click()
        assert shown.locator("#uv-text").inner_text() == ""


def test_two_visitors_do_not_see_each_others_text_and_reload_is_clean(camera, page_address) -> None:
    with open_tab(camera, page_address) as one, open_tab(camera, page_address) as two:
        start_camera(one)
        wait_for_text(one, 2)
        assert two.locator("#uv-text").inner_text() == ""
        start_camera(two)
        wait_for_text(two, 1)
        one.get_by_role("button", name="Clear").click()
        assert two.locator("#uv-text").inner_text() != ""
        with open_tab(camera, page_address) as three:
            start_camera(three)
            assert "All 2 places are taken" in read_error(three)
            one.reload()
            assert one.locator("#uv-text").inner_text() == ""
            assert one.get_by_role("button", name="Start the camera").is_visible()
            start_camera(three)  # the reloaded page has given its place back
            wait_for_text(three, 1)


def test_a_camera_that_is_missing_refused_or_gone_gets_a_sentence(
    chromium, camera, page_address: str
) -> None:
    with open_tab(chromium(ALLOW_CAMERA), page_address) as shown:
        start_camera(shown)
        assert "No camera was found" in read_error(shown)
    refused = chromium("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with open_tab(refused, page_address) as shown:
        start_camera(shown)
        assert "may not use the camera" in read_error(shown)
    with open_tab(camera, page_address) as shown:
        start_camera(shown)
        wait_for_text(shown, 1)
        shown.evaluate(
            "document.querySelector('#uv-video').srcObject.getVideoTracks()[0]"
            ".dispatchEvent(new Event('ended'))"
        )
        assert "The camera was disconnected" in read_error(shown)
        start_camera(shown)
        shown.get_by_role("button", name="Stop the camera").wait_for()
        assert not shown.locator("#uv-alert").is_visible()


def test_expired_sessions_and_a_stopped_server_show_an_error(camera, tmp_path: Path) -> None:
    context = camera.new_context()
    with serve_page(Recognizer(PointingNetwork()), tmp_path, visitors=1, idle_s=1e-6) as address:
        shown = context.new_page()
        shown.goto(address)
        start_camera(shown)
        wait_for_text(shown, 1)
        assert context.request.post(f"{address}/camera/enter").ok
        assert "This session has expired" in read_error(shown)
        text = shown.locator("#uv-text").inner_text()
        start_camera(shown)
        assert wait_for_text(shown, len(text) + 1).startswith(text)  # nothing was lost
    assert "The program does not answer" in read_error(shown)
    context.close()


def test_a_page_with_a_password_opens_below_a_path_of_a_proxy(camera, tmp_path: Path) -> None:
    known = {"http_credentials": {"username": "ann", "password": "sésame"}}
    image = write_file(tmp_path / "letter.jpg", encode_jpeg(paint_pointing_hand("B")))
    with (
        serve_page(Recognizer(PointingNetwork()), tmp_path / "kept", auth="ann:sésame") as behind,
        serve_below(behind, "/their/signs") as (address, outside),
        open_tab(camera, address, **known) as shown,
    ):
        start_camera(shown)
        wait_for_text(shown, 1)
        shown.get_by_role("tab", name="Image or clip").click()
        assert upload_file(shown, image) == "B"
        assert set(outside) <= {"/favicon.ico"}  # browsers look for it there
        assert not shown.locator("#uv-header .uv-alert").count()
        stated, unstated = shown.evaluate(EXPLAIN_ADDRESS, ["their/signs", ""])
        assert not stated and "must send X-Forwarded-Prefix: /their/signs." in unstated


# ---- uploads


def test_uploads_of_each_kind_are_read_or_refused(
    camera, page_address: str, tmp_path: Path
) -> None:
    image = write_file(tmp_path / "letter.jpg", encode_jpeg(paint_pointing_hand("L")))
    files = {
        image: "L",
        write_hand_video(tmp_path / "clip.mp4", "ABL"): "ABL",
        write_hand_video(tmp_path / "large.mp4", "C", 5, 1.0, (3840, 2160)): "C",
        write_hand_video(tmp_path / "slow.mp4", "AA", 1): "slow.mp4: it has 1 frame a second",
        write_hand_video(tmp_path / "long.mp4", "ABCABCABC"): "long.mp4: it lasts 9 s",
        write_file(tmp_path / "text.mp4", b"only a text\n"): "text.mp4: not a video but a text.",
        write_file(tmp_path / "broken.jpg", b"\xff\xd8\xff"): "broken.jpg: the image is truncated",
    }
    with open_tab(camera, page_address) as shown:
        shown.get_by_role("tab", name="Image or clip").click()
        for file, message in files.items():
            assert message in upload_file(shown, file)
            if file.name == "clip.mp4":
                save_screenshot(shown, tmp_path, "clip")
        big = write_file(tmp_path / "big.mp4", bytes(1_100_000))
        for file, message in (
            (big, "exceed the maximum allowed size"),
            (write_file(tmp_path / "page.pdf", b"%PDF"), "Invalid file type: page.pdf"),
        ):
            shown.locator("#uv-upload input[type=file]").set_input_files(file)
            shown.get_by_text(message).wait_for()
        assert "L" in upload_file(shown, image)
        shown.locator("#uv-output").get_by_role("button", name="Speak").click()
        assert shown.evaluate("window.heard") == ["L"]


RECORDED = """async () => {
  const seen = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  const recorder = new MediaRecorder(seen, { mimeType: "video/webm" }), parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((done) => { recorder.onstop = done; });
  recorder.start();
  await new Promise((done) => setTimeout(done, 4000));
  recorder.stop();
  await ended;
  const content = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(content.reduce((all, one) => all + String.fromCharCode(one), ""));
}"""


def test_a_clip_that_a_browser_recorded_is_read(camera, page_address: str, tmp_path: Path) -> None:
    with open_tab(
        camera, page_address
    ) as shown:  # such a file has no even rate, and may say 1000 Hz
        content = base64.b64decode(shown.evaluate(RECORDED))
        shown.get_by_role("tab", name="Image or clip").click()
        text = upload_file(shown, write_file(tmp_path / "recorded.webm", content))
        assert 2 <= len(text) <= 4 and text in POINTING_LETTERS * 2


def upload_file(shown: Any, file: Path) -> str:
    """Upload a file and return its text or error message."""
    shown.locator("#uv-upload input[type=file]").set_input_files(file)
    result = shown.locator("#uv-output")
    result.locator(":scope :not([aria-busy=true])", has_text=file.name).first.wait_for()
    shown.wait_for_function(
        "name => !document.querySelector('#uv-output [aria-busy=true]') && "
        "document.querySelector('#uv-output').textContent.includes(name)",
        arg=file.name,
    )
    message = result.locator(".uv-text, .uv-alert")
    return message.first.inner_text()


# ---- lessons


def test_the_model_is_taught_by_keyboard_alone_and_its_profile_is_saved(
    camera, tmp_path: Path
) -> None:
    with (
        serve_page(Recognizer(TeachableNetwork()), tmp_path / "kept") as address,
        open_tab(camera, address) as shown,
    ):
        shown.get_by_role("tab", name="Teach it").click()
        shown.get_by_label("Say each name").uncheck()
        shown.evaluate(ANNOUNCED)
        shown.locator("#uv-shots").select_option("2")
        shown.locator("#uv-teach-start").focus()
        shown.keyboard.press("Enter")
        shown.locator("#uv-captured").wait_for()
        save_screenshot(shown, tmp_path, "teach_light")
        assert shown.locator("#uv-said").get_attribute("aria-live") == "polite"
        shown.wait_for_function("document.querySelector('#uv-lesson').dataset.label === 'B'")
        said = shown.evaluate("window.said")
        assert said[0] == "A" and {"A captured. 1 of 2", "A captured. B"} <= set(said)
        shown.keyboard.press("r")  # nothing of B yet: A again
        shown.wait_for_function("document.querySelector('#uv-lesson').dataset.label === 'A'")
        shown.wait_for_function("document.querySelector('#uv-lesson').dataset.label === 'C'")
        shown.keyboard.press("Escape")
        shown.locator("#uv-taught").wait_for()
        assert "with your profile" in shown.locator("#uv-taught").inner_text()
        assert shown.evaluate("document.activeElement.id") == "uv-profile-save"
        with shown.expect_download() as download:
            shown.keyboard.press("Enter")
        file = tmp_path / "me.profile"
        download.value.save_as(file)
        shown.get_by_role("button", name="Forget my profile").click()
        shown.locator("#uv-profile-file").set_input_files(file)
        shown.get_by_text("In use: 2 classes, 4 recordings").wait_for()
        broken = write_file(tmp_path / "broken.profile", b"PK")
        shown.locator("#uv-profile-file").set_input_files(broken)
        shown.get_by_text("This file is not a valid profile").wait_for()


def test_a_lesson_waits_in_another_tab_and_the_camera_keeps_what_it_captured(
    camera, tmp_path: Path
) -> None:
    with (
        serve_page(Recognizer(TeachableNetwork()), tmp_path / "kept") as address,
        open_tab(camera, address) as shown,
    ):
        shown.get_by_role("tab", name="Teach it").click()
        shown.locator("#uv-teach-start").dblclick()  # one lesson
        shown.wait_for_function("document.querySelector('#uv-lesson').dataset.label === 'C'")
        shown.get_by_role("tab", name="Camera").click()
        before = shown.locator("#uv-left").text_content()
        shown.keyboard.press("Escape")
        shown.wait_for_timeout(1500)
        assert shown.locator("#uv-left").text_content() == before
        start_camera(shown)
        shown.get_by_role("button", name="Stop the camera").wait_for()
        shown.get_by_role("tab", name="Teach it").click()
        shown.get_by_text("In use: ").wait_for()
        assert not shown.locator("#uv-teach-alert").is_visible()


# ---- corrections


def test_wrong_answers_are_corrected_by_keyboard_and_downloaded(camera, tmp_path: Path) -> None:
    with (
        serve_page(Recognizer(TeachableNetwork()), tmp_path / "kept") as address,
        open_tab(camera, address) as shown,
    ):
        start_camera(shown)
        wait_for_text(shown, 1)
        panel = shown.locator(".uv-feedback[data-source=camera]")
        panel.get_by_role("button", name="Wrong?").focus()
        shown.keyboard.press("Enter")
        panel.get_by_role("combobox", name="It was read as").wait_for()
        shown.keyboard.press("Escape")
        assert "Wrong?" in shown.evaluate("document.activeElement.textContent")
        shown.keyboard.press("Enter")
        panel.get_by_role("combobox", name="It was read as").wait_for()
        assert panel.locator("datalist option").count() == len(POINTING_LETTERS)
        shown.keyboard.type("my name")
        shown.keyboard.press("Enter")
        panel.get_by_text("Kept as “my name”. 1 correction in").wait_for()
        panel.get_by_role("button", name="Add it to my profile").click()
        panel.get_by_text("You have no profile yet").wait_for()
        save_screenshot(shown, tmp_path, "feedback_light")
        shown.get_by_role("tab", name="Image or clip").click()
        image = write_file(tmp_path / "letter.jpg", encode_jpeg(paint_pointing_hand("B")))
        assert upload_file(shown, image) == "B"
        panel = shown.locator(".uv-feedback[data-source=upload]")
        panel.get_by_role("button", name="Wrong?").click()
        panel.get_by_role("combobox", name="It was read as “B”").fill("c")
        shown.keyboard.press("Enter")
        panel.get_by_text("Kept as “C”. 2 corrections in").wait_for()
        with shown.expect_download() as download:
            panel.get_by_role("button", name="Download what I corrected").click()
        assert download.value.suggested_filename == "corrections.zip"
        shutil.unpack_archive(download.value.path(), tmp_path, "zip")
        labels = PreparedSet(tmp_path / "corrections").manifest["label"]
        assert labels.tolist() == ["my name", "C"]
        panel.get_by_role("button", name="Forget it").click()
        panel.get_by_text("Forgotten.").wait_for()


# ---- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_works_on_a_phone_and_by_keyboard(
    camera, page_address: str, tmp_path: Path, scheme: str
) -> None:
    small = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with open_tab(camera, page_address, **small) as shown:
        button = shown.get_by_role("button", name="Start the camera")
        button.wait_for()
        order = []
        for _ in range(14):
            shown.keyboard.press("Tab")
            order.append(shown.evaluate("document.activeElement.id"))
        wanted = ["uv-start", "uv-aloud", "uv-text", "uv-speak", "uv-copy", "uv-space"]
        wanted += ["uv-backspace", "uv-undo", "uv-clear"]
        assert [name for name in order if name in wanted][:9] == wanted
        button.focus()
        shown.keyboard.press("Enter")
        wait_for_text(shown, 1)
        width, height = measure_layout(shown)
        assert width <= 360 and height >= 44  # a thumb's width
        live = shown.locator("#uv-text")
        assert live.get_attribute("role") == "log" and live.get_attribute("aria-live") == "polite"
        assert find_low_contrasts(shown) == {}
        save_screenshot(shown, tmp_path, f"phone_{scheme}")
        shown.get_by_role("tab", name="Image or clip").click()
        place = shown.get_by_role("button", name="Click to upload or drop files")
        place.wait_for()
        assert shown.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("task_tab", ["Camera", "Image or clip"])
def test_bars_and_text_fit_on_a_small_phone(
    camera, page_address: str, tmp_path: Path, task_tab: str
) -> None:
    with open_tab(camera, page_address, viewport={"width": 375, "height": 667}) as shown:
        shown.get_by_role("tab", name=task_tab).click()
        if task_tab == "Camera":
            start_camera(shown)
            wait_for_text(shown, 1)
            text, seen = (shown.locator(name).bounding_box() for name in ("#uv-text", "#uv-video"))
            assert text["y"] + text["height"] < seen["y"] and text["y"] + text["height"] < 667
        else:
            upload_file(
                shown, write_file(tmp_path / "letter.jpg", encode_jpeg(paint_pointing_hand("L")))
            )
        save_screenshot(shown, tmp_path, f"small_{task_tab.split()[0].lower()}")
        widths = shown.evaluate(  # in one go: bars are made anew with each picture
            "() => [...document.querySelectorAll('.uv-bar')]"
            ".map(one => one.getBoundingClientRect().width).filter(width => width > 0)"
        )
        assert len(widths) == 3 and min(widths) > 100
        assert shown.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_keyboard_stays_on_the_button_that_it_pressed(camera, page_address: str) -> None:
    with open_tab(camera, page_address) as shown:
        button = shown.get_by_role("button", name="Start the camera")
        button.focus()
        shown.keyboard.press("Enter")
        assert shown.evaluate("document.activeElement.id") == "uv-start"
        wait_for_text(shown, 1)
        assert shown.evaluate("document.activeElement.id") == "uv-start"
        shown.keyboard.press("Enter")
        shown.get_by_role("button", name="Start the camera").wait_for()
        assert shown.evaluate("document.activeElement.id") == "uv-start"


def test_buttons_write_a_space_and_take_letters_back(camera, page_address: str) -> None:
    with open_tab(camera, page_address) as shown:
        place = shown.locator("#uv-text")
        read = "one => one.textContent"
        start_camera(shown)
        wait_for_text(shown, 2)
        shown.get_by_role("button", name="Stop the camera").click()
        before = place.evaluate(read)
        shown.get_by_role("button", name="Space", exact=True).click()
        shown.wait_for_function(f"document.querySelector('#uv-text').textContent === '{before} '")
        for _ in range(2):
            shown.get_by_role("button", name="Backspace").click()
        shown.wait_for_function(
            f"document.querySelector('#uv-text').textContent === '{before[:-1]}'"
        )
        shown.get_by_role("button", name="Clear").click()
        assert place.evaluate(read) == ""


def find_low_contrasts(shown: Any) -> dict[str, float]:
    """Return the texts of the page with a contrast below 4.5, WCAG's limit."""
    colours = shown.locator(".uv *:visible").evaluate_all(
        # The bars are made anew with each picture: some may have left the page meanwhile.
        """all => all.filter(one => one.isConnected && [...one.childNodes].some(
            node => node.nodeType === 3 && node.textContent.trim())).map(one => {
          let ground = one;
          const clear = (c) => c === 'rgba(0, 0, 0, 0)' || c === 'transparent';
          while (ground && clear(getComputedStyle(ground).backgroundColor))
            ground = ground.parentElement;
          const numbers = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const under = ground ? getComputedStyle(ground).backgroundColor : 'rgb(255, 255, 255)';
          return [one.textContent.trim(), numbers(getComputedStyle(one).color), numbers(under)];
        })"""
    )
    result = {text: _contrast(np.array(ink), np.array(ground)) for text, ink, ground in colours}
    assert len(result) > 8
    return {text: ratio for text, ratio in result.items() if ratio < 4.5}


def _contrast(ink: np.ndarray, ground: np.ndarray) -> float:
    low, high = sorted(_luminance(one / 255) for one in (ink, ground))
    return round((high + 0.05) / (low + 0.05), 2)


def _luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


# ---- the stage, with real checkpoints


@contextmanager
def serve_command(*overrides: str, cwd: Path) -> Iterator[str]:
    """Yield the address that ``python run.py stage=serve …`` prints; check its clean end."""
    command = [sys.executable, str(ROOT / "run.py"), "stage=serve", "serve.port=0", *overrides]
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    message = []
    try:
        for line in process.stdout:
            message.append(line)
            if line.startswith("Open "):
                break
        assert message and message[-1].startswith("Open http://127.0.0.1:"), "".join(message)
        yield message[-1].split()[1]
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0 and rest == "The page is closed.\n", rest
    finally:
        process.kill()
        process.wait()


def train_checkpoint(run: Callable[..., Path], task: str, *overrides: str) -> Path:
    return run(f"task={task}", "debug=smoke", *overrides) / "checkpoints" / "best.ckpt"


def test_the_checkpoint_decides_what_the_page_offers(camera, run, tmp_path: Path) -> None:
    quick = ("net.hidden_size=8", "net.num_layers=1", "tokenizer=char", "trainer.max_epochs=1")
    checkpoint = train_checkpoint(run, "emg", *quick)
    recording = tmp_path / "emg.csv"
    noise = np.random.default_rng(0).normal(size=(2000, 8)) * 20
    np.savetxt(recording, noise, "%.2f", delimiter=",")
    few = tmp_path / "few.csv"
    np.savetxt(few, noise[:, :3], "%.2f", delimiter=",")
    with (
        serve_command(
            f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'served'}", cwd=tmp_path
        ) as at,
        open_tab(camera, at) as shown,
    ):
        assert "signals that a computer made up" in shown.locator(".uv-note").inner_text()
        assert shown.locator("#uv-start").count() == 0
        assert "8" in upload_file(shown, few)
        upload_file(shown, recording)
        assert shown.locator("#uv-output img").get_attribute("alt") == (
            "The recording as the model reads it: 8 channels, 2.0 seconds"
        )
        save_screenshot(shown, tmp_path, "emg")


@pytest.mark.shared_data
def test_lips_are_followed_and_a_clip_of_them_is_read(chromium, run, tmp_path: Path) -> None:
    clip = sorted((require_shared_data("lip") / "grid_s1" / "video").glob("*.mpg"))[0]
    checkpoint = train_checkpoint(run, "lipread")
    device = "--use-fake-device-for-media-stream"
    reel = f"--use-file-for-fake-video-capture={write_face_clip(clip, tmp_path / 'face.mjpeg')}"
    with (
        serve_command(
            f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'served'}", cwd=tmp_path
        ) as at,
        open_tab(chromium(ALLOW_CAMERA, device, reel), at) as shown,
    ):
        start_camera(shown)
        shown.locator("#uv-seen[src]").wait_for(state="visible")
        time.sleep(4)
        save_screenshot(shown, tmp_path, "lips")
        shown.get_by_role("button", name="Stop the camera").click()
        shown.get_by_role("tab", name="Clip").click()
        upload_file(shown, clip)
        assert shown.locator("#uv-output img").count() == 1
        save_screenshot(shown, tmp_path, "lips_clip")


def write_face_clip(clip: Path, path: Path) -> Path:
    path.write_bytes(b"".join(encode_jpeg(image) for _, image in Video(clip).frames()))
    return path
