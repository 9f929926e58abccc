"""Fonts of figures: class names may be in any script."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

# Families with many scripts, those first that cover most of them; what is installed is used.
SCRIPT_FAMILIES = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans", "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Nanum Gothic"),
    *("Noto Sans Devanagari", "Lohit Devanagari", "Nirmala UI", "Kohinoor Devanagari"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Thai"),
    *("Noto Sans Bengali", "Noto Sans Tamil", "Arial Unicode MS", "Unifont", "FreeSans"),
)


def installed_families() -> list[str]:
    """Return matplotlib's own font, and after it those of SCRIPT_FAMILIES that are installed."""
    names = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in SCRIPT_FAMILIES if name in names)]


def use_installed_families() -> None:
    """Draw the texts of all later figures with these fonts, character by character."""
    mpl.rcParams["font.family"] = installed_families()


def save_figure(figure: Figure, path: Path, names: Iterable[str] = (), **options: Any) -> None:
    """Save a figure whose texts may be in any script.

    Characters that no installed font has become boxes; one line says so.

    Args:
        names: the texts that people chose, such as the names of classes.
        options: as ``Figure.savefig`` takes them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure.savefig(path, **options)
    missing = _missing_characters("".join(names))
    if missing:
        print(
            f"warning: no installed font has the characters {missing[:5]} of names in {path.name}, "
            "which shows boxes instead. Install a font of that script, such as Noto Sans CJK",
            flush=True,
        )


def _missing_characters(text: str) -> str:
    wanted = sorted({*re.sub(r"[\x00-\x7f\s]", "", text)})
    if not wanted:
        return ""
    paths = {font.fname for font in _fonts()}
    covered: set[int] = set()
    for path in paths:
        covered |= {*font_manager.get_font(path).get_charmap()}
    return "".join(character for character in wanted if ord(character) not in covered)


def _fonts() -> list[font_manager.FontEntry]:
    families = set(installed_families())
    return [font for font in font_manager.fontManager.ttflist if font.name in families]


use_installed_families()
