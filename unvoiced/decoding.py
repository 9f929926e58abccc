"""Decoding of a network's logits to token ids: CTC, and positions decoded in parallel.

In NumPy, because exported models are decoded without torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unvoiced.writing.word_scorer import WordScorer, WordState


def greedy_ctc(logits: np.ndarray, lengths: np.ndarray, blank: int) -> list[list[int]]:
    """Return the ids of the likeliest classes without repeats and blanks.

    Source: best path decoding, Graves et al., Connectionist Temporal Classification, ICML 2006.

    Args:
        logits: (B, T, V), with any normalization.
        lengths: (B,) frames of each sample.
        blank: the blank's id.
    """
    best = logits.argmax(-1)  # (B, T)
    previous = np.pad(best, ((0, 0), (1, 0)), constant_values=blank)[:, :-1]
    is_frame = np.arange(best.shape[1]) < lengths[:, None]  # (B, T)
    return _select_ids(best, is_frame & (best != blank) & (best != previous))


def ids_until_eos(logits: np.ndarray, eos: int, pad: int) -> list[list[int]]:
    """Return the likeliest ids of (B, L, V) logits up to the first ``eos``, without ``pad``.

    All positions are decoded at once, independently of each other.
    """
    best = logits.argmax(-1)  # (B, L)
    has_ended = (best == eos).cumsum(1) > 0
    return _select_ids(best, ~has_ended & (best != pad))


def _select_ids(ids: np.ndarray, mask: np.ndarray) -> list[list[int]]:
    return [row[selected].tolist() for row, selected in zip(ids, mask, strict=True)]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def mean_confidence(logits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean best probability (B,) of the first ``counts`` (B,) of (B, L, V) logits."""
    counts = counts.clip(1, logits.shape[1])[:, None]
    is_counted = np.arange(logits.shape[1]) < counts  # (B, L)
    best = np.exp(log_softmax(logits).max(-1))
    return (best * is_counted).sum(1) / counts[:, 0]


