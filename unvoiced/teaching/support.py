"""The recordings that a person showed a model, and the profile that they make."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from unvoiced.plain_data import check_text
from unvoiced.profile import Profile, build_profile
from unvoiced.profile_checks import NO_EMBEDDING
from unvoiced.readings import Reading
from unvoiced.recognizer import Recognizer

MAX_PER_CLASS = 10  # recordings; the oldest makes room for a new one
MAX_RECORDINGS = 1_500  # of all classes
MAX_LABEL = 40  # characters of a name


@dataclass(frozen=True)
class Shot:
    """A recording as the model embeds it.

    Attributes:
        label: the sign or word.
        log_probabilities: (N, C) float32, the model's own answers.
        embeddings: (N, D) float32.
    """

    label: str
    log_probabilities: np.ndarray = field(repr=False)
    embeddings: np.ndarray = field(repr=False)


class SupportSet:
    """Recordings of one person; the oldest of each class are replaced.

    Args:
        recognizer: the model.
        profile: recordings to begin with; None for none.
        only_taught: whether the profile answers with recorded labels alone, as ``profile`` may.

    Raises:
        ValueError: the model can have no profile, or the profile belongs to another model.
    """

    def __init__(
        self, recognizer: Recognizer, profile: Profile | None = None, only_taught: bool = False
    ) -> None:
        self.recognizer = recognizer.with_profile(None)  # answers as the model itself
        self._fingerprint = require_fingerprint(recognizer)
        self.shots: list[Shot] = []
        self.only_taught = only_taught or (profile is not None and profile.only_taught)
        if profile is not None:
            recognizer.with_profile(profile)  # refuses one of another model
            self.shots = _list_shots(profile)

    def add(self, label: str, clips: Sequence[np.ndarray]) -> Reading:
        """Add a recording, and return the model's own answer to it.

        Args:
            label: its name, which the model need not know.
            clips: arrays (T, *frame_shape) as a prepared set stores them.

        Raises:
            ValueError: the support is full, or its profile belongs to another model.
        """
        pairs = [self.recognizer.embed_support(clip) for clip in clips]
        answers, embeddings = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
        shot = Shot(label, answers.astype(np.float32), embeddings.astype(np.float32))
        if self.shots and self.shots[0].embeddings.shape[1] != shot.embeddings.shape[1]:
            raise ValueError(
                f"The profile's embeddings have {self.shots[0].embeddings.shape[1]} numbers, and "
                f"the model's {shot.embeddings.shape[1]}. Begin a new profile."
            )
        same = [number for number, other in enumerate(self.shots) if other.label == label]
        if len(same) >= MAX_PER_CLASS:
            del self.shots[same[0]]
        elif len(self.shots) >= MAX_RECORDINGS:
            raise ValueError(f"A profile holds at most {MAX_RECORDINGS:,} recordings.")
        self.shots.append(shot)
        return self.recognizer.to_reading(np.exp(shot.log_probabilities).mean(0))

    def check_labels(self, names: Iterable[str]) -> list[str]:
        """Return different labels: those of the model or profile as they are, others checked.

        Raises:
            ValueError: a name that the model does not know is not valid.
        """
        known = {*self.recognizer.known_classes, *(shot.label for shot in self.shots)}
        return list(dict.fromkeys(name if name in known else check_label(name) for name in names))

    def require_room(self, labels: Sequence[str], shots: int) -> None:
        """Refuse more recordings than the support holds.

        Args:
            labels: that are to be recorded.
            shots: recordings of each.

        Raises:
            ValueError: they do not fit.
        """
        counts = Counter(shot.label for shot in self.shots)
        added = sum(min(shots, max(0, MAX_PER_CLASS - counts[label])) for label in set(labels))
        if len(self.shots) + added > MAX_RECORDINGS:
            raise ValueError(
                f"A profile holds at most {MAX_RECORDINGS:,} recordings; yours has "
                f"{len(self.shots):,}, and {added:,} would be added. Choose fewer, or fewer times."
            )

    def remove_last(self, label: str, count: int) -> None:
        """Remove the last recordings of a label."""
        same = [number for number, shot in enumerate(self.shots) if shot.label == label]
        for number in reversed(same[max(0, len(same) - count) :] if count else []):
            del self.shots[number]

    def build_profile(self) -> Profile:
        """Return the profile of the recordings.

        Raises:
            ValueError: fewer than two classes were recorded.
        """
        counts = [len(shot.embeddings) for shot in self.shots]
        empty = np.zeros((0, 1), np.float32)
        return build_profile(
            self.recognizer.task,
            self._fingerprint,
            self.recognizer.known_classes,
            np.concatenate([shot.log_probabilities for shot in self.shots] or [empty]),
            np.concatenate([shot.embeddings for shot in self.shots] or [empty]),
            [
                shot.label
                for shot, count in zip(self.shots, counts, strict=True)
                for _ in range(count)
            ],
            [f"{number:06}" for number, count in enumerate(counts) for _ in range(count)],
            self.only_taught,
        )

    def measure_own_accuracy(self) -> float | None:
        """Return the share of recordings that the model reads correctly without a profile.

        As in ``Profile.measure_accuracy``, the only recording of a class does not count.
        """
        known, labels = self.recognizer.known_classes, [shot.label for shot in self.shots]
        hits = [
            known[int(shot.log_probabilities.mean(0).argmax())] == shot.label
            for shot in self.shots
            if labels.count(shot.label) > 1
        ]
        return float(np.mean(hits)) if hits else None


def require_fingerprint(recognizer: Recognizer) -> str:
    """Return the fingerprint of a model that can have a profile.

    Raises:
        ValueError: it gives no embedding, or writes open text.
    """
    _ = recognizer.known_classes
    if recognizer.fingerprint is None:
        raise ValueError(NO_EMBEDDING)
    return recognizer.fingerprint


def check_label(name: str, max_length: int = MAX_LABEL) -> str:
    """Return the name of a personal sign or word in its normal form.

    Raises:
        ValueError: it is empty, too long, or holds characters that a label cannot have.
    """
    label = unicodedata.normalize("NFC", " ".join(name.split()))
    if not any(character.isprintable() for character in label):
        raise ValueError(f"A sign or word needs a name of 1 to {max_length} characters.")
    try:
        check_text("The name", label, max_length)
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    return label


def _list_shots(profile: Profile) -> list[Shot]:
    """Return the recordings of a profile."""
    shots = []
    for number in np.unique(profile.recordings):
        rows = np.flatnonzero(profile.recordings == number)
        own = np.maximum(profile.probabilities[rows].astype(np.float32), 1e-6)
        label = profile.classes[profile.labels[rows[0]]]
        shots.append(Shot(label, np.log(own), profile.embeddings[rows].astype(np.float32)))
    return shots
