"""Words of a stream that their neighbours distinguish: suggestions, never changes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unvoiced.language import LanguageModel
from unvoiced.writing.ngrams import NgramModel
from unvoiced.writing.word_composer import WordComposer
from unvoiced.writing.word_models import EnglishWords

LABELS = ["bin", "pin", "blue", "Thank_you"]
MODEL = NgramModel.from_sentences(["bin blue", "thank you", "bin blue", "pin pin"], 2)


def compose(rows: np.ndarray, weight: float, labels=LABELS, model=MODEL) -> WordComposer:
    composer = WordComposer(labels, model, weight)
    for row in rows:
        composer.add(row)
    return composer


def draw_rows(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(len(LABELS)), count)


def score_sequence(composer: WordComposer, rows: np.ndarray, ids: tuple[int, ...]) -> float:
    history, score = ("<s>",), 0.0
    for row, k in zip(rows, ids, strict=True):
        words = LABELS[k].lower().replace("_", " ").split()
        score += np.log(max(row[k], 1e-6)) + composer.weight * composer._score_after(history)[k]
        history = (words[-1],)
    return score


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 2))
def test_the_best_sequences_are_those_of_an_enumeration(count, seed, weight) -> None:
    rows = draw_rows(count, seed)
    composer = compose(rows, weight)
    every = product(range(len(LABELS)), repeat=count)
    scores = sorted((score_sequence(composer, rows, ids) for ids in every), reverse=True)
    found = [one.score for one in composer.suggest(3)]
    assert np.allclose(found, scores[:3])


@settings(max_examples=15)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_weight_0_writes_what_was_read(count: int, seed: int) -> None:
    composer = compose(draw_rows(count, seed), 0.0)
    assert composer.suggest(1)[0].text == composer.spelled
    assert composer.spelled not in composer.propose(3)


def test_neighbours_tell_words_apart_that_look_alike() -> None:
    rows = np.array([[0.49, 0.51, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    composer = compose(rows, 1.0)
    assert composer.spelled == "pin blue"
    assert composer.propose(3)[0] == "bin blue"
    composer.undo()
    composer.add_certain("pin")
    assert composer.spelled == "pin pin" == composer.suggest(1)[0].text


def test_a_label_may_be_a_phrase_or_unknown() -> None:
    composer = WordComposer(["thank you", "01", "02"], MODEL)
    assert np.isclose(np.exp(composer._score_after(("<s>",))).sum(), 1.0)
    unknown = WordComposer(["01", "02"], MODEL, 5.0)
    unknown.add(np.array([0.4, 0.6]))
    assert unknown.suggest(1)[0].text == "02"
    english = EnglishWords(LanguageModel({"thank": 5, "you": 9}, {"thank you": 5}))
    assert compose(draw_rows(2, 0), 1.0, model=english).suggest(2)


def test_states_are_restored_and_other_labels_start_anew() -> None:
    composer = compose(draw_rows(3, 1), 1.0)
    state, texts = composer.save_state(), composer.propose(3)
    composer.clear()
    assert composer.propose(3) == [] and composer.spelled == ""
    composer.restore_state(state)
    assert composer.propose(3) == texts
    composer.use_labels(["yes", "no"])
    assert composer.spelled == ""


@pytest.mark.parametrize("values", [[0.5, 0.5], [1, 0, 0, np.nan], [1, 0, 0, -1]])
def test_what_are_no_probabilities_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="expected 4 numbers of 0 or more"):
        WordComposer(LABELS, MODEL).add(np.array(values))
    with pytest.raises(ValueError, match="is no word of the model"):
        WordComposer(LABELS, MODEL).add_certain("xyz")