@dataclass(frozen=True)
class Decoder:
    """Decodes logits to token ids with their confidence.

    Args:
        objective: ``cross_entropy`` for positions decoded in parallel, or ``ctc``.
        eos, pad: ids of the tokenizer; ``pad`` is CTC's blank.
        beam_width: of CTC's prefix beam search; 1 takes the best token of each frame.
        scorer: adds a model of words to the search; None for the network alone.
    """

    objective: str
    eos: int
    pad: int
    beam_width: int = 1
    scorer: WordScorer | None = None

    def decode_ids(self, logits: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
        """Return the ids of logits (B, positions or frames, V) with lengths (B,), without eos."""
        if self.objective == "cross_entropy":
            return ids_until_eos(logits, self.eos, self.pad)
        if self.beam_width > 1:
            return beam_ctc(logits, lengths, self.pad, self.beam_width, self.scorer)
        return greedy_ctc(logits, lengths, self.pad)

    def mean_confidence(
        self, logits: np.ndarray, lengths: np.ndarray, ids: list[list[int]]
    ) -> np.ndarray:
        """Return (B,) the mean best probability of the frames, or of the positions up to eos."""
        if self.objective == "cross_entropy":
            lengths = np.array([len(sample_ids) + 1 for sample_ids in ids])
        return mean_confidence(logits, lengths)


# fast-ctc-decode needs vocabulary × prefixes of memory (3.5 GB for 1,000 pieces, 100 frames),
# pyctcdecode requires numpy < 2, flashlight-text (torchaudio) does not sum over alignments.
def beam_ctc(
    logits: np.ndarray,
    lengths: np.ndarray,
    blank: int,
    width: int,
    scorer: WordScorer | None = None,
) -> list[list[int]]:
    """Return the likeliest ids over all alignments, by CTC prefix beam search.

    Source: Graves, Sequence Transduction with RNNs, 2012, section 2.5; Hannun et al., First-Pass
    Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs, 2014,
    algorithm 1.

    Args:
        logits: (B, T, V).
        lengths: (B,) frames of each sample.
        blank: the blank's id.
        width: prefixes that are kept after each frame.
        scorer: adds the score of the words of a prefix; None for the network alone.

    Raises:
        ValueError: a width below 1.
    """
    if width < 1:
        raise ValueError(f"the beam's width is {width}; it must be at least 1")
    samples = zip(log_softmax(logits), lengths.tolist(), strict=True)
    return [_search_beam(frames[:length], blank, width, scorer) for frames, length in samples]


@dataclass(frozen=True)
class _Beam:
    """Prefixes, and log probabilities (N,) of their alignments that end in a blank or a label.

    ``states`` are those of the words of each prefix, if words are scored.
    """

    prefixes: list[tuple[int, ...]]
    in_blank: np.ndarray
    in_label: np.ndarray
    states: list[WordState]

    @property
    def total(self) -> np.ndarray:
        """Log probability (N,) of each prefix."""
        return np.logaddexp(self.in_blank, self.in_label)


def _search_beam(
    frames: np.ndarray, blank: int, width: int, scorer: WordScorer | None
) -> list[int]:
    states = [scorer.start()] if scorer else []
    beam = _Beam([()], np.zeros(1), np.full(1, -np.inf), states)
    for frame in frames:
        beam = _extend_beam(beam, frame, blank, width, scorer)
    total = beam.total
    if scorer:
        total = total + [scorer.finish(state) for state in beam.states]
    return list(beam.prefixes[int(total.argmax())])


def _extend_beam(
    beam: _Beam, frame: np.ndarray, blank: int, width: int, scorer: WordScorer | None
) -> _Beam:
    """Return the beam after one more frame (V,) of log probabilities."""
    tips = np.array([prefix[-1] if prefix else -1 for prefix in beam.prefixes])
    labels = _find_candidates(frame, tips, blank, width)
    grown = _score_grown(beam, frame, tips, labels)
    in_blank = beam.total + frame[blank]
    in_label = np.where(tips < 0, -np.inf, beam.in_label + frame[tips])
    _merge_grown(beam, labels, grown, in_label)
    # (N,) and (N, labels) → (N + N · labels,)
    scores = np.concatenate([np.logaddexp(in_blank, in_label), grown.ravel()])
    extended = _extend_states(beam, labels, scorer)
    if scorer:
        scores = scores + [state.total for state in (*beam.states, *extended)]
    best = np.argsort(-scores, kind="stable")[:width]
    is_possible = scores[best] > -np.inf  # a merged prefix must not return as a duplicate
    is_possible[0] = True
    best = best[is_possible]
    stay, grow = best[best < len(tips)], best[best >= len(tips)] - len(tips)
    rows, columns = np.unravel_index(grow, grown.shape)
    new = [(*beam.prefixes[r], int(labels[c])) for r, c in zip(rows, columns, strict=True)]
    return _Beam(
        [beam.prefixes[i] for i in stay] + new,
        np.concatenate([in_blank[stay], np.full(len(grow), -np.inf)]),
        np.concatenate([in_label[stay], grown[rows, columns]]),
        [beam.states[i] for i in stay] + [extended[i] for i in grow] if scorer else [],
    )


def _extend_states(beam: _Beam, labels: np.ndarray, scorer: WordScorer | None) -> list[WordState]:
    """Return the states (N · labels) of all prefixes that grow by a label."""
    if not scorer:
        return []
    tokens = labels.tolist()
    return [scorer.extend(state, token) for state in beam.states for token in tokens]


def _find_candidates(frame: np.ndarray, tips: np.ndarray, blank: int, width: int) -> np.ndarray:
    """Return the only labels by which a prefix can grow and stay in the beam.

    A prefix grows by at most ``width`` labels that survive, besides its own tip and the labels
    that lead to another prefix of the beam, which are tips too.
    """
    count = min(2 * width + 1, len(frame))
    likely = np.argpartition(-frame, count - 1)[:count]
    labels = np.unique(np.concatenate([likely, tips[tips >= 0]]))
    return labels[labels != blank]


def _score_grown(
    beam: _Beam, frame: np.ndarray, tips: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Return (N, labels): prefixes grown by a label; its own tip repeats only after a blank."""
    is_repeated = labels == tips[:, None]
    return np.where(is_repeated, beam.in_blank[:, None], beam.total[:, None]) + frame[labels]


def _merge_grown(beam: _Beam, labels: np.ndarray, grown: np.ndarray, in_label: np.ndarray) -> None:
    """Add the score of a grown prefix to the same prefix in the beam, in place."""
    index = {prefix: row for row, prefix in enumerate(beam.prefixes)}
    for row, prefix in enumerate(beam.prefixes):
        parent = index.get(prefix[:-1]) if prefix else None
        if parent is not None:
            column = np.searchsorted(labels, prefix[-1])
            in_label[row] = np.logaddexp(in_label[row], grown[parent, column])
            grown[parent, column] = -np.inf
