"""stage=adapt with input=: make a profile before a camera, or from a video of the same signs."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from omegaconf import DictConfig

from experiments.export.inference_module import build_recognizer
from experiments.export.live_sources import end_quietly, open_live_source
from experiments.launch.console import logger
from experiments.launch.instantiate import resolve_node, stream_settings
from unvoiced import Recognizer
from unvoiced.live.cameras import CAMERA_PREFIX, LatestFrameBuffer
from unvoiced.live.lesson_displays import (
    LessonDisplay,
    LessonTerminal,
    LessonWindow,
    has_screen,
    run_lesson,
)
from unvoiced.profile import Profile
from unvoiced.tasks import get_task, import_object
from unvoiced.teaching.lesson import Lesson, list_teachable
from unvoiced.teaching.support import SupportSet


def teach_live(config: DictConfig) -> Profile:
    """Return the profile of the person before the camera.

    Raises:
        ValueError: the model can have no profile, the input cannot be opened, or fewer than two
            classes were captured.
    """
    recognizer = build_recognizer(config)
    support = SupportSet(recognizer, recognizer.profile, config.adapt.only_taught)
    lesson = _make_lesson(config, recognizer, support)
    source = open_live_source(str(config.input), recognizer, paced=has_screen())
    frames: Any = source.timed_frames()
    if str(config.input).startswith(CAMERA_PREFIX):
        frames = LatestFrameBuffer(frames)
    with (
        closing(lesson),
        closing(frames),
        closing(_open_display(recognizer)) as display,
        end_quietly(),
    ):
        run_lesson(lesson, frames, display)
    accuracy = support.measure_own_accuracy()
    if accuracy is not None:
        logger.info(f"The model alone reads {accuracy:.3f} of the recordings correctly")
    return support.build_profile()


def _make_lesson(config: DictConfig, recognizer: Recognizer, support: SupportSet) -> Lesson:
    names = [str(name) for name in resolve_node(config.adapt).get("classes") or []]
    labels = support.check_labels(names) or list_teachable(recognizer)
    if len({*labels, *(shot.label for shot in support.shots)}) < 2:
        raise ValueError(
            f"adapt.classes=[{labels[0]}] is one class, and a profile needs two or more. Name "
            "another one, or extend a profile with profile="
        )
    return Lesson(recognizer, labels, config.adapt.shots, support, **stream_settings(config))


def _open_display(recognizer: Recognizer) -> LessonDisplay:
    """Return a window, or the terminal where the machine has no screen."""
    if not has_screen():
        return LessonTerminal(logger.info)
    example = get_task(recognizer.task).example
    return LessonWindow(import_object(example) if example else lambda label: None)
