"""Words that people spell, with and without suggestions (benchmark.phrases=1000)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from torchmetrics.functional.text import char_error_rate, word_error_rate

from experiments.benchmarks.spelled_frames import Spell, SpelledFrames
from experiments.benchmarks.typists import SpelledPhrase, keep_word, write_phrase
from experiments.checkpoints.load import require_model
from experiments.launch.build import build_datamodule, write_config
from experiments.launch.console import logger, silence_lightning
from experiments.reports.answers import collect_answers
from experiments.reports.markdown import format_plain_table
from unvoiced.composer import LETTERS, TextComposer, list_missing_letters
from unvoiced.language import build_english
from unvoiced.text import spreadsheet_cells
from unvoiced.writing.personal import fold_letters

JOINED_EVERY = 10  # phrases, of which one is spelled without spaces too
PHRASES, NAMES = (
    tuple(files(__package__).joinpath(name).read_text("utf-8").splitlines())
    for name in ("phrases.txt", "names.txt")
)

Speller = Callable[[str, np.random.Generator], Spell]


def measure_spelling(config: DictConfig) -> float:
    """Write spelling.csv and phrases.csv; return the word error rate with suggestions.

    Each phrase is spelled by a person of the test set, with frames and with the confusions of that
    person; the error model of the suggestions comes from the other people.

    Raises:
        ValueError: no checkpoint, or a model or set without all letters.
    """
    silence_lightning()
    module = require_model(config)
    missing = list_missing_letters(module.card.classes)
    if missing:
        raise ValueError(
            f"benchmark.phrases={config.benchmark.phrases} needs a model of all letters from A to "
            f"Z; {missing[0]} is missing. Take another ckpt_path=."
        )
    folder = write_config(config)
    data = build_datamodule(config, trained=module.card)
    rows = data.indices.test
    answers = collect_answers(module, data, rows)
    is_letter = np.isin(np.char.lower(answers.labels), list(LETTERS))
    frames = SpelledFrames(
        module.card.classes,
        answers.labels[is_letter],
        answers.people[is_letter],
        np.exp(answers.log_probabilities[is_letter]),
    )
    table, written = measure_phrases(frames, config.benchmark.phrases, config.seed)
    spreadsheet_cells(table).to_csv(folder / "spelling.csv", index=False)
    spreadsheet_cells(written).to_csv(folder / "phrases.csv", index=False)
    logger.info(format_plain_table(table.round(3)))
    logger.info(describe_names(frames, config.seed))
    logger.info(f"\nRun folder: {folder}")
    return float(table["word error, first suggestion"].iloc[0])


def measure_phrases(
    frames: SpelledFrames, count: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the error rates of phrases by the source of letters, and all written texts."""
    sources: dict[str, Speller] = {
        "frames": frames.spell_with_frames,
        "confusions": frames.spell_with_errors,
    }
    scores, texts = [], []
    for source, speller in sources.items():
        for has_errors in (False, True):
            composers = build_composers(frames, has_errors)
            written = _write_phrases(frames, composers, speller, count, seed)
            names = {"letters from": source, "error model": "test" if has_errors else "none"}
            scores.append(names | score_phrases(written))
            texts += [names | vars(one) for one in written]
    return pd.DataFrame(scores), pd.DataFrame(texts)


def build_composers(frames: SpelledFrames, has_errors: bool) -> dict[str, TextComposer]:
    """Return a composer for each person, with the confusions of all others or none."""
    language, composers = build_english(), {}
    for person in frames.names:
        others = frames.list_others(person)
        counts = frames.count_confusions(others) if has_errors and others else None
        composers[person] = TextComposer(frames.classes, language, counts)
    return composers


def _write_phrases(
    frames: SpelledFrames,
    composers: dict[str, TextComposer],
    speller: Speller,
    count: int,
    seed: int,
) -> list[SpelledPhrase]:
    written, order = [], np.random.default_rng(seed).permutation(len(PHRASES))
    for number in range(count):
        person = frames.names[number % len(frames.names)]
        spell = speller(person, np.random.default_rng([seed, number]))
        phrase = PHRASES[order[number % len(order)]]
        is_joined = number % JOINED_EVERY == 0
        written.append(write_phrase(phrase, spell, composers[person], is_joined))
    return written


def score_phrases(written: list[SpelledPhrase]) -> dict[str, float]:
    """Return error rates, and the share of keys that suggestions save."""
    phrases = [one.phrase for one in written]
    joined = [one for one in written if one.joined]
    spelled, first, chosen = (
        [getattr(one, name) for one in written] for name in ("spelled", "first", "chosen")
    )
    rates = {
        "character error, spelled": char_error_rate(spelled, phrases),
        "character error, first suggestion": char_error_rate(first, phrases),
        "word error, spelled": word_error_rate(spelled, phrases),
        "word error, first suggestion": word_error_rate(first, phrases),
        "word error, best of three": word_error_rate(chosen, phrases),
        "word error, no spaces": word_error_rate(
            [one.joined for one in joined], [one.phrase for one in joined]
        ),
    }
    keys = sum(one.keys for one in written) / sum(one.keys_without for one in written)
    counts = {"phrases": len(written), "words": sum(len(phrase.split()) for phrase in phrases)}
    return counts | {name: float(rate) for name, rate in rates.items()} | {"keys saved": 1 - keys}


def describe_names(frames: SpelledFrames, seed: int) -> str:
    """Return how names that are in no list are written, and how they are suggested once listed."""
    listed, unlisted = build_english(NAMES), build_english()
    changed = suggested = spelled_right = 0
    for number, name in enumerate(NAMES):
        person, rng = frames.names[number % len(frames.names)], [seed, number]
        for language in (unlisted, listed):
            spell = frames.spell_with_frames(person, np.random.default_rng(rng))
            composer = TextComposer(frames.classes, language)
            spelled, text, first = keep_word(name, spell, composer)
            changed += text != f"{spelled} "
            suggested += language is listed and first == name
        spelled_right += spelled.lower() == fold_letters(name)
    return (
        f"{len(NAMES)} names that are in no list: {changed} of {2 * len(NAMES)} texts changed "
        f"without consent, {spelled_right} spelled without an error; {suggested} are the first "
        "suggestion once they are words of one's own"
    )
