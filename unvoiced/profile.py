"""Personal profiles: a few recordings of one person correct a model's answers, without training.

The correction is kernel ridge regression of the model's errors on the person's own
recordings. With e the embedding (the vector before the network's last layer), centred on the mean
of the recordings and normalised, and k(a, b) = exp(γ (e_a · e_b − 1)), the answer to x is

    log p(x) + k(x, S) (k(S, S) + α I)⁻¹ · s (Y − p(S))

where S are the person's recordings, Y their labels and s the scale. docs/profiles.md has figures.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from unvoiced.confidence import ConfidenceTable, measure_confidence
from unvoiced.decoding import log_softmax

# The same for everybody: chosen on six signers. Choosing them by leaving recordings out was worse,
# since the recordings of one sitting are alike.
GAMMA = 2.0  # γ
REGULARIZATION = 0.1  # α
SCALE = 8.0  # s; logits that a recording adds to its class at most
# The log-probability of a class that the model does not know, before the correction: where the
# person recorded none of the known classes, and where they recorded all of them.
NEW_CLASS_ALONE, NEW_CLASS_AMONG_ALL = -8.0, -3.0
FEW_BYTES = 190_000  # of the rows that a new profile keeps if it can: a file of less than 200 kB
MAX_VALUES = 1_000_000
MAX_ROWS = 2_000  # the time of the linear system grows with their cube


@dataclass(frozen=True, eq=False)
class Profile:
    """A person's recordings as one model embeds them.

    A recording has one or more rows: the frames of a held sign, or the one vector of a clip.

    Attributes:
        task: the task of the model.
        model: the fingerprint of the model; the embeddings of another model mean nothing to it.
        classes: the labels of the answers: the model's own, then the person's additions.
        num_known: how many of ``classes`` the model itself knows.
        embeddings: (N, D) float16.
        probabilities: (N, num_known) float16, the model's own answers.
        labels: (N,) int, indices into ``classes``.
        recordings: (N,) int; the rows of one recording share a number.
        created: the date, as YYYY-MM-DD.
        only_taught: answers are labels of ``labels`` alone, so that the other classes of the model
            do not compete with them.
    """

    task: str
    model: str
    classes: tuple[str, ...]
    num_known: int
    embeddings: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    recordings: np.ndarray = field(repr=False)
    created: str = ""
    only_taught: bool = False

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """The labels of the columns of ``correct``."""
        return tuple(self.classes[column] for column in self.answered)

    @cached_property
    def answered(self) -> np.ndarray:
        """(answers,) indices into ``classes``: all, or those of the recordings."""
        return np.unique(self.labels) if self.only_taught else np.arange(len(self.classes))

    def correct(self, log_probabilities: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """Return the corrected log-probabilities, (B, answers).

        Args:
            log_probabilities: (B, num_known), the model's own.
            embeddings: (B, D), of the same recordings.

        Raises:
            ValueError: the embeddings have another size than those of the profile, or are not
                finite.
        """
        if np.shape(embeddings)[1:] != self.embeddings.shape[1:]:
            raise ValueError(
                f"The model's embedding has shape {np.shape(embeddings)[1:]}, and the profile's "
                f"{self.embeddings.shape[1:]}. Make a new profile with stage=adapt."
            )
        if not np.isfinite(embeddings).all():
            raise ValueError("The model's embedding is not all finite numbers. Use another model.")
        similarity = _compare(self._embed(embeddings), self._support)
        return log_softmax(self._extend(log_probabilities) + similarity @ self._weights)

    def measure_accuracy(self) -> float | None:
        """Return the share of recordings that a profile of all the others reads correctly.

        Recordings that are the only one of their class do not count. None if there are no others.
        """
        repeated, log_probabilities, labels = self._read_left_out()
        if not repeated.any():
            return None
        return float((log_probabilities.argmax(1) == labels)[repeated].mean())

    @cached_property
    def confidence(self) -> ConfidenceTable | None:
        """How often the answers to the person are wrong, by probability.

        Each recording is read with a profile of all the others, as in ``measure_accuracy``; None
        if no class has two recordings.
        """
        repeated, log_probabilities, labels = self._read_left_out()
        if not repeated.any():
            return None
        best, correct = log_probabilities.max(1), log_probabilities.argmax(1) == labels
        numbers, person = np.arange(len(labels)), np.zeros(len(labels))
        arrays = (np.exp(best), correct, person, numbers)
        return measure_confidence(*(values[repeated] for values in arrays))

    def export_correction(self) -> dict[str, np.ndarray]:
        """Return ``center`` (D,), ``support`` (N, D) and ``weights`` (N, answers) of ``correct``.

        A program that has them can correct answers without this library.
        """
        return {"center": self._center, "support": self._support, "weights": self._weights}

    @cached_property
    def new_class_prior(self) -> float:
        """The log-probability of an added class before the correction."""
        known = np.unique(self.labels[self.labels < self.num_known])
        share = 1.0 if self.only_taught else len(known) / self.num_known
        return NEW_CLASS_ALONE + share * (NEW_CLASS_AMONG_ALL - NEW_CLASS_ALONE)

    # ---- the linear system

    @cached_property
    def _center(self) -> np.ndarray:
        return self.embeddings.astype(np.float32).mean(0)  # (D,)

    @cached_property
    def _support(self) -> np.ndarray:
        return self._embed(self.embeddings)  # (N, D)

    @cached_property
    def _own(self) -> np.ndarray:
        return np.maximum(self.probabilities.astype(np.float64), 1e-6)  # (N, num_known)

    @cached_property
    def _residuals(self) -> np.ndarray:
        """(N, answers): errors of the model's own answers, times the scale."""
        targets = np.zeros((len(self.labels), len(self.classes)))
        targets[np.arange(len(self.labels)), self.labels] = 1
        targets[:, : self.num_known] -= self._own
        return SCALE * targets[:, self.answered]

    @property
    def _system(self) -> np.ndarray:
        similarity = _compare(self._support, self._support)
        return similarity + REGULARIZATION * np.eye(len(similarity))  # (N, N)

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.linalg.solve(self._system, self._residuals)

    def _extend(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Add the classes that the model does not know, (B, num_known) → (B, answers)."""
        added = len(self.classes) - self.num_known
        prior = self.new_class_prior
        padded = np.pad(log_probabilities, ((0, 0), (0, added)), constant_values=prior)
        return padded[:, self.answered]

    def _embed(self, embeddings: np.ndarray) -> np.ndarray:
        centered = np.asarray(embeddings, np.float32) - self._center
        norms = np.linalg.norm(centered, axis=1, keepdims=True)
        return centered / np.maximum(norms, 1e-9)

    # ---- leave one recording out

    def _read_left_out(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read each recording with a profile of all the others.

        Returns:
            For each of R recordings: whether its class has another one (R,), its
            log-probabilities (R, answers), and its label (R,), an index into ``answers``.
        """
        inverse = np.linalg.inv(self._system)
        weights, base = inverse @ self._residuals, self._extend(np.log(self._own))
        numbers, first = np.unique(self.recordings, return_index=True)
        labels = np.searchsorted(self.answered, self.labels[first])
        answers = np.empty((len(numbers), len(self.answered)))
        for row, number in enumerate(numbers):
            rows = np.flatnonzero(self.recordings == number)
            # The answer of a ridge regression that leaves rows out, from the one with all rows.
            lacking = np.linalg.solve(inverse[np.ix_(rows, rows)], weights[rows])
            answers[row] = (base[rows] + self._residuals[rows] - lacking).mean(0)
        counts = np.bincount(labels, minlength=len(self.answered))
        return counts[labels] > 1, log_softmax(answers), labels


def build_profile(
    task: str,
    model: str,
    classes: Sequence[str],
    log_probabilities: np.ndarray,
    embeddings: np.ndarray,
    labels: Sequence[str],
    recordings: Sequence[str],
    only_taught: bool = False,
) -> Profile:
    """Return the profile of a person from a model's outputs on their recordings.

    Where a recording has many rows, as many of them are kept, evenly spread, as a small file holds.

    Args:
        task: the task of the model.
        model: the fingerprint of the model.
        classes: all C classes of the model.
        log_probabilities: (N, C), the model's own.
        embeddings: (N, D).
        labels: of the N rows; names that the model does not know become classes.
        recordings: the name of the recording of each of the N rows.
        only_taught: whether answers are these labels alone, without the other classes of the model.

    Raises:
        ValueError: fewer than two classes, values that are not finite, or more recordings than a
            profile holds.
    """
    names = list(dict.fromkeys([*classes, *labels]))
    _require_classes(labels)
    with np.errstate(over="ignore"):
        embeddings = embeddings.astype(np.float16)
    _require_finite(embeddings, log_probabilities)
    numbers = np.unique(np.asarray(recordings, str), return_inverse=True)[1]
    rows = _thin(numbers, embeddings.shape[1], len(classes))
    return Profile(
        task,
        model,
        tuple(names),
        len(classes),
        embeddings[rows],
        np.exp(log_probabilities[rows]).astype(np.float16),
        np.array([names.index(labels[row]) for row in rows]),
        numbers[rows],
        datetime.date.today().isoformat(),
        only_taught,
    )


def _require_classes(labels: Sequence[str]) -> None:
    if len(set(labels)) < 2:
        found = ", ".join(dict.fromkeys(labels)) or "none"
        raise ValueError(f"A profile needs recordings of two classes or more (found: {found}).")


def _require_finite(embeddings: np.ndarray, log_probabilities: np.ndarray) -> None:
    if not (np.isfinite(embeddings).all() and np.isfinite(log_probabilities).all()):
        raise ValueError(
            "The model's answers to these recordings are not finite numbers of 16 bits. Remove "
            "damaged recordings from the set, or use another model."
        )


def _thin(recordings: np.ndarray, width: int, num_known: int) -> np.ndarray:
    """Return the rows to keep: as many of each recording as a small file holds."""
    groups = [np.flatnonzero(recordings == number) for number in np.unique(recordings)]
    limit = min(MAX_ROWS, MAX_VALUES // (width + num_known))
    if len(groups) > limit:
        raise ValueError(
            f"There are {len(groups):,} recordings; a profile of this model holds at most "
            f"{limit:,}. Prepare a set of fewer: a few per class are enough."
        )
    row_bytes = width + 2 * num_known + 6  # as unvoiced.profile_file writes them
    most = max(1, min(FEW_BYTES // row_bytes, MAX_ROWS) // len(groups))
    return np.sort(np.concatenate([_spread(group, most) for group in groups]))


def _spread(group: np.ndarray, most: int) -> np.ndarray:
    """Return at most ``most`` rows of a recording, with its middle row if it has one."""
    if len(group) <= most:
        return group
    count = most - 1 if len(group) % 2 and not most % 2 else most
    return group[((np.arange(count) + 0.5) * len(group) / count).astype(int)]


def _compare(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the similarity of unit vectors, (A, D) and (B, D) → (A, B)."""
    return np.exp(GAMMA * (first @ second.T - 1))
