"""The metadata of a model file: the known facts, their checks, and their former names.

Checkpoints and exported networks state the same facts, so they share these checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from unvoiced.confidence import check_confidence
from unvoiced.false_activations import check_false_activations
from unvoiced.plain_data import (
    Check,
    check_choice,
    check_flag,
    check_identifier,
    check_names,
    check_number,
    check_plain,
    check_table,
    check_text,
    require_fact,
)
from unvoiced.vision.skeleton import count_hands, has_standard_ratio
from unvoiced.writing.confusions import check_confusions
from unvoiced.writing.word_models import check_word_model


def _optional_number(least: float, most: float, whole: bool = False) -> Check:
    """Return the check of an optional number."""
    return partial(check_number, least=least, most=most, whole=whole, optional=True)


def check_shape(place: str, value: Any) -> None:
    """Accept the sizes of one frame."""
    has_sizes = isinstance(value, list | tuple) and 1 <= len(value) <= 3
    require_fact(place, value, has_sizes, "one to three sizes")
    for size in value:
        check_number(place, size, 1, 1024, whole=True)


# How recordings are prepared for a network: arguments of its datamodule.
INPUT_CHECKS: dict[str, Check] = {
    "frames": partial(check_number, least=1, most=10_000, whole=True),
    "length_mode": partial(check_choice, choices=("resample", "crop_pad")),
    "downsample": partial(check_number, least=1, most=64, whole=True),
    "scale": partial(check_choice, choices=("session", "recording", "none")),
    "segment_s": _optional_number(1e-3, 3600),
    "segment": partial(check_choice, choices=("activity", "cue")),
    "segment_start_s": _optional_number(0, 3600),
}
FRAME_CHECKS: dict[str, Check] = {
    "shape": check_shape,
    "dtype": partial(check_choice, choices=("float32", "float64", "float16", "int16", "uint8")),
    "meaning": check_text,
    "rate": _optional_number(1, 1e5),
}
# Settings of the reader that later recordings are read with too; its other settings are numbers.
READER_CHECKS: dict[str, Check] = {
    "sample_rate": _optional_number(1, 1e5),
    "fps": _optional_number(1, 1e5),
    "mains_hz": _optional_number(0, 1e5),
    "low_hz": _optional_number(0, 1e5),
    "high_hz": _optional_number(0, 1e5),
    "resample_hz": _optional_number(1, 1e5),
    "uv_per_count": _optional_number(1e-12, 1e12),
    "skip_samples": _optional_number(0, 1e9, whole=True),
    "channels": _optional_number(1, 4096, whole=True),
    "min_s": _optional_number(0, 3600),
    "max_s": _optional_number(0, 86_400),
    "max_clipped": _optional_number(0, 1),
    "detect_every": _optional_number(1, 1000, whole=True),
    "max_gap_s": _optional_number(0, 3600),
    "zoom": _optional_number(0.01, 100),
    "height": _optional_number(1, 4096, whole=True),
    "width": _optional_number(1, 4096, whole=True),
    "window_s": _optional_number(1e-3, 3600),
    "hop_s": _optional_number(1e-3, 3600),
    "min_face_share": _optional_number(0, 1),
    "standard_ratio": check_flag,
    "restore_size": check_flag,
    "aspect_ratio": _optional_number(0.02, 50),
}


def check_reader(place: str, value: Any) -> None:
    """Accept numbers by name; those of ``READER_CHECKS`` in their ranges."""
    require_fact(place, value, isinstance(value, dict), "a dict")
    for key, part in value.items():
        check_identifier(f"a key of {place}", key)
        if isinstance(part, bool) and key not in READER_CHECKS:
            continue
        READER_CHECKS.get(key, _optional_number(-1e12, 1e12))(f"{place}.{key}", part)


def check_tokenizer(place: str, value: Any) -> None:
    """Accept tokenizer data of bounded size; ``build_tokenizer`` checks the rest."""
    require_fact(place, value, value is None or isinstance(value, dict), "a dict")
    for key in ("characters", "phrases"):
        if value and key in value:
            check_names(f"{place}.{key}", value[key], 100_000)
    if value and "vocabulary" in value:
        check_number(f"{place}.vocabulary", value["vocabulary"], 1, 1_000_000, whole=True)


FACT_CHECKS: dict[str, Check] = {
    "task": check_identifier,
    "classes": check_names,
    "trained_classes": check_names,
    "input": partial(check_table, table=INPUT_CHECKS),
    "frame": partial(check_table, table=FRAME_CHECKS),
    "reader": check_reader,
    "tokenizer": check_tokenizer,
    "language_model": check_word_model,
    "simulated": check_flag,
    "clip_s": _optional_number(0, 86_400),
    "split": check_text,
    "leaks": check_flag,
    "num_members": partial(check_number, least=1, most=1_000, whole=True),
    "confidence": check_confidence,
    "confusions": check_confusions,
    "false_activations": check_false_activations,
    # of exported networks only:
    "training_data_note": check_text,
    **dict.fromkeys(("network", "fingerprint"), check_identifier),  # its class and weights
    "takes_word_mask": check_flag,
    "objective": partial(check_choice, choices=("cross_entropy", "ctc")),
    "beam_width": partial(check_number, least=1, most=1_000, whole=True),
    "language_weight": partial(check_number, least=0, most=100),
    "word_bonus": partial(check_number, least=-100, most=100),
}
# Former names, in files of the version before.
OLD_FACTS = {"boundary": "takes_word_mask", "told": "training_data_note"}
OLD_INPUT = {
    "length_rule": "length_mode",
    "shrink": "downsample",
    "stretch_s": "segment_s",
    "stretch": "segment",
    "stretch_start_s": "segment_start_s",
}
OLD_READER = {
    "grouped": "has_groups",
    "min_found": "min_face_share",
    "rates": "sample_rates",
    "sequences": "use_sequences",
}


def rename_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return unchecked metadata under the names of this version."""
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
    renamed = {names.get(key, key): value for key, value in settings.items()}
    if "max_gap_s" in renamed:  # of faces, which earlier versions detected in every frame
        renamed.setdefault("detect_every", 1)
    return renamed


def check_metadata(facts: Any, required: Iterable[str], place: str) -> None:
    """Check the facts that a model file states.

    Raises:
        ValueError: a required fact is missing, or a fact is not valid.
    """
    require_fact(place, facts, isinstance(facts, dict), "a dict")
    check_plain(place, facts)
    missing = [key for key in required if key not in facts]
    if missing:
        raise ValueError(f"{place} does not state {', '.join(missing)}")
    for key, value in facts.items():
        if key in FACT_CHECKS:
            FACT_CHECKS[key](f"{place}.{key}", value)


def fill_from_training(
    settings: dict[str, Any], frame: dict[str, Any], reader: dict[str, Any]
) -> dict[str, Any]:
    """Return a reader's settings with those of the training set in place of None.

    Args:
        settings: of the reader.
        frame, reader: of a model's metadata; empty in older checkpoints.
    """
    trained = dict.fromkeys(("sample_rate", "fps"), frame.get("rate"))
    trained |= {key: value for key, value in reader.items() if key in READER_CHECKS}
    shape = frame.get("shape", ())
    if len(shape) == 2:
        trained |= dict(zip(("height", "width"), shape, strict=True))
    # Other readers have no such settings.
    trained |= {"num_hands": count_hands(shape), "standard_ratio": has_standard_ratio(reader)}
    return {k: trained.get(k) if v is None else v for k, v in settings.items()}
