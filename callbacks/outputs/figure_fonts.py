"""Figures whose texts may be in any script.

Matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Font families with many scripts, in the order of preference.
SCRIPT_FAMILIES = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans", "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Nanum Gothic"),
    *("Noto Sans Devanagari", "Lohit Devanagari", "Nirmala UI", "Kohinoor Devanagari"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Thai"),
    *("Noto Sans Bengali", "Noto Sans Tamil", "Arial Unicode MS", "Unifont", "FreeSans"),
)


def list_installed_families() -> list[str]:
    """Return matplotlib's own font and the installed ones of SCRIPT_FAMILIES."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in SCRIPT_FAMILIES if name in names)]


def use_installed_families() -> None:
    """Draw all later figures with these fonts, chosen character by character, without formulas.

    ``$`` in the name of a class is a character, and not the start of a formula.
    """
    import matplotlib as mpl

    mpl.rcParams["font.family"] = list_installed_families()
    mpl.rcParams["text.parse_math"] = False


@cache
def _prepare_fonts() -> None:
    use_installed_families()


def create_figure(**options: Any) -> Figure:
    """Return an empty figure with the installed fonts.

    Args:
        options: arguments of Matplotlib's ``Figure``.
    """
    from matplotlib.figure import Figure

    _prepare_fonts()
    return Figure(**options)


def save_figure(
    figure: Figure, path: Path | BytesIO, names: Iterable[str] = (), **options: Any
) -> None:
    """Save a figure whose texts may be in any script.

    Characters that no installed font has become boxes, with one warning.

    Args:
        figure: the figure.
        path: of the image, or a buffer in memory.
        names: texts in the figure that users chose, such as the names of classes.
        options: other arguments of ``Figure.savefig``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure.savefig(path, **options)
    missing = _find_missing_characters("".join(names))
    if missing:
        print(
            f"warning: no installed font has the characters {missing[:5]} of names in "
            f"{getattr(path, 'name', 'a figure')}, "
            "which shows boxes instead. Install a font of that script, such as Noto Sans CJK",
            flush=True,
        )


def _find_missing_characters(text: str) -> str:
    wanted = sorted({*re.sub(r"[\x00-\x7f\s]", "", text)})
    if not wanted:
        return ""
    from matplotlib import font_manager

    families = set(list_installed_families())
    fonts = font_manager.fontManager.ttflist
    covered: set[int] = set()
    for path in {font.fname for font in fonts if font.name in families}:
        covered |= {*font_manager.get_font(path).get_charmap()}
    return "".join(character for character in wanted if ord(character) not in covered)
