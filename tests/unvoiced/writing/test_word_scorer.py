"""Words in the beam search of CTC: exact on tiny cases, and none at weight 0."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unvoiced.decoding import beam_ctc, log_softmax
from unvoiced.tokenizers import Characters, Phrases
from unvoiced.writing.ngrams import END, START, NgramModel
from unvoiced.writing.word_scorer import WordScorer, build_scorer

TOKENS = ["", " a", "b", " "]  # the blank, the beginning of a word, a letter, a space
MODEL = NgramModel.from_sentences(["a b ab", "ab ab", "b a"], 3)


def draw_logits(frames: int, seed: int) -> np.ndarray:
    return 2 * np.random.default_rng(seed).standard_normal((1, frames, len(TOKENS)))


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    kept = [k for k, before in zip(path, (0, *path[:-1]), strict=True) if k and k != before]
    return tuple(kept)


def score_words(text: str, weight: float, bonus: float) -> float:
    words, history, score = text.split(), (START, START), 0.0
    for word in words:
        score += weight * MODEL.score(word, history) + bonus
        history = (*history[1:], word)
    return score + weight * MODEL.score(END, history)


def find_best(logits: np.ndarray, weight: float, bonus: float) -> float:
    """Return the score of the best text, by enumeration of all alignments."""
    log_probabilities, totals = log_softmax(logits)[0], {}
    for path in product(range(len(TOKENS)), repeat=len(log_probabilities)):
        score = sum(log_probabilities[t, k] for t, k in enumerate(path))
        ids = collapse(path)
        totals[ids] = np.logaddexp(totals.get(ids, -np.inf), score)
    scored = {
        ids: total + score_words("".join(TOKENS[k] for k in ids), weight, bonus)
        for ids, total in totals.items()
    }
    return max(scored, key=scored.__getitem__)


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 3), st.floats(-2, 2))
def test_a_full_beam_finds_the_best_text(frames: int, seed: int, weight, bonus) -> None:
    logits, scorer = draw_logits(frames, seed), WordScorer(MODEL, TOKENS, weight, bonus)
    (found,) = beam_ctc(logits, np.array([frames]), 0, 1000, scorer)
    assert tuple(found) == find_best(logits, weight, bonus)


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(0, 10**6), st.integers(1, 8))
def test_weight_0_is_the_beam_without_words(frames: int, seed: int, width: int) -> None:
    logits, lengths = draw_logits(frames, seed), np.array([frames])
    scorer = WordScorer(MODEL, TOKENS, 0.0, 0.0)
    assert beam_ctc(logits, lengths, 0, width, scorer) == beam_ctc(logits, lengths, 0, width)


def test_words_turn_what_the_network_cannot_tell_apart() -> None:
    tokenizer = Characters().fit(["door poor"])
    ids = tokenizer.encode("the poor".replace("the ", ""))
    logits = np.full((1, 2 * len(ids), tokenizer.size), -9.0)
    for k, token in enumerate(ids):
        logits[0, 2 * k, token] = logits[0, 2 * k + 1, tokenizer.pad] = 0.0
    logits[0, 0, tokenizer.encode("d")] = -0.1  # nearly as likely as p
    model = NgramModel.from_sentences(["door", "door", "door", "poor"], 2)
    scorer = build_scorer(model, tokenizer, 1.0, 0.0)
    lengths = np.array([2 * len(ids)])
    texts = [
        tokenizer.decode(beam_ctc(logits, lengths, tokenizer.pad, 4, one)[0])
        for one in (None, scorer)
    ]
    assert texts == ["poor", "door"]


def test_a_token_may_hold_several_words() -> None:
    tokenizer = Phrases().fit(["a b", "b a"])
    scorer = build_scorer(MODEL, tokenizer, 1.0, 0.0)
    state = scorer.extend(scorer.start(), tokenizer.encode("b a")[0])
    assert np.isclose(scorer.finish(state), score_words("b a", 1.0, 0.0))
    assert build_scorer(None, tokenizer, 1.0, 0.0) is None
