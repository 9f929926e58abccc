"""Checks of the metadata in a model file, which may come from anyone.

Checkpoints and exported networks state the same facts, so they share these checks. A value that
passes is plain data of bounded size: no key or text of it is ever interpolated, built or run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from unvoiced.text import escape_controls

MAX_DEPTH = 10  # dicts and lists inside each other
MAX_NODES = 200_000  # values in all
MAX_TEXT = 100_000  # characters
MAX_INT = 2**53
MAX_CLASSES = 10_000  # the confusion matrix has their square
MAX_NAME = 1_000  # characters of a class or phrase
MAX_TOKENIZER = 8_000_000  # characters of a SentencePiece model in base64
INTERPOLATION = "${"
IDENTIFIER = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
DTYPES = ("float32", "float64", "float16", "int16", "uint8")

Check = Callable[[str, Any], None]


def show_value(value: Any) -> str:
    """Return a short description of any value, safe to print."""
    if isinstance(value, dict | list | tuple | set):
        return f"a {type(value).__name__} of {len(value):,}"
    if isinstance(value, str):
        return escape_controls(repr(value if len(value) <= 60 else f"{value[:60]}…"))
    known = value is None or isinstance(value, bool | float)
    small = isinstance(value, int) and abs(value) < 10**20
    return str(value) if known or small else f"a {type(value).__name__}"


def require(fits: bool, place: str, value: Any, expected: str) -> None:
    """Raise ``ValueError`` with one sentence unless the value fits."""
    if not fits:
        raise ValueError(f"{escape_controls(place)} is {show_value(value)}; expected {expected}")


# ---- anything


def check_plain(place: str, value: Any, max_depth: int = MAX_DEPTH) -> None:
    """Accept bounded dicts, lists, texts and numbers without interpolations.

    Raises:
        ValueError: another type, or more, deeper or larger values than any model has.
    """
    nodes, stack = 0, [(place, value, 0)]
    while stack:
        where, part, depth = stack.pop()
        nodes += 1
        require(nodes <= MAX_NODES, place, value, f"at most {MAX_NODES:,} values in all")
        require(depth <= max_depth, place, value, f"at most {max_depth} levels")
        if isinstance(part, dict):
            require(len(part) <= MAX_NODES, where, part, f"at most {MAX_NODES:,} values")
            for key in part:
                _check_key(where, key)
            stack += [(f"{where}.{key}", v, depth + 1) for key, v in part.items()]
        elif isinstance(part, list | tuple):
            require(len(part) <= MAX_NODES, where, part, f"at most {MAX_NODES:,} values")
            stack += [(where, v, depth + 1) for v in part]
        else:
            _check_leaf(where, part)


def _check_key(place: str, key: Any) -> None:
    require(type(key) in (str, int) and len(str(key)) <= 200, place, key, "keys that are names")
    _refuse_interpolation(f"a key of {place}", str(key))


def _check_leaf(place: str, value: Any) -> None:
    plain = value is None or type(value) in (bool, int, float, str)
    require(plain, place, value, "a number, a text, or null")
    if type(value) is int:
        require(abs(value) <= MAX_INT, place, value, f"a number up to {MAX_INT:,}")
    elif type(value) is str:
        most = MAX_TOKENIZER if place.endswith("tokenizer.model") else MAX_TEXT
        require(len(value) <= most, place, value, f"a text of at most {most:,} characters")
        _refuse_interpolation(place, value)


def _refuse_interpolation(place: str, text: str) -> None:
    require(INTERPOLATION not in text, place, text, f"a text without {INTERPOLATION}")


# ---- one kind each


def check_flag(place: str, value: Any) -> None:
    """Accept true and false."""
    require(isinstance(value, bool), place, value, "true or false")


def check_number(
    place: str, value: Any, least: float, most: float, whole: bool = False, optional: bool = False
) -> None:
    """Accept a finite number of a range; ``None`` where it is optional."""
    if value is None and optional:
        return
    kind = int if whole else int | float
    number = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    expected = f"a {'whole ' if whole else ''}number from {least:g} to {most:g}"
    require(number and least <= value <= most, place, value, expected + " or null" * optional)


def check_choice(place: str, value: Any, choices: tuple[str, ...]) -> None:
    """Accept one of the choices."""
    require(isinstance(value, str) and value in choices, place, value, " or ".join(choices))


def check_text(place: str, value: Any, most: int = MAX_TEXT) -> None:
    """Accept a text without control characters."""
    fits = isinstance(value, str) and len(value) <= most
    require(fits, place, value, f"a text of at most {most:,} characters")
    require(escape_controls(value) == value, place, value, "a text without control characters")
    _refuse_interpolation(place, value)


def check_identifier(place: str, value: Any) -> None:
    """Accept a word such as a task's name."""
    fits = isinstance(value, str) and IDENTIFIER.fullmatch(value) is not None
    require(fits, place, value, "a word of letters, digits and _")


