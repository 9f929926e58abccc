"""The minimum probability of a stream's answers: given, or the one that keeps a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from unvoiced.confidence import ConfidenceTable
from unvoiced.false_activations import FalseActivations
from unvoiced.validation import is_number, require


class ThresholdSource(Protocol):
    """A model, as far as thresholds depend on it; a ``Recognizer`` is one.

    Attributes:
        confidence: how often its answers are wrong, by probability; None where it is unknown.
        false_activations: how often it answers silence; None where it is unknown.
    """

    confidence: ConfidenceTable | None
    false_activations: FalseActivations | None


def find_coverage_threshold(model: ThresholdSource, coverage: Any) -> float:
    """Return the minimum probability of answers that keeps a promised coverage.

    Raises:
        ValueError: the coverage is no share, or cannot be promised.
    """
    is_share = is_number(coverage) and 0 < coverage < 1
    require("live.coverage", coverage, is_share, "a share above 0 and below 1")
    if model.confidence is None:
        raise ValueError(
            f"live.coverage={coverage} needs a model that states how often its answers are "
            "wrong, and this one does not. Measure it with stage=adapt adapt.method=confidence "
            "data_dir=<recordings of people whom it was not trained on>, or use a profile with "
            "two recordings of each class"
        )
    return model.confidence.find_threshold(coverage)


def find_silence_threshold(model: ThresholdSource, per_hour: Any) -> float:
    """Return the minimum probability for at most so many answers an hour in silence.

    Raises:
        ValueError: no number above 0, or one that cannot be promised.
    """
    is_rate = is_number(per_hour) and 0 < per_hour <= 1e6
    require("live.wrong_per_hour", per_hour, is_rate, "false answers an hour, above 0")
    if model.false_activations is None:
        raise ValueError(
            f"live.wrong_per_hour={per_hour:g} needs a model that states how often it answers "
            "silence, without a profile; this one does not. Measure it with stage=benchmark "
            "benchmark.false_activations=true, which writes a copy of the checkpoint"
        )
    return model.false_activations.find_threshold(per_hour)


# Promises that a stream may be given in place of min_probability.
PROMISES: dict[str, Callable[[Any, Any], float]] = {
    "coverage": find_coverage_threshold,
    "wrong_per_hour": find_silence_threshold,
}


def find_promised_threshold(settings: dict[str, Any], model: Any) -> float | None:
    """Return the threshold of the promise in the settings of a stream; None without one.

    Args:
        settings: of a stream; a promise that is None does not count.
        model: of the stream.

    Raises:
        ValueError: more than one of the promises and ``min_probability``, or one that the model
            cannot keep.
    """
    given = [name for name in PROMISES if settings.get(name) is not None]
    if not given:
        return None
    names = given + ["min_probability"] * ("min_probability" in settings)
    if len(names) > 1:
        found = " and ".join(f"live.{name}={settings[name]}" for name in names)
        raise ValueError(f"{found} each set the threshold of an answer. Give one of them")
    return PROMISES[given[0]](model, settings[given[0]])


def describe_promise(settings: dict[str, Any], model: Any) -> str:
    """Return the promise in the settings of a stream and its threshold as a sentence; or empty.

    Raises:
        ValueError: as ``find_promised_threshold``.
    """
    threshold = find_promised_threshold(settings, model)
    if threshold is None:
        return ""
    if settings.get("coverage") is None:
        return f"Answers from probability {threshold:.3f} on."
    return f"{model.confidence.describe_threshold(settings['coverage'])}."


def drop_promises(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a stream without promises, which only answers need."""
    return {name: value for name, value in settings.items() if name not in PROMISES}


def resolve_threshold(settings: dict[str, Any], model: Any) -> dict[str, Any]:
    """Return the settings of a stream with ``min_probability`` in place of a promise.

    ``keep_probability``, below which a sign that is held ends, is lowered to it.

    Raises:
        ValueError: as ``find_promised_threshold``.
    """
    changed, threshold = drop_promises(settings), find_promised_threshold(settings, model)
    if threshold is not None:
        changed["min_probability"] = threshold
        if "keep_probability" in changed:
            changed["keep_probability"] = min(changed["keep_probability"], threshold)
    return changed
