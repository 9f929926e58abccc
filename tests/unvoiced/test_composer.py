"""Words from the probabilities of held signs."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unvoiced.composer import TextComposer
from unvoiced.language import LanguageModel, build_english

LABELS = [*string.ascii_uppercase, "del", "nothing", "space"]
WORDS = ["hello", "world", "held", "help", "water", "later", "matter", "i", "a", "need", "the"]


@pytest.fixture(scope="module")
def language() -> LanguageModel:
    return build_english(personal=["Xqvara"])


@pytest.fixture
def composer(language: LanguageModel) -> TextComposer:
    return TextComposer(LABELS, language)


@pytest.fixture(scope="module")
def small() -> LanguageModel:
    return LanguageModel({word: 1000 - n for n, word in enumerate(WORDS)})


def make_hold(letter: str, other: str = "", share: float = 0.0) -> np.ndarray:
    """Return probabilities of a letter, and a share for another one."""
    hold = np.full(len(LABELS), 0.001)
    hold[LABELS.index(letter.upper())] += 1 - share
    if other:
        hold[LABELS.index(other.upper())] += share
    return hold / hold.sum()


def spell(composer: TextComposer, text: str) -> None:
    for letter in text:
        composer.add(make_hold(letter))


def best(composer: TextComposer, previous: str | None = None) -> str:
    return composer.suggest(1, previous)[0].text


def test_a_spelled_word_is_suggested_first(composer: TextComposer) -> None:
    spell(composer, "water")
    assert composer.spelled == "water" and best(composer) == "water"
    assert len(composer.suggest(3)) == 3


def test_a_wrong_letter_is_corrected_by_its_second_choice(composer: TextComposer) -> None:
    spell(composer, "wat")
    composer.add(make_hold("s", "e", 0.3))
    spell(composer, "r")
    assert composer.spelled == "watsr" and best(composer) == "water"


@pytest.mark.parametrize(("spelled", "meant"), [("helo", "hello"), ("helllo", "hello")])
def test_a_hold_too_many_or_too_few_is_corrected(
    composer: TextComposer, spelled: str, meant: str
) -> None:
    spell(composer, spelled)
    assert best(composer) == meant


def test_words_without_spaces_are_split(composer: TextComposer) -> None:
    spell(composer, "helloworld")
    assert best(composer) == "hello world"
    composer.clear()
    spell(composer, "ineedsomewater")
    assert best(composer) == "I need some water"


def test_the_word_before_decides_between_words_that_look_alike() -> None:
    language = LanguageModel(
        {"cup": 100, "cut": 100, "tea": 50, "a": 1000}, {"a cup": 90, "tea cut": 45}
    )
    composer = TextComposer(LABELS, language)
    spell(composer, "cu")
    composer.add(make_hold("p", "t", 0.5))
    assert best(composer, "a") == "cup" and best(composer, "tea") == "cut"


def test_words_of_ones_own_come_first(composer: TextComposer, language: LanguageModel) -> None:
    spell(composer, "xqvara")
    assert best(composer) == "Xqvara"
    composer.clear()
    spell(composer, "xqv")
    assert composer.complete(1)[0].text == "Xqvara"
    assert "Xqvara".lower() in language and len(language.personal) == 1


def test_words_are_completed_by_frequency(composer: TextComposer) -> None:
    spell(composer, "th")
    found = [one.text for one in composer.complete(5)]
    assert found[0] == "the" and "that" in found and all(len(word) > 2 for word in found)


def test_an_unknown_word_stays_as_spelled(composer: TextComposer) -> None:
    spell(composer, "zqkwjx")
    suggestions = composer.suggest(3)
    assert composer.spelled == "zqkwjx" and all(one.text != "zqkwjx" for one in suggestions)


def test_the_last_hold_is_taken_back(composer: TextComposer) -> None:
    spell(composer, "waterx")
    composer.undo()
    assert composer.spelled == "water" and best(composer) == "water"
    for _ in range(9):
        composer.undo()
    assert composer.spelled == "" and composer.suggest() == composer.complete() == []


def test_confusions_of_a_test_change_what_a_sure_answer_means(small: LanguageModel) -> None:
    confusions = 100 * np.eye(len(LABELS))
    row, column = LABELS.index("W"), LABELS.index("L")
    confusions[row, row], confusions[row, column] = 10, 90  # a W is mostly read as an L
    spelled = {}
    for name, counts in (("without", None), ("with", confusions)):
        composer = TextComposer(LABELS, small, counts)
        spell(composer, "later")
        spelled[name] = [one.text for one in composer.suggest(2)]
    assert spelled["without"][0] == "later" and set(spelled["with"]) == {"later", "water"}
    assert TextComposer(LABELS, small, confusions).suggest() == []


@pytest.mark.parametrize(
    "hold", [np.ones(3), np.full(len(LABELS), np.nan), -np.ones(len(LABELS)), np.ones((2, 29))]
)
def test_probabilities_that_are_none_are_refused(composer: TextComposer, hold: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected 29 numbers of 0 or more"):
        composer.add(hold)
    assert composer.spelled == ""


def test_models_without_an_alphabet_are_refused(small: LanguageModel) -> None:
    with pytest.raises(ValueError, match="no class for the letter C"):
        TextComposer(["A", "B"], small)
    with pytest.raises(ValueError, match=r"expected \(29, 29\) counts"):
        TextComposer(LABELS, small, np.ones((2, 2)))


@settings(max_examples=30)
@given(st.text("abcdefghijklmnopqrstuvwxyz", max_size=30), st.integers(0, 5))
def test_any_spelling_gives_sentences_of_known_words(text: str, undone: int) -> None:
    language = LanguageModel({word: 1000 - n for n, word in enumerate(WORDS)})
    composer = TextComposer(LABELS, language)
    spell(composer, text)
    for _ in range(undone):
        composer.undo()
    assert composer.spelled == text[: max(0, len(text) - undone)]
    scores = [one.score for one in composer.suggest(5)]
    assert scores == sorted(scores, reverse=True) and np.isfinite(scores).all()
    for one in composer.suggest(5):
        assert all(word in WORDS for word in one.text.split())


def test_steps_back_and_forth_suggest_as_a_composer_that_starts_anew() -> None:
    words = dict.fromkeys([*WORDS, "to", "do", "doctor", "dog", "my", "me", "cat"], 50)
    language, rng = LanguageModel(words), np.random.default_rng(0)
    composer, anew = TextComposer(LABELS, language), TextComposer(LABELS, language)
    holds: list[np.ndarray] = []
    saved = [(composer.save_state(), holds)]
    for _ in range(40):
        action = rng.integers(4)
        if action == 0 and holds:
            composer.undo()
            holds = holds[:-1]
        elif action == 1:
            state, holds = saved[rng.integers(len(saved))]
            composer.restore_state(state)
        else:
            holds = [*holds, rng.dirichlet(np.full(len(LABELS), 0.2))]
            composer.add(holds[-1])
        saved.append((composer.save_state(), holds))
        anew.clear()
        for hold in holds:
            anew.add(hold)
        previous = "my" if rng.random() < 0.2 else None
        assert composer.propose(3, previous) == anew.propose(3, previous)


def test_a_hold_extends_the_paths_of_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    composer, ends = TextComposer(LABELS, LanguageModel({"hello": 1})), []
    extend = composer._extend_paths
    monkeypatch.setattr(composer, "_extend_paths", lambda *a: ends.append(0) or extend(*a))
    for letter in "helo" * 20:
        composer.add_certain(letter)
        composer.propose()
    assert len(ends) == 80
