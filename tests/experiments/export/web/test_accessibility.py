"""Faults of accessibility that axe-core finds in the app and on the page: none is serious."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.export.web.folder import write_folder
from tests.helpers.browser import CHROMIUM, open_tab, run_browsers
from tests.helpers.npm_packages import locate_package
from tests.helpers.pages import serve_page
from tests.helpers.spelling import LetterNetwork
from tests.helpers.web_apps import make_source, serve_folder, skip_without_libraries
from unvoiced import Recognizer
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
FIND_FAULTS = """async (scope) => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const { violations } = await window.axe.run(scope);
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}"""


def find_faults(launch: Any, address: str, script: str, scope: str) -> list[str]:
    """Return the serious faults below an element, light and on a dark phone."""
    faults = []
    for options in ({"color_scheme": "light"}, PHONE):
        with open_tab(launch(), address, script, **options) as shown:
            shown.wait_for_selector("#uv-start")
            faults += shown.evaluate(FIND_FAULTS, scope)
    return faults


def test_neither_app_nor_page_has_serious_faults(tmp_path: Path, hand_model_file: Path) -> None:
    script = (locate_package("axe-core@4.11.0", tmp_path / "axe") / "axe.min.js").read_text()
    ignore_profiling_signal()
    skip_without_libraries()
    write_folder(make_source(tmp_path), tmp_path / "app")
    recognizer = Recognizer(LetterNetwork())
    with (
        serve_folder(tmp_path / "app") as app,
        serve_page(recognizer, tmp_path / "uploads") as page,
        run_browsers() as launch,
    ):
        assert find_faults(launch, app, script, "body") == []
        assert find_faults(launch, page, script, "body") == []
