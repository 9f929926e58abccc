"""Measure profiles on the people of a tested set: few_shots.csv, few_shots.png and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from callbacks.outputs.figure_fonts import create_figure
from datamodules.base import PreparedDataModule
from experiments.checkpoints.embeddings import fingerprint_network, list_known_classes
from experiments.launch.console import logger
from experiments.reports.answers import collect_answers, collect_support
from experiments.reports.few_shots import (
    PROMISED_COVERAGE,
    Adaptation,
    AdaptedAnswers,
    Answers,
    list_support_rows,
    measure_shots,
    summarize_shots,
)
from experiments.reports.markdown import format_plain_table
from experiments.reports.results import describe_interval
from experiments.runs.fine_tuning import fine_tune
from modules.base import TaskModule
from unvoiced.confidence import ConfidenceTable
from unvoiced.profile import Profile, build_profile
from unvoiced.text import count_noun, make_printable, spreadsheet_cells

FILE_NAME = "few_shots.csv"


def profile_from_answers(
    answers: Answers,
    task: str,
    fingerprint: str,
    classes: Sequence[str],
    only_taught: bool = False,
) -> Profile:
    """Return the profile of a person from a model's answers to their recordings.

    Args:
        answers: to the recordings of one person.
        task: of the model.
        fingerprint: of the model.
        classes: that the model knows.
        only_taught: whether the other classes of the model are no answers.

    Raises:
        ValueError: fewer than two classes, or too many recordings.
    """
    return build_profile(
        task,
        fingerprint,
        classes,
        answers.log_probabilities,
        answers.embeddings,
        answers.labels.tolist(),
        [  # a sequence of several words is a recording of each
            f"{person}/{name}/{label}"
            for person, name, label in zip(
                answers.people, answers.recordings, answers.labels, strict=True
            )
        ],
        only_taught,
    )


def measure_profiles(
    config: DictConfig, module: TaskModule, data: PreparedDataModule, answers: Answers
) -> dict[str, float]:
    """Return ``test/acc@k`` for the numbers k of recordings in ``shots``, and write the table.

    Raises:
        ValueError: no person has enough recordings.
    """
    classes, counts = list_known_classes(module), sorted(set(config.shots))
    if config.adapt.method == "finetune":
        adapt = _adapt_by_training(module, data, config.seed)
    else:
        rows = list_support_rows(answers, max(counts))
        copies = collect_support(module, data, rows) if len(rows) else answers
        adapt = _adapt_by_profile(module, copies, config)
    is_text = hasattr(module, "tokenizer")  # their confidence is another quantity
    confidence = None if is_text else ConfidenceTable.from_plain(module.card.confidence)
    table, too_few = measure_shots(answers, counts, classes, adapt, confidence)
    scores = summarize_shots(table)
    folder = Path(config.run_dir)
    spreadsheet_cells(table).to_csv(folder / FILE_NAME, index=False)
    draw_shots(table, scores, folder / "few_shots.png")
    for person, labels in too_few.items():
        name, shown = make_printable(person) or "The set", make_printable(", ".join(labels))
        logger.warning(f"{name} has too few recordings, or fewer than two classes: {shown}")
    for count in counts:
        name = f"test/acc@{count}"
        logger.info(
            f"{count_noun(count, 'recording')} per class: accuracy {scores[name]:.3f} "
            f"({describe_interval(name, scores)}), worst person {scores[f'{name}_worst']:.3f}"
            f"{_describe_promise(scores, count)}"
        )
    return scores


def _describe_promise(scores: dict[str, float], count: int) -> str:
    name = f"test/coverage_{PROMISED_COVERAGE}@{count}"
    if name not in scores:
        return ""
    answered = scores[f"test/answered_{PROMISED_COVERAGE}@{count}"]
    return (
        f"; promised coverage {PROMISED_COVERAGE}: {scores[name]:.3f}, {answered:.3f} are answered"
    )


def _adapt_by_profile(module: TaskModule, copies: Answers, config: DictConfig) -> Adaptation:
    classes = list_known_classes(module)
    fingerprint = fingerprint_network(module)  # once: it reads all weights

    def adapt(support: Answers, tested: Answers) -> AdaptedAnswers:
        own = copies.select_rows(np.isin(copies.rows, support.rows))
        only_taught = config.adapt.only_taught
        profile = profile_from_answers(own, config.task, fingerprint, classes, only_taught)
        corrected = profile.correct(tested.log_probabilities, tested.embeddings)
        labels = np.array(profile.answers)[corrected.argmax(1)]
        return AdaptedAnswers(labels, np.exp(corrected.max(1)), profile.confidence)

    return adapt


def _adapt_by_training(module: TaskModule, data: PreparedDataModule, seed: int) -> Adaptation:
    def adapt(support: Answers, tested: Answers) -> AdaptedAnswers:
        trained = fine_tune(module, data, support.rows, support.recordings, seed).module
        return collect_answers(trained, data, tested.rows).read_best(list_known_classes(module))

    return adapt


def set_new_labels_aside(module: TaskModule, data: PreparedDataModule) -> list[str]:
    """Leave labels that the model does not know out of the test; return a warning if there are any.

    The numbers of ``shots`` count them: they are taught.
    """
    rows, known = data.indices.test, {"", *list_known_classes(module)}
    labels = data.prepared.manifest["label"].iloc[rows].map(data.normalize_label)
    is_known = labels.isin(known).to_numpy()
    if is_known.all():
        return []
    data.indices = replace(data.indices, test=rows[is_known])
    names = sorted(set(labels[~is_known]))
    shown = make_printable(", ".join([*names[:10], *["…"] * (len(names) > 10)]))
    note = (
        f"{count_noun(len(names), 'class')} that the model does not know ({shown}; "
        f"{count_noun(int((~is_known).sum()), 'sample')}): taught by shots=, and left out of all "
        "other numbers."
    )
    logger.warning(note)
    return [note]


def draw_shots(table: pd.DataFrame, scores: dict[str, float], path: Path) -> None:
    """Draw the accuracy over the number of recordings per class, of each person and of all."""
    figure = create_figure(figsize=(6, 4))
    axes = figure.subplots()
    for _, rows in table.groupby("person"):
        axes.plot(rows.shots, rows.correct / rows.n, color="grey", linewidth=0.8, alpha=0.6)
    counts = sorted(table.shots.unique())
    means = [scores[f"test/acc@{count}"] for count in counts]
    axes.plot(counts, means, color="C0", marker="o", label="mean of all people")
    axes.set_xlabel("recordings per class of the person")
    axes.set_ylabel("accuracy")
    axes.set_xticks(counts)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def format_shots(folder: Path, config: DictConfig) -> str:
    """Return the section of the report on few recordings; empty where they were not measured."""
    path = folder / FILE_NAME
    if not path.exists():
        return ""
    table = pd.read_csv(path, dtype={"person": str}, keep_default_na=False)
    table["accuracy"] = (table.correct / table.n).map("{:.3f}".format)
    wide = table.pivot(index="person", columns="shots", values="accuracy").reset_index()
    wide.columns = [str(name) for name in wide.columns]
    return "\n".join(
        [
            "## Few recordings of a person\n",
            f"Accuracy {_describe_method(config)} the first k recordings per class, on the second "
            "half of each person's recordings.\n",
            "![few_shots.png](few_shots.png)\n",
            format_plain_table(wide),
            "",
        ]
    )


def _describe_method(config: DictConfig) -> str:
    if config.adapt.method == "finetune":
        return "of the model fine-tuned with"
    answers = "(which answers with the labels of its recordings alone) " * config.adapt.only_taught
    return f"with a profile {answers}of"