def check_names(place: str, value: Any, most: int = MAX_CLASSES) -> None:
    """Accept a list of distinct names."""
    fits = isinstance(value, list | tuple) and len(value) <= most
    require(fits, place, value, f"a list of at most {most:,} names")
    for name in value:
        check_text(place, name, MAX_NAME)
    require(len(set(value)) == len(value), place, value, "names that differ")


def check_table(place: str, value: Any, table: dict[str, Check]) -> None:
    """Accept a dict whose keys all stand in the table and whose values pass."""
    require(isinstance(value, dict), place, value, "a dict")
    for key, part in value.items():
        known = isinstance(key, str) and key in table
        require(known, f"a key of {place}", key, f"one of {', '.join(table)}")
        table[key](f"{place}.{key}", part)


# ---- what a model file states


def _number(least: float, most: float, whole: bool = False) -> Check:
    """A check of an optional number."""
    return partial(check_number, least=least, most=most, whole=whole, optional=True)


def check_shape(place: str, value: Any) -> None:
    """Accept the sizes of one frame."""
    sizes = isinstance(value, list | tuple) and 1 <= len(value) <= 3
    require(sizes, place, value, "one to three sizes")
    for size in value:
        check_number(place, size, 1, 1024, whole=True)


# How recordings are prepared for a trained network; the arguments of its datamodule.
INPUT: dict[str, Check] = {
    "frames": partial(check_number, least=1, most=10_000, whole=True),
    "length_mode": partial(check_choice, choices=("resample", "crop_pad")),
    "downsample": partial(check_number, least=1, most=64, whole=True),
    "scale": partial(check_choice, choices=("session", "recording", "none")),
    "segment_s": _number(1e-3, 3600),
    "segment": partial(check_choice, choices=("activity", "cue")),
    "segment_start_s": _number(0, 3600),
}
FRAME: dict[str, Check] = {
    "shape": check_shape,
    "dtype": partial(check_choice, choices=DTYPES),
    "meaning": check_text,
    "rate": _number(1, 1e5),
}
# The reader's settings that later recordings are read with too. It has others, which are numbers.
READER: dict[str, Check] = {
    "sample_rate": _number(1, 1e5),
    "fps": _number(1, 1e5),
    "mains_hz": _number(0, 1e5),
    "low_hz": _number(0, 1e5),
    "high_hz": _number(0, 1e5),
    "resample_hz": _number(1, 1e5),
    "uv_per_count": _number(1e-12, 1e12),
    "skip_samples": _number(0, 1e9, whole=True),
    "channels": _number(1, 4096, whole=True),
    "min_s": _number(0, 3600),
    "max_s": _number(0, 86_400),
    "max_clipped": _number(0, 1),
    "max_gap_s": _number(0, 3600),
    "zoom": _number(0.01, 100),
    "height": _number(1, 4096, whole=True),
    "width": _number(1, 4096, whole=True),
    "window_s": _number(1e-3, 3600),
    "hop_s": _number(1e-3, 3600),
    "min_face_share": _number(0, 1),
}


