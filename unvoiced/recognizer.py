"""A trained model that reads: pictures, clips, recordings."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.decoding import Decoder, log_softmax
from unvoiced.networks import Network, OnnxNetwork
from unvoiced.tasks import get_task, import_object

BEST = 3  # answers that a reading tells


@dataclass(frozen=True)
class Reading:
    """What was read.

    ``label`` is the letter, word or text, and empty where there was nothing to read: no hand, no
    face. ``top`` holds the best answers with their probabilities, ``seen`` what the model saw as a
    (H, W, 3) uint8 picture, red first, and ``signal`` the samples (T, C) that it read; each is None
    for tasks of the other kind.
    """

    label: str
    probability: float
    top: tuple[tuple[str, float], ...] = ()
    seen: np.ndarray | None = field(default=None, repr=False)
    signal: np.ndarray | None = field(default=None, repr=False)


NOTHING = Reading("", 0.0)


class Recognizer:
    """Reads with an exported model; PyTorch is not needed.

    >>> Recognizer("letters.onnx").read(picture).label
    'A'

    Args:
        network: a file that ``stage=export export.format=onnx`` wrote, or another ``Network``.
        model: MediaPipe's hand or face model; None for the user's cache, filled once.
        min_confidence: below this a finding is not taken for a hand or face, 0 to 1.

    Attributes:
        task: such as asl.
        spec: the task's description.
        classes: what it tells apart; empty where text is open.
        told: what it was trained on, as a sentence.

    Raises:
        ValueError: no such file, or not one of this project.
    """

    def __init__(
        self,
        network: str | Path | Network,
        model: str | None = None,
        min_confidence: float = 0.5,
    ) -> None:
        self.network = OnnxNetwork(network) if isinstance(network, str | Path) else network
        self.model, self.min_confidence = model, min_confidence
        self.about: dict[str, Any] = self.network.about
        self.task: str = self.about["task"]
        self.classes: list[str] = self.about["classes"]
        self.told: str = self.about["told"]
        self.spec = get_task(self.task)
        self._refuse_unfit()
        self._lock = threading.Lock()  # MediaPipe's finders hold what they saw

    def _refuse_unfit(self) -> None:
        """Raise ``ValueError`` where the metadata does not fit the task's way of reading."""
        frame = self.about["frame"]
        shape = tuple(frame.get("shape", ()))
        is_known = not self.spec.is_rate_required or frame.get("rate") is not None
        # Older checkpoints do not state their frames.
        if frame and not (is_known and _has_shape(shape, self.spec.frame_shape)):
            raise ValueError(
                f"a model of task {self.task} with frames of shape {shape} at "
                f"{frame.get('rate')} Hz cannot be read with. Export or train it again"
            )
        missing = [name for name in self.spec.required_metadata if not self.about.get(name)]
        if missing:
            raise ValueError(f"a model of task {self.task} without {', '.join(missing)}")

    def read(self, shown: Any, rate: float | None = None, bgr: bool = False) -> Reading:
        """Return one answer.

        Args:
            shown: asl: an image (H, W, 3), RGB uint8, or landmarks (63,), or (T, 63);
                lipread, vsr: images of a face, (T, H, W, 3) or one after the other, RGB uint8, or
                grey mouths (T, h, w) as they are prepared; emg: a recording (T, C) as it was
                recorded.
            rate: of a clip, Hz; None for that of the training.
            bgr: the images have blue first, as OpenCV reads them.

        Raises:
            ValueError: something of another shape, an image that is too large, or a recording that
                is not fit to be read.
        """
        if bgr:
            shown = self._from_bgr(shown)
        read = import_object(self.spec.reader)
        with self._lock:
            return read(self, shown, rate)

    def _from_bgr(self, shown: Any) -> Any:
        """Return images with blue first as images with red first."""
        from unvoiced.vision.images import bgr_to_rgb

        if not self.spec.has_camera:
            raise ValueError(f"bgr=True is for images; a recording of {self.task} has no colours")
        if self.spec.has_single_images:
            return bgr_to_rgb(shown)
        return [bgr_to_rgb(np.asarray(image)) for image in shown]

    # ---- answers

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """(T, *frame_shape) as a prepared set stores them → (classes,)."""
        inputs = [frames[None]]
        if self.about.get("takes_word_mask"):  # unknown: the word may take all frames
            inputs.append(np.ones((1, len(frames)), np.float32))
        logits = self.network(*inputs)[0]
        self._refuse_other_width(logits, len(self.classes), 2)
        return np.exp(log_softmax(logits[0]))

    def _refuse_other_width(self, logits: np.ndarray, width: int, dimensions: int) -> None:
        if logits.ndim != dimensions or logits.shape[0] != 1 or logits.shape[-1] != width:
            raise ValueError(
                f"the network answers with an array of shape {logits.shape}, and its metadata "
                f"names {width:,} answers. Export it again"
            )

    def reading(
        self,
        probabilities: np.ndarray,
        seen: np.ndarray | None = None,
        signal: np.ndarray | None = None,
    ) -> Reading:
        """What (classes,) probabilities say."""
        best = np.argsort(-probabilities, kind="stable")[:BEST]
        top = tuple((self.classes[n], float(probabilities[n])) for n in best)
        return Reading(*top[0], top, seen, signal)

    def text(self, signal: np.ndarray) -> tuple[str, float]:
        """(T, C) float32 with scaled channels → what is said, and how sure that is."""
        logits, lengths = self.network(signal[None], np.array([len(signal)]))
        self._refuse_other_width(logits, self.tokenizer.size, 3)
        ids = self.decoder.ids(logits, lengths)
        return self.tokenizer.decode(ids[0]), float(
            self.decoder.mean_confidence(logits, lengths, ids)[0]
        )

    @cached_property
    def decoder(self) -> Decoder:
        """From logits to tokens."""
        about, tokens = self.about, self.tokenizer
        return Decoder(about["objective"], tokens.eos, tokens.pad, about["beam_width"])

    @cached_property
    def tokenizer(self) -> Any:
        """From tokens to text."""
        from unvoiced.tokenizers import build_tokenizer  # of EMG alone

        return build_tokenizer(self.about["tokenizer"])


def _has_shape(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Return whether a shape has the expected sizes; None stands for any size."""
    if not expected:
        return True
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(size in (None, n) for n, size in pairs)
