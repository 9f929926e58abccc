"""The self-test in a real Chromium, before a drawn camera."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from tests.helpers.browser import CHROMIUM, DRAWN_CAMERA, open_tab, run_browsers, save_screenshot
from tests.helpers.pages import PointingNetwork, encode_jpeg, paint_pointing_hand, serve_page
from unvoiced import Recognizer
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]


def test_a_dark_image_is_named_with_a_remedy(tmp_path: Path, hand_model_file: Path) -> None:
    ignore_profiling_signal()
    with (
        serve_page(Recognizer(PointingNetwork()), tmp_path / "uploads") as address,
        run_browsers() as launch,
        open_tab(launch(), address, DRAWN_CAMERA) as tab,
    ):
        button = tab.get_by_role("button", name="Why does it fail?")
        button.click()
        tab.get_by_text("Start the camera first.").wait_for()
        tab.get_by_role("button", name="Start the camera").click()
        content = base64.b64encode(encode_jpeg(paint_pointing_hand("A") // 8)).decode()
        tab.evaluate("url => window.showImage(url)", f"data:image/jpeg;base64,{content}")
        tab.wait_for_function("document.querySelector('#uv-seen').src.startsWith('data:')")
        button.click()
        tab.locator("#uv-findings .uv-wrong", has_text="The image is too dark").wait_for()
        assert "wrong: " in tab.locator("#uv-diagnosis").inner_text()
        assert "switch on a lamp" in tab.locator("#uv-findings").inner_text()
        save_screenshot(tab, tmp_path, "diagnosis_light")
