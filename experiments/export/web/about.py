"""model/about.json: facts of the model for the web app, in one place for both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from experiments.page.clips import MAX_FPS
from experiments.page.uploads import MAX_WORD_S
from unvoiced.metadata import FACT_CHECKS
from unvoiced.networks import FORMAT_KEY
from unvoiced.streams import lips, speech, trackers
from unvoiced.streams.decisions import HoldDetector
from unvoiced.streams.fingerspelling import FingerspellingStream
from unvoiced.tasks import TaskSpec, get_task
from unvoiced.vision import face_following, faces, mouth_windows
from unvoiced.vision.hands import (
    CLOSE_UP_SIDE,
    MAX_SEARCHED_SIDE,
    MIN_CROP_SIDE,
    VIDEO_BORDERS,
    list_attempts,
)
from unvoiced.vision.models import (
    FACE_MODEL,
    HAND_MODEL,
    locate_face_model,
    locate_hand_model,
)
from unvoiced.vision.skeleton import count_hands

APP_FORMAT = 1  # of the facts under "app"; the app refuses another one
VIDEO_STEP_MS = 33  # of a tracker of 30 frames a second


@dataclass(frozen=True)
class WebStream:
    """A stream that the app has in JavaScript.

    Attributes:
        model_name: of the detector's file.
        locate_model: returns that file, for ``input_reader.model``.
        describe_detector: returns the detector's settings, of a model's metadata and the
            confidence from which a detection counts.
        describe_settings: returns the settings of a stream of Python, to decide alike.
    """

    model_name: str
    locate_model: Callable[[str | None], Path]
    describe_detector: Callable[[dict[str, Any], float], dict[str, Any]]
    describe_settings: Callable[[Any], dict[str, Any]]


def describe_hand_detector(metadata: dict[str, Any], min_confidence: float) -> dict[str, Any]:
    """Return the settings of hands.js: the constants of ``unvoiced.vision.hands``."""
    num_hands = count_hands(metadata["frame"]["shape"])
    return {
        "min_confidence": min_confidence,
        "num_hands": num_hands,
        "search_attempts": list_attempts(num_hands, CLOSE_UP_SIDE + 1),
        "close_up_attempts": list_attempts(num_hands, CLOSE_UP_SIDE),
        "close_up_side": CLOSE_UP_SIDE,
        "video_borders": list(VIDEO_BORDERS),
        "video_step_ms": VIDEO_STEP_MS,
        "max_searched_side": MAX_SEARCHED_SIDE,
        "max_tracked_side": trackers.MAX_TRACKED_SIDE,
        "min_crop_side": MIN_CROP_SIDE,
    }


def describe_holds(stream: FingerspellingStream) -> dict[str, Any]:
    """Return the settings of fingerspelling.js: those of the stream and its ``HoldDetector``."""
    names = (field.name for field in fields(HoldDetector) if not field.name.startswith("_"))
    return {name: getattr(stream.detector, name) for name in names} | {
        "window_s": stream.window_s,
        "max_change": stream.max_change,
        "static_labels": sorted(stream.static_labels),
    }


def describe_face_detector(metadata: dict[str, Any], min_confidence: float) -> dict[str, Any]:
    """Return the settings of faces.js, trackers.js and mouth_windows.js."""
    height, width = metadata["frame"]["shape"]
    zoom, max_gap_s = trackers.read_window_settings(metadata)
    return {
        "min_confidence": min_confidence,
        "small_face_share": faces.SMALL_FACE_SHARE,
        "crop_face_sizes": faces.CROP_FACE_SIZES,
        "crop_share": faces.CROP_SHARE,
        "detect_every": trackers.read_detection_interval(metadata),
        "max_move": face_following.MAX_MOVE,
        "max_jump": face_following.MAX_JUMP,
        "max_pause_s": face_following.MAX_PAUSE_S,
        "max_tracked_side": trackers.MAX_TRACKED_SIDE,
        "max_buffer_fps": trackers.MAX_BUFFER_FPS,
        "max_shift": trackers.MAX_SHIFT,
        "height": height,
        "width": width,
        "zoom": zoom,
        "max_gap_s": max_gap_s,
        "window_width": mouth_windows.WINDOW_WIDTH,
        "centre_above_mouth": mouth_windows.CENTRE_ABOVE_MOUTH,
        "head_smoothing_s": mouth_windows.HEAD_SMOOTHING_S,
        "shape_smoothing_s": mouth_windows.SHAPE_SMOOTHING_S,
        "median_frames": mouth_windows.MEDIAN_FRAMES,
    }


def describe_speech(stream: lips.LipStream) -> dict[str, Any]:
    """Return the settings of lips.js, speech_segments.js and mouth_motion.js."""
    segmenter, baseline = stream.segmenter, stream.baseline
    return {
        "window_s": stream.window_s,
        "hop_s": stream.hop_s,
        "clip_s": stream.clip_s,
        "min_probability": stream.min_probability,
        "speech_on": segmenter.on,
        "speech_off": segmenter.off,
        "quiet_s": segmenter.quiet_s,
        "least_s": segmenter.least_s,
        "around_s": segmenter.around_s,
        "settle_s": lips.SETTLE_S,
        "smear_s": speech.SMEAR_S,
        "lag_s": speech.LAG_S,
        "smoothing_s": speech.SMOOTHING_S,
        "noise_gain": speech.NOISE_GAIN,
        "memory_s": baseline.memory_s,
        "rest_share": speech.REST_SHARE,
        "max_motion": baseline.max_motion,
    }


WEB_STREAMS = {  # by ``TaskSpec.web_stream``
    "fingerspelling": WebStream(
        HAND_MODEL, locate_hand_model, describe_hand_detector, describe_holds
    ),
    "lips": WebStream(FACE_MODEL, locate_face_model, describe_face_detector, describe_speech),
}


def get_web_stream(task: str) -> WebStream:
    """Return the stream of a task that has a web app."""
    return WEB_STREAMS[get_task(task).web_stream]


def require_web_stream(task: str, setting: str) -> None:
    """Refuse a task that has no web app.

    Args:
        task: its name.
        setting: that asks for the app, such as ``export.format=web``.

    Raises:
        ValueError: with the reason.
    """
    spec = get_task(task)
    if spec.web_stream in WEB_STREAMS:
        return
    reason = "is not ported to the browser yet"
    if not spec.has_camera:
        reason = "reads a signal of electrodes, which a browser cannot record"
    raise ValueError(
        f"{setting} makes an app that reads a camera, and task={task} {reason}. "
        "Use export.format=onnx with the library unvoiced, or stage=serve"
    )


def describe_app(
    metadata: dict[str, Any],
    settings: dict[str, Any],
    min_confidence: float,
    has_words: bool = False,
) -> dict[str, Any]:
    """Return the content of about.json: the facts of the model, and the app's settings.

    Args:
        metadata: of the exported network.
        settings: of the task's stream, ``live`` of the configuration.
        min_confidence: from which a detection of a hand or face counts, 0 to 1.
        has_words: the app holds a list of words to suggest.
    """
    spec: TaskSpec = get_task(metadata["task"])
    detector = get_web_stream(spec.name).describe_detector(metadata, min_confidence)
    app = {
        "format": APP_FORMAT,
        "stream": spec.web_stream,
        "has_words": has_words,
        "is_joined": spec.has_joined_labels,
        "clip_fps": metadata["frame"].get("rate") or MAX_FPS,
        "max_word_s": 0.0 if spec.has_joined_labels else MAX_WORD_S,
        "support_warps": [[warp.shift, warp.speed] for warp in spec.support_warps],
    }
    facts = {key: value for key, value in metadata.items() if key in {*FACT_CHECKS, FORMAT_KEY}}
    return facts | {"app": app | {"settings": settings, "detector": detector}}
