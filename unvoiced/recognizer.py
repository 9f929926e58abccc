"""A trained model that reads images, clips and recordings."""

from __future__ import annotations

import copy
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.confidence import ConfidenceTable
from unvoiced.decoding import Decoder, log_softmax
from unvoiced.deprecations import former_name, rename_arguments
from unvoiced.false_activations import FalseActivations
from unvoiced.metadata import rename_facts
from unvoiced.networks import Network, OnnxNetwork
from unvoiced.profile import Profile
from unvoiced.profile_checks import NO_EMBEDDING, check_profile, require_closed_vocabulary
from unvoiced.readings import Reading
from unvoiced.tasks import get_task, import_object, locate_starter
from unvoiced.vision.skeleton import HAND_SIZE, count_hands
from unvoiced.writing.word_models import build_word_model
from unvoiced.writing.word_scorer import build_scorer

CONVERT_BGR = "unvoiced.readers.convert_bgr"


class Recognizer:
    """Reads with an exported model, without PyTorch.

    >>> Recognizer("letters.onnx").read(image).label
    'A'

    Args:
        network: a file that ``stage=export export.format=onnx`` wrote, or another ``Network``.
        model: MediaPipe's hand or face model; None for the one in the user's cache.
        min_confidence: threshold for the detection of a hand or face, 0 to 1.
        profile: a person's profile for this model, or its file; it corrects the answers and may
            add classes.

    Attributes:
        metadata: facts that the model file states, see ``Network``.
        task: such as ``asl``.
        spec: the task's description.
        classes: labels that can be predicted, those of the profile included; empty for open text.
        training_data_note: the training data, as a sentence.

    Raises:
        ValueError: a file does not exist, or is not an exported model; or the profile is not one
            of this model.
    """

    def __init__(
        self,
        network: str | Path | Network,
        model: str | None = None,
        min_confidence: float = 0.5,
        profile: Profile | str | Path | None = None,
    ) -> None:
        self.network = OnnxNetwork(network) if isinstance(network, str | Path) else network
        self.model, self.min_confidence = model, min_confidence
        self.metadata: dict[str, Any] = rename_facts(self.network.metadata)
        self.task: str = self.metadata["task"]
        self.classes: list[str] = self.metadata["classes"]
        self.training_data_note: str = self.metadata["training_data_note"]
        self.spec = get_task(self.task)
        self._check_metadata()
        self.profile: Profile | None = None
        if profile is not None:
            self.use_profile(profile)
        self._lock = threading.Lock()  # the shared MediaPipe detectors keep state

    @classmethod
    def starter(cls, task: str, **options: Any) -> Recognizer:
        """Return a recognizer of the model that comes with the library for a task.

        Args:
            task: ``asl`` for letters, ``lipread`` for words.
            options: arguments of the recognizer.

        Raises:
            ValueError: the task has no such model, or its file was changed.
        """
        return cls(locate_starter(task), **options)

    about = former_name("metadata")
    told = former_name("training_data_note")

    def _check_metadata(self) -> None:
        """Raise ``ValueError`` if the metadata do not fit the task."""
        frame = self.metadata["frame"]
        shape = tuple(frame.get("shape", ()))
        has_rate = not self.spec.is_rate_required or frame.get("rate") is not None
        # Older checkpoints do not state their frames.
        if frame and not (has_rate and self.spec.accepts_frames(shape)):
            raise ValueError(
                f"a model of task {self.task} with frames of shape {shape} at "
                f"{frame.get('rate')} Hz cannot be read with. Export or train it again"
            )
        missing = [name for name in self.spec.required_metadata if not self.metadata.get(name)]
        if missing:
            raise ValueError(f"a model of task {self.task} without {', '.join(missing)}")

    @property
    def num_hands(self) -> int:
        """The hands in a frame of landmarks."""
        return count_hands(self.metadata["frame"].get("shape", (HAND_SIZE,)))

    def use_profile(self, profile: Profile | str | Path | None) -> None:
        """Correct all following answers by a person's profile; None for the model alone.

        Raises:
            ValueError: the profile cannot be read, or is not one of this model.
        """
        if isinstance(profile, str | Path):
            from unvoiced.profile_file import read_profile

            profile = read_profile(Path(profile))
        if profile is not None:
            check_profile(profile, self.task, self.fingerprint, self.known_classes)
        self.profile = profile
        self.classes = list(profile.answers) if profile else self.metadata["classes"]

    def with_profile(self, profile: Profile | None) -> Recognizer:
        """Return a recognizer of the same network for another person.

        Raises:
            ValueError: the profile is not one of this model.
        """
        changed = copy.copy(self)  # the lock is shared, as are the detectors that it is for
        changed.use_profile(profile)
        return changed

    @property
    def confidence(self) -> ConfidenceTable | None:
        """How often the answers are wrong, by probability; None where it is unknown.

        With a profile it is that of its recordings, each left out in turn. Where no class has two
        it is the model's own, except for text, where the confidence is another quantity.
        """
        if self.profile is not None and (self.profile.confidence or self.spec.has_open_text):
            return self.profile.confidence
        return ConfidenceTable.from_plain(self.metadata.get("confidence") or {})

    @property
    def false_activations(self) -> FalseActivations | None:
        """How often silence is answered; None where it is unknown, and with a profile."""
        known = {} if self.profile else self.metadata.get("false_activations", {})
        return FalseActivations.from_plain(known)

    @cached_property
    def fingerprint(self) -> str | None:
        """The identifier of the weights that a profile states; None if the model gives none."""
        stated = self.metadata.get("fingerprint")
        return getattr(self.network, "fingerprint", None) if stated is None else stated

    @cached_property
    def known_classes(self) -> list[str]:
        """The labels of the model itself.

        Raises:
            ValueError: it writes open text.
        """
        if not self.spec.has_open_text:
            return self.metadata["classes"]
        kind = self.metadata["tokenizer"].get("kind")
        require_closed_vocabulary(kind, self.metadata["objective"])
        return list(self.tokenizer.entries)

    @rename_arguments(shown="recording", rate="fps")
    def read(self, recording: Any, fps: float | None = None, bgr: bool = False) -> Reading:
        """Return the answer for one recording.

        Args:
            recording: asl: an image (H, W, 3) uint8 RGB, or landmarks (63,) or (T, 63);
                lipread, vsr: images of a face, (T, H, W, 3) uint8 RGB or an iterable of them, or
                grey mouth crops (T, h, w) as prepared; emg: samples (T, C) as recorded.
            fps: frames of a clip, or samples of a signal, per second; None for the frame rate of
                the training set.
            bgr: the images are BGR, as OpenCV reads them.

        Raises:
            ValueError: the recording has another shape, is too large, or is unusable.
        """
        if bgr:
            recording = import_object(CONVERT_BGR)(self.spec, recording)
        read = import_object(self.spec.reader)
        with self._lock:
            return read(self, recording, fps)

    # ---- answers

    def predict_probabilities(self, frames: np.ndarray) -> np.ndarray:
        """Return (classes,) for frames (T, *frame_shape) as a prepared set stores them."""
        if self.profile is None:
            return np.exp(self._predict(frames)[0])
        log_probabilities, embedding = self.embed(frames)
        return np.exp(self.profile.correct(log_probabilities[None], embedding[None])[0])

    def embed(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's own log-probabilities (C,) and its embedding (D,) of a recording.

        Args:
            frames: (T, *frame_shape) as a prepared set stores them; of a signal, with scaled
                channels.

        Raises:
            ValueError: the model gives no embedding, or writes open text.
        """
        log_probabilities, outputs = self._predict(frames)
        expected = 2 + self.spec.has_open_text  # outputs, and dimensions of the embedding
        if len(outputs) < expected or outputs[-1].ndim != expected:
            raise ValueError(NO_EMBEDDING)
        return log_probabilities, outputs[-1].reshape(-1, outputs[-1].shape[-1])[0]

    def embed_support(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log-probabilities (N, C) and embeddings (N, D) of a recording for a profile.

        The N rows are the recording and copies of it that are shifted in time, for tasks whose
        words do not always begin at the same time.

        Args:
            frames: as of ``embed``.

        Raises:
            ValueError: the model gives no embedding, or writes open text.
        """
        copies = [frames[warp.list_indices(len(frames))] for warp in self.spec.support_warps]
        log_probabilities, embeddings = zip(*map(self.embed, copies), strict=True)
        return np.stack(log_probabilities), np.stack(embeddings)

    def _predict(self, frames: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return log-probabilities of the known classes (C,), and all outputs of the network."""
        classes = self.known_classes
        if self.spec.has_open_text:
            outputs = self.network(frames[None], np.array([len(frames)]))
            self._check_logits(outputs[0], self.tokenizer.size, 3)
            return log_softmax(outputs[0][0, 0, -len(classes) :]), outputs  # no special tokens
        inputs = [frames[None]]
        if self.metadata.get("takes_word_mask"):  # unknown: the word may take all frames
            inputs.append(np.ones((1, len(frames)), np.float32))
        outputs = self.network(*inputs)
        self._check_logits(outputs[0], len(classes), 2)
        return log_softmax(outputs[0][0]), outputs

    def to_reading(
        self,
        probabilities: np.ndarray,
        annotated_image: np.ndarray | None = None,
        signal: np.ndarray | None = None,
        frames: np.ndarray | None = None,
    ) -> Reading:
        """Return the best answers of (classes,) probabilities."""
        best = np.argsort(-probabilities, kind="stable")[:3]
        top = tuple((self.classes[n], float(probabilities[n])) for n in best)
        return Reading(*top[0], top, annotated_image, signal, frames)

    def transcribe(self, signal: np.ndarray) -> tuple[str, float]:
        """Return the text of (T, C) float32 with scaled channels, and its confidence."""
        if self.profile is not None:
            reading = self.to_reading(self.predict_probabilities(signal))
            return reading.label, reading.probability
        logits, lengths = self.network(signal[None], np.array([len(signal)]))[:2]
        self._check_logits(logits, self.tokenizer.size, 3)
        ids = self.decoder.decode_ids(logits, lengths)
        confidence = self.decoder.mean_confidence(logits, lengths, ids)
        return self.tokenizer.decode(ids[0]), float(confidence[0])

    def _check_logits(self, logits: np.ndarray, width: int, dimensions: int) -> None:
        if logits.ndim != dimensions or logits.shape[0] != 1 or logits.shape[-1] != width:
            raise ValueError(
                f"the network answers with an array of shape {logits.shape}, and its metadata "
                f"names {width:,} answers. Export it again"
            )

    @cached_property
    def decoder(self) -> Decoder:
        """Converts logits to token ids."""
        tokenizer = self.tokenizer
        objective, beam_width = self.metadata["objective"], self.metadata["beam_width"]
        scorer = build_scorer(
            build_word_model(self.metadata.get("language_model")),
            tokenizer,
            self.metadata.get("language_weight", 0.0),
            self.metadata.get("word_bonus", 0.0),
        )
        return Decoder(objective, tokenizer.eos, tokenizer.pad, beam_width, scorer)

    @cached_property
    def tokenizer(self) -> Any:
        """Converts token ids to text."""
        from unvoiced.tokenizers import build_tokenizer  # of EMG alone

        return build_tokenizer(self.metadata["tokenizer"])
