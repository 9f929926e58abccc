"""The values that the settings of readers may have."""

from __future__ import annotations

from experiments.launch.settings.rule_kinds import (
    FILE,
    FOLDER,
    NAME,
    NAMES,
    RATE,
    SECONDS,
    SECONDS_ABOVE_ZERO,
    SHARE,
    SIDE,
)
from unvoiced.validation import FLAG, NULL, Rule, choice, integer, list_of, number, text

LABELS = Rule(
    lambda value: (
        isinstance(value, dict)
        and bool(value)
        and all(NAME.accepts(label) for label in value.values())
    ),
    "a mapping of annotations to labels, such as {1: yes, 2: no}",
)

READING: dict[str, Rule] = {
    "reader.raw_dir": FOLDER | NULL,
    "*reader.crop": choice("none", "mouth", "fixed") | NULL,
    "reader.label": text("the name of a column, or a pattern of columns"),
    "reader.text": text("the name of a column"),
    "reader.manifest": FILE,
    "reader.events": NAMES | LABELS | NULL,
    "reader.before_s": SECONDS,
    "reader.after_s": SECONDS_ABOVE_ZERO | NULL,
    "reader.channel_names": NAMES | NULL,
    "reader.unit": choice("uV", "mV", "V", "nV") | NULL,
    "reader.stream": text("the name of a stream") | NULL,
    "reader.marker_stream": text("the name of a stream") | NULL,
    "reader.group": text("the name of a column") | NULL,
    "reader.split": text("the name of a column") | NULL,
    "reader.sample_rates": text("the name of a column") | NULL,
    "reader.path": text("the name of a column, or a pattern of columns"),
    "reader.mode": choice("all", "silent", "voiced"),
    "reader.kind": choice("words", "phrases"),
    "reader.testset": FILE | NULL,
    "reader.start": text("the name of a column") | NULL,
    "reader.end": text("the name of a column") | NULL,
    "reader.classes": integer(1, 1_000_000) | NAMES | NULL,
    "reader.labels": NAMES | NULL,
    "reader.has_groups": FLAG,
    "reader.use_sequences": FLAG,
    "reader.min_frames": integer(1, 100_000, "frames"),
    "reader.context_s": SECONDS | NULL,
    "reader.max_gap_s": SECONDS,
    "reader.min_s": SECONDS,
    "reader.max_s": SECONDS_ABOVE_ZERO | NULL,
    "reader.max_clipped": SHARE,
    "reader.height": SIDE,
    "reader.width": SIDE,
    "reader.fps": RATE,
    "reader.sample_rate": RATE | NULL,
    "reader.split_folders": FLAG | NULL,
    "reader.zoom": number(0, 100, above=True),
    "reader.uv_per_count": number(0, 1e12, "µV", above=True),
    "reader.skip_samples": integer(0, 10**9, "samples"),
    "reader.low_hz": RATE,
    "*reader.mains_hz": RATE | NULL,
    "*reader.high_hz": RATE | NULL,
    "*reader.resample_hz": RATE | NULL,
    "*reader.channels": integer(1, 4096, "channels") | NULL,
    "*reader.model": FILE | NULL,
    "*reader.landmarker": FILE | NULL,
    "*reader.num_hands": integer(1, 2, "hands") | NULL,
    "*reader.min_confidence": SHARE,
    "*reader.min_face_share": SHARE,
    "*reader.path": FILE | list_of(NAME) | NULL,
    "input_reader.height": SIDE | NULL,
    "input_reader.width": SIDE | NULL,
    "input_reader.fps": RATE | NULL,
    "input_reader.sample_rate": RATE | NULL,
    "input_reader.window_s": SECONDS_ABOVE_ZERO | NULL,
    "input_reader.hop_s": SECONDS_ABOVE_ZERO | NULL,
    "input_reader.zoom": number(0, 100, above=True) | NULL,
    "input_reader.uv_per_count": number(0, 1e12, "µV", above=True) | NULL,
    "input_reader.skip_samples": integer(0, 10**9, "samples") | NULL,
    "input_reader.low_hz": RATE | NULL,
}
