"""From a network's logits to ids: CTC, and positions that are decoded in parallel.

Without torch, for models that are used without it decode here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def greedy_ctc(logits: np.ndarray, lengths: np.ndarray, blank: int) -> list[list[int]]:
    """The ids of every frame's likeliest class, repeats and blanks dropped.

    ``logits`` (B, T, V), of which sample b has ``lengths[b]`` frames; any normalisation. Source:
    best path decoding, Graves et al., Connectionist Temporal Classification, ICML 2006.
    """
    best = logits.argmax(-1)  # (B, T)
    before = np.pad(best, ((0, 0), (1, 0)), constant_values=blank)[:, :-1]
    within = np.arange(best.shape[1]) < lengths[:, None]  # (B, T)
    return _kept(best, within & (best != blank) & (best != before))


def until_eos(logits: np.ndarray, eos: int, pad: int) -> list[list[int]]:
    """The likeliest id of every position up to the first ``eos``, without ``pad``.

    ``logits`` (B, L, V): the positions are decoded all at once, none sees another's choice.
    """
    best = logits.argmax(-1)  # (B, L)
    ended = (best == eos).cumsum(1) > 0
    return _kept(best, ~ended & (best != pad))


def _kept(ids: np.ndarray, keep: np.ndarray) -> list[list[int]]:
    return [row[kept].tolist() for row, kept in zip(ids, keep, strict=True)]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def mean_confidence(logits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(B, L, V), of which ``counts`` (B,) positions count → (B,) their mean best probability."""
    counts = counts.clip(1, logits.shape[1])[:, None]
    within = np.arange(logits.shape[1]) < counts  # (B, L)
    best = np.exp(log_softmax(logits).max(-1))
    return (best * within).sum(1) / counts[:, 0]


@dataclass(frozen=True)
class Decoder:
    """Logits to token ids, and how sure they are.

    Args:
        objective: ``cross_entropy``, of positions that are read in parallel, or ``ctc``.
        eos, pad: of the tokenizer; ``pad`` is CTC's blank.
        beam_width: of CTC's prefix beam search; 1 takes the best token of each frame.
    """

    objective: str
    eos: int
    pad: int
    beam_width: int = 1

    def ids(self, logits: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
        """(B, L or frames, V) logits, of which (B,) count → the ids of each, without the end."""
        if self.objective == "cross_entropy":
            return until_eos(logits, self.eos, self.pad)
        if self.beam_width > 1:
            return beam_ctc(logits, lengths, self.pad, self.beam_width)
        return greedy_ctc(logits, lengths, self.pad)

    def mean_confidence(
        self, logits: np.ndarray, lengths: np.ndarray, ids: list[list[int]]
    ) -> np.ndarray:
        """(B,) the mean probability of what the positions (with their end) or frames say best."""
        if self.objective == "cross_entropy":
            lengths = np.array([len(one) + 1 for one in ids])
        return mean_confidence(logits, lengths)


# fast-ctc-decode needs vocabulary × prefixes of memory (3.5 GB for 1,000 pieces, 100 frames),
# pyctcdecode wants numpy below 2, flashlight-text (torchaudio) does not sum over alignments.
def beam_ctc(logits: np.ndarray, lengths: np.ndarray, blank: int, width: int) -> list[list[int]]:
    """The likeliest ids of each sample, over all their alignments: CTC prefix beam search.

    ``logits`` (B, T, V), of which sample b has ``lengths[b]`` frames; after each frame the
    ``width`` likeliest prefixes are kept. Source: Graves, Sequence Transduction with RNNs, 2012,
    section 2.5; Hannun et al., First-Pass Large Vocabulary Continuous Speech Recognition using
    Bi-Directional Recurrent DNNs, 2014, algorithm 1, without a language model.

    Raises:
        ValueError: a width below 1.
    """
    if width < 1:
        raise ValueError(f"the beam's width is {width}; it must be at least 1")
    frames, counts = log_softmax(logits), lengths.tolist()
    return [
        _best(sample[:count], blank, width) for sample, count in zip(frames, counts, strict=True)
    ]


@dataclass(frozen=True)
class _Beam:
    """Prefixes, and the log probability (N,) of their alignments by how these end."""

    prefixes: list[tuple[int, ...]]
    in_blank: np.ndarray
    in_label: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return np.logaddexp(self.in_blank, self.in_label)


def _best(frames: np.ndarray, blank: int, width: int) -> list[int]:
    beam = _Beam([()], np.zeros(1), np.full(1, -np.inf))
    for frame in frames:
        beam = _step(beam, frame, blank, width)
    return list(beam.prefixes[int(beam.total.argmax())])


def _step(beam: _Beam, frame: np.ndarray, blank: int, width: int) -> _Beam:
    """The beam after one more frame (V,) of log probabilities."""
    tips = np.array([prefix[-1] if prefix else -1 for prefix in beam.prefixes])
    labels = _labels(frame, tips, blank, width)
    longer = _longer(beam, frame, tips, labels)
    in_blank = beam.total + frame[blank]
    in_label = np.where(tips < 0, -np.inf, beam.in_label + frame[tips])
    _merge(beam, labels, longer, in_label)
    # (N,) and (N, labels) → (N + N · labels,)
    scores = np.concatenate([np.logaddexp(in_blank, in_label), longer.ravel()])
    kept = np.argsort(-scores, kind="stable")[:width]
    possible = scores[kept] > -np.inf  # what was merged away must not come back as a twin
    possible[0] = True
    kept = kept[possible]
    stay, grow = kept[kept < len(tips)], kept[kept >= len(tips)] - len(tips)
    rows, columns = np.unravel_index(grow, longer.shape)
    grown = [(*beam.prefixes[r], int(labels[c])) for r, c in zip(rows, columns, strict=True)]
    return _Beam(
        [beam.prefixes[i] for i in stay] + grown,
        np.concatenate([in_blank[stay], np.full(len(grow), -np.inf)]),
        np.concatenate([in_label[stay], longer[rows, columns]]),
    )


def _labels(frame: np.ndarray, tips: np.ndarray, blank: int, width: int) -> np.ndarray:
    """Labels by which a prefix can grow and stay in the beam, all others cannot.

    A prefix grows by at most ``width`` labels that survive, besides its own tip and the labels
    that lead to another prefix of the beam, which are tips too.
    """
    count = min(2 * width + 1, len(frame))
    likely = np.argpartition(-frame, count - 1)[:count]
    labels = np.unique(np.concatenate([likely, tips[tips >= 0]]))
    return labels[labels != blank]


def _longer(beam: _Beam, frame: np.ndarray, tips: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N, labels): each prefix one label longer; its tip again only after a blank."""
    again = labels == tips[:, None]
    return np.where(again, beam.in_blank[:, None], beam.total[:, None]) + frame[labels]


def _merge(beam: _Beam, labels: np.ndarray, longer: np.ndarray, in_label: np.ndarray) -> None:
    """Move what grows into a prefix that the beam already has to that prefix, in place."""
    index = {prefix: row for row, prefix in enumerate(beam.prefixes)}
    for row, prefix in enumerate(beam.prefixes):
        parent = index.get(prefix[:-1]) if prefix else None
        if parent is not None:
            column = np.searchsorted(labels, prefix[-1])
            in_label[row] = np.logaddexp(in_label[row], longer[parent, column])
            longer[parent, column] = -np.inf
