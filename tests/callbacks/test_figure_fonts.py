"""Figures with names in scripts that matplotlib's default font lacks."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from callbacks.outputs import figure_fonts
from callbacks.outputs.confusion_matrix import draw_confusion_matrix
from callbacks.outputs.figure_fonts import save_figure


def make_font(path: Path, family: str, character: str) -> Path:
    """Write a font with one character, a filled square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    glyphs = {".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(character): "square"})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return path


@pytest.fixture
def cjk_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = make_font(tmp_path / "cjk.ttf", "Noto Sans CJK SC", "中")
    entries = [*font_manager.fontManager.ttflist]
    font_manager.fontManager.addfont(path)
    figure_fonts.use_installed_families()
    yield
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    figure_fonts.use_installed_families()


def draw_names(path: Path, names: list[str]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_confusion_matrix(np.eye(len(names), dtype=int), names)
        save_figure(figure, path, names, dpi=50)
    return mpl.image.imread(path)


def test_characters_without_a_font_are_one_warning(tmp_path: Path, capsys) -> None:
    draw_names(tmp_path / "a.png", ["\U00013000文", "yes"])
    message = capsys.readouterr().out
    assert message.count("warning") == 1 and "\U00013000" in message and "a.png" in message


def test_installed_fonts_are_used(tmp_path: Path, capsys, cjk_font) -> None:
    drawn = draw_names(tmp_path / "a.png", ["中", "no"])
    assert capsys.readouterr().out == ""
    assert mpl.rcParams["font.family"][:2] == ["DejaVu Sans", "Noto Sans CJK SC"]
    assert (drawn[..., :3].mean(2) < 0.1).any()


def test_european_and_arabic_names_need_no_extra_font(tmp_path: Path, capsys) -> None:
    draw_names(tmp_path / "a.png", ["été", "مرحبا", "Да"])
    assert capsys.readouterr().out == ""


def test_dollars_in_names_are_no_formulas(tmp_path: Path) -> None:
    names = [r"$\frac{$", "$x^2", r"a\$b$"]
    figure = draw_confusion_matrix(np.eye(3, dtype=int), names)
    save_figure(figure, tmp_path / "matrix.png", names)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == names


def test_long_names_and_controls_leave_the_matrix_readable(tmp_path: Path) -> None:
    names = ["a" * 600, "b\x1b[31m\u202e\ud800", "c"]
    figure = draw_confusion_matrix(np.eye(3, dtype=int), names)
    save_figure(figure, tmp_path / "matrix.png", names, bbox_inches="tight")
    assert max(mpl.image.imread(tmp_path / "matrix.png").shape) < 1200
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert labels[1] == r"b\x1b[31m\u202e\ud800" and len(labels[0]) <= 40
