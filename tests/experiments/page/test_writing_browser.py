"""Suggestions, quick phrases, history and voice in a real Chromium, before a drawn camera."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from tests.helpers.browser import (
    CHROMIUM,
    DRAWN_CAMERA,
    measure_layout,
    open_tab,
    run_browsers,
    save_screenshot,
)
from tests.helpers.pages import encode_jpeg, serve_page
from tests.helpers.spelling import BrightnessTracker, LetterNetwork, paint_letter
from unvoiced import Recognizer
from unvoiced.streams import fingerspelling
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]
SPELLED = "WATFR"  # a letter is wrong
ARRANGE = """async (cases) => {
  const { arrangeSuggestions } = await import("/page/suggestion_panel.js");
  return cases.map(([shown, suggestions]) => arrangeSuggestions(shown, suggestions, 3));
}"""
TEXT = "document.querySelector('#uv-text').textContent"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a tab of a page that suggests words."""
    ignore_profiling_signal()
    folder = tmp_path_factory.mktemp("uploads")
    with (
        pytest.MonkeyPatch.context() as patch,
        serve_page(Recognizer(LetterNetwork()), folder) as address,
        run_browsers() as launch,
        open_tab(launch(), address, DRAWN_CAMERA) as tab,
    ):
        patch.setattr(fingerspelling, "HandTracker", BrightnessTracker)
        yield tab


def show_image(shown: Any, image: np.ndarray) -> None:
    content = base64.b64encode(encode_jpeg(image)).decode()
    shown.evaluate("url => window.showImage(url)", f"data:image/jpeg;base64,{content}")


def wait_for_text(shown: Any, text: str) -> None:
    shown.wait_for_function(f"{TEXT} === '{text}'")


def find_suggestion(shown: Any, text: str) -> Any:
    return shown.locator(".uv-suggestion", has_text=re.compile(f"{text}$"))


def test_a_word_is_spelled_with_an_error_accepted_taken_back_and_spoken(
    shown: Any, tmp_path: Path
) -> None:
    shown.get_by_role("button", name="Start the camera").click()
    for number, letter in enumerate(SPELLED):
        show_image(shown, paint_letter(letter))
        wait_for_text(shown, SPELLED[: number + 1])
    show_image(shown, paint_letter(""))
    shown.wait_for_function("document.querySelector('#uv-suggested').textContent.includes('water')")
    water = find_suggestion(shown, "water")
    save_screenshot(shown, tmp_path, "suggestions_light")
    shown.set_viewport_size({"width": 360, "height": 740})
    width, height = measure_layout(shown)
    assert width <= 360 and height >= 44
    save_screenshot(shown, tmp_path, "suggestions_phone")
    shown.set_viewport_size({"width": 1100, "height": 900})
    number = water.locator("kbd").inner_text()
    digits = shown.get_by_label("The keys 1, 2, 3 choose")
    digits.uncheck()
    assert not water.locator("kbd").is_visible()
    for key in (number, "0"):
        shown.keyboard.press(key)
    digits.check()
    assert shown.evaluate(TEXT) == SPELLED
    shown.keyboard.press(number)
    wait_for_text(shown, "water ")
    assert shown.evaluate("window.heard.at(-1)") == "water"
    assert shown.locator(".uv-suggestion[aria-disabled]").count() == 3
    shown.get_by_role("button", name="Undo").click()
    wait_for_text(shown, SPELLED)
    water.wait_for()
    shown.wait_for_timeout(400)  # a button that has just changed takes no press
    water.click()
    wait_for_text(shown, "water ")
    shown.get_by_role("button", name="Speak", exact=True).click()
    assert shown.evaluate("window.heard.at(-1)") == "water"
    shown.keyboard.press("0")
    wait_for_text(shown, SPELLED)
    shown.get_by_role("button", name="Clear").click()
    wait_for_text(shown, "")
    shown.get_by_role("button", name="Stop the camera").click()


def test_sentences_of_this_visit_are_spoken_again(shown: Any) -> None:
    shown.get_by_text("Said so far").click()
    sentences = shown.locator(".uv-sentence")
    assert sentences.all_inner_texts() == [SPELLED, "water"]
    shown.locator("#uv-history li").nth(1).get_by_role("button", name="Speak").click()
    assert shown.evaluate("window.heard.at(-1)") == "water"
    shown.get_by_role("button", name="Forget these sentences").click()
    assert sentences.count() == 0


def test_nothing_changes_below_a_pointer(shown: Any) -> None:
    labels = "[...document.querySelectorAll('.uv-suggestion span')].map(one => one.textContent)"
    shown.get_by_role("button", name="Start the camera").click()
    for number, letter in enumerate("WA"):
        show_image(shown, paint_letter(letter))
        wait_for_text(shown, "WA"[: number + 1])
    before = shown.evaluate(labels)
    place = shown.locator(".uv-suggestion").first.bounding_box()
    show_image(shown, paint_letter("X"))
    for step in range(600):
        shown.mouse.move(place["x"] + 20 + step % 9, place["y"] + 20)
        text, after = shown.evaluate(f"[{TEXT}, {labels}]")
        if text == "WAX":
            break
    assert text == "WAX" and after == before
    shown.mouse.move(0, 0)
    shown.wait_for_function(f"{labels}.join() !== '{','.join(before)}'")
    shown.get_by_role("button", name="Clear").click()
    shown.get_by_role("button", name="Stop the camera").click()


def test_a_suggestion_that_remains_keeps_its_place(shown: Any) -> None:
    random = np.random.default_rng(0)
    cases = [
        [list(random.permutation(list("abcdef"))[: random.integers(4)]) for _ in range(2)]
        for _ in range(200)
    ]
    arranged = shown.evaluate(ARRANGE, cases)
    for (before, suggestions), after in zip(cases, arranged, strict=True):
        assert len(after) == 3 and sorted(filter(None, after)) == sorted(suggestions)
        for place, text in enumerate(before):
            assert text not in suggestions or after[place] == text


def test_quick_phrases_and_the_voice_stay_in_this_browser(shown: Any) -> None:
    phrase = "Please <b>wait</b> for me."
    shown.get_by_text("Quick phrases and words of your own").click()
    shown.get_by_label("Names and words of your own").fill("1234")
    shown.get_by_role("button", name="Keep them").click()
    shown.get_by_text("has no letter from A to Z").wait_for()
    shown.get_by_label("Names and words of your own").fill("Zoë")
    shown.get_by_label("Phrases that are spoken whole").fill(f"{phrase}\n\n {phrase}\n")
    shown.get_by_role("button", name="Keep them").click()
    shown.get_by_text("Kept: 1 phrase, 1 word.").wait_for()
    shown.get_by_text("Voice", exact=True).first.click()
    shown.locator("#uv-rate").fill("1.5")
    shown.reload()
    button = shown.locator("#uv-phrases button")
    button.click()
    assert button.inner_text() == phrase
    assert shown.evaluate("[window.heard, window.rate]") == [[phrase], 1.5]
    assert shown.get_by_label("Names and words of your own").input_value() == "Zoë"
    shown.get_by_text("Quick phrases and words of your own").click()
    shown.get_by_role("button", name="Forget them").click()
    shown.get_by_text("Forgotten.").wait_for()
    assert button.count() == 0 and shown.evaluate("localStorage.getItem('unvoiced.texts')") is None
