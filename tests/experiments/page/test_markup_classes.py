"""The sentence of the page on the classes of the model."""

from __future__ import annotations

from string import ascii_uppercase

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.page.markup import render_header


def test_a_class_of_one_character_stands_beside_the_letters() -> None:
    header = render_header("asl", [*ascii_uppercase, "space", "1", "<b>"], "", "")
    assert "the letters A to Z, and space, 1, &lt;b&gt;." in header