def check_reader(place: str, value: Any) -> None:
    """Accept numbers by name; those of ``READER`` in their ranges."""
    require(isinstance(value, dict), place, value, "a dict")
    for key, part in value.items():
        check_identifier(f"a key of {place}", key)
        if isinstance(part, bool) and key not in READER:
            continue
        READER.get(key, _number(-1e12, 1e12))(f"{place}.{key}", part)


def check_tokenizer(place: str, value: Any) -> None:
    """Accept the size of a tokenizer's data; ``build_tokenizer`` checks what it says."""
    require(value is None or isinstance(value, dict), place, value, "a dict")
    for key in ("characters", "phrases"):
        if value and key in value:
            check_names(f"{place}.{key}", value[key], 100_000)
    if value and "vocabulary" in value:
        check_number(f"{place}.vocabulary", value["vocabulary"], 1, 1_000_000, whole=True)


FACTS: dict[str, Check] = {
    "task": check_identifier,
    "classes": check_names,
    "trained_classes": check_names,
    "input": partial(check_table, table=INPUT),
    "frame": partial(check_table, table=FRAME),
    "reader": check_reader,
    "tokenizer": check_tokenizer,
    "simulated": check_flag,
    "clip_s": _number(0, 86_400),
    "split": check_text,
    "leaks": check_flag,
    # Of exported networks alone:
    "training_data_note": check_text,
    "network": check_identifier,
    "takes_word_mask": check_flag,
    "objective": partial(check_choice, choices=("cross_entropy", "ctc")),
    "beam_width": partial(check_number, least=1, most=1_000, whole=True),
}


# Names in files of the version before: of facts, and of settings in ``input``.
OLD_FACTS = {"boundary": "takes_word_mask", "told": "training_data_note"}
OLD_INPUT = {
    "length_rule": "length_mode",
    "shrink": "downsample",
    "stretch_s": "segment_s",
    "stretch": "segment",
    "stretch_start_s": "segment_start_s",
}
OLD_READER = {"min_found": "min_face_share", "rates": "sample_rates"}


def rename_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of an exported file, unchecked, under the names of this version."""
    renamed = {OLD_FACTS.get(key, key): value for key, value in facts.items()}
    if isinstance(renamed.get("input"), dict):
        renamed["input"] = {OLD_INPUT.get(k, k): v for k, v in renamed["input"].items()}
    if isinstance(renamed.get("reader"), dict):
        shape = renamed["frame"].get("shape") if isinstance(renamed.get("frame"), dict) else None
        has_images = isinstance(shape, list) and len(shape) > 1
        renamed["reader"] = rename_reader_settings(renamed["reader"], has_images)
    return renamed


def rename_reader_settings(settings: dict[str, Any], has_images: bool) -> dict[str, Any]:
    """Return the settings of a reader of images or signals under the names of this version."""
    names = OLD_READER | {"rate": "fps" if has_images else "sample_rate"}
    return {names.get(key, key): value for key, value in settings.items()}


def check_metadata(facts: Any, needed: Iterable[str], place: str) -> None:
    """Accept what a model file states of itself.

    Raises:
        ValueError: a fact is missing, or is not what it should be.
    """
    require(isinstance(facts, dict), place, facts, "a dict")
    check_plain(place, facts)
    missing = [key for key in needed if key not in facts]
    if missing:
        raise ValueError(f"{place} does not state {', '.join(missing)}")
    for key, value in facts.items():
        if key in FACTS:
            FACTS[key](f"{place}.{key}", value)


def fill_from_training(
    settings: dict[str, Any], frame: dict[str, Any], reader: dict[str, Any]
) -> dict[str, Any]:
    """Return a reader's settings with those of the training set in place of None.

    Args:
        settings: of the reader.
        frame, reader: of a model's metadata; empty in older checkpoints.
    """
    trained = dict.fromkeys(("sample_rate", "fps"), frame.get("rate"))
    trained |= {key: value for key, value in reader.items() if key in READER}
    shape = frame.get("shape", ())
    if len(shape) == 2:
        trained |= dict(zip(("height", "width"), shape, strict=True))
    return {k: trained.get(k) if v is None else v for k, v in settings.items()}
