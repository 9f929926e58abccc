"""Chromium for tests of the page: without other hosts, and with a camera that a test draws."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
ALLOW_CAMERA = "--use-fake-ui-for-media-stream"
NOTE_SPEECH = """
window.heard = [];
const speak = speechSynthesis.speak.bind(speechSynthesis);
speechSynthesis.speak = (said) => {
  window.heard.push(said.text);
  window.rate = said.rate;
  speak(said);
};
"""
DRAWN_CAMERA = """
const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
let drawn = null;
window.showImage = async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  drawn = image;
};
const draw = () => canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
setInterval(() => { if (drawn) draw(); }, 40);
navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(25);
"""
PATIENCE_MS = 30_000


@contextmanager
def run_browsers() -> Iterator[Callable[..., Any]]:
    """Provide ``launch(*flags)``, which starts a browser; all are closed at the end."""
    with playwright.sync_playwright() as driver:
        running: dict[tuple[str, ...], Any] = {}

        def launch(*flags: str) -> Any:
            if flags not in running:
                running[flags] = driver.chromium.launch(
                    executable_path=CHROMIUM, args=[*QUIET, *flags]
                )
            return running[flags]

        yield launch
        for browser in running.values():
            browser.close()


@contextmanager
def open_tab(browser: Any, address: str, script: str = "", **options: Any) -> Iterator[Any]:
    """Open a visitor's page on which foreign requests and script errors fail the test.

    Args:
        browser: of ``run_browsers``.
        address: of the page.
        script: runs before those of the page, such as ``DRAWN_CAMERA``.
        options: of the browser context, such as ``viewport``.
    """
    options = {"viewport": {"width": 1100, "height": 900}} | options
    context = browser.new_context(**options)
    context.add_init_script(NOTE_SPEECH + script)
    shown, wrong = context.new_page(), []
    shown.set_default_timeout(PATIENCE_MS)
    inside = (address, "data:", "blob:")
    shown.on("request", lambda one: one.url.startswith(inside) or wrong.append(one.url))
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.goto(address)
    yield shown
    context.close()
    assert wrong == []


def save_screenshot(shown: Any, folder: Path, name: str) -> None:
    """Save a screenshot of the whole page to the folder UNVOICED_PICTURES, if set."""
    folder = Path(os.environ.get("UNVOICED_PICTURES", folder))
    folder.mkdir(parents=True, exist_ok=True)
    shown.screenshot(path=folder / f"{name}.png", full_page=True)


def measure_layout(shown: Any) -> tuple[int, float]:
    """Return the width of the page and the height of its lowest button, in pixels."""
    width = shown.evaluate("document.documentElement.scrollWidth")
    heights = shown.locator(".uv button:visible").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height)"
    )
    return width, min(heights)
