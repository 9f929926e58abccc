"""Write report.md: the data, model, training, test and warnings of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from callbacks.nan.post_mortem import describe_post_mortems
from experiments.reports.checkpoints import format_checkpoints, list_checkpoints
from experiments.reports.confusions import (
    format_classes,
    format_groups,
    format_pairs,
    tabulate_confusions,
)
from experiments.reports.coverage import format_coverage
from experiments.reports.curves import draw_curves
from experiments.reports.markdown import format_list, format_number, format_plain_table
from experiments.reports.observations import describe_overfitting, list_milestones
from experiments.reports.profiles import format_shots
from experiments.reports.results import Results, describe_holds, describe_interval
from experiments.reports.run_facts import format_facts, read_milestone_seconds
from experiments.reports.training_curve import TrainingCurve
from experiments.reports.transcription import format_text_sections
from unvoiced.text import markdown_document, markdown_text

MAX_LISTED_LABELS = 100  # labels or groups that are counted one by one
MIN_VALIDATION_SAMPLES = 50  # with fewer, the choice of the best epoch is a warning


def write_report(results: Results, config: DictConfig) -> Path:
    """Write report.md, curves.png and the tables of confusions into the run folder."""
    has_checkpoints = bool(list_checkpoints(results.folder)) and results.curve.best is not None
    sections = [
        _format_title(results, config),
        _format_data(results, config),
        _format_model(results),
        _format_configuration(config),
        _format_training(results),
        _format_test(results, config),
        format_coverage(results.folder, "test/aurc" in results.numbers),
        format_shots(results.folder, config),
        _format_warnings(results, config),
        format_facts(results.numbers["run"]),
        format_checkpoints(results.folder, results.curve) if has_checkpoints else "",
    ]
    path = results.folder / "report.md"
    text = "\n".join(section for section in sections if section)
    path.write_text(markdown_document(text), encoding="utf-8")
    return path


def _format_title(results: Results, config: DictConfig) -> str:
    numbers = results.numbers
    lines = [f"# Task {config.task}, stage {config.stage}: {results.folder.name}\n"]
    name = f"test/{results.primary_metric}"
    if name in numbers:
        lines.append(
            f"**Test {results.primary_metric_name} {numbers[name]:.4f}** on {numbers['test/n']:,} "
            f"samples, {describe_interval(name, numbers)}{_describe_bootstrap(results, name)}"
            f"{describe_holds(numbers)}.\n"
        )
    if numbers["trained_on_simulated"]:
        lines.append(
            "**The training data was simulated.** These numbers hold for simulated recordings, not "
            "for people; test the model on recordings with `stage=test data_dir=…`.\n"
            if numbers["simulated"]
            else "The model was trained on simulated data alone.\n"
        )
    return "\n".join(lines)


def _describe_bootstrap(results: Results, name: str) -> str:
    if results.numbers[f"{name}_low"] is None:
        return ""
    groups = results.predictions["group"].nunique()
    people = "simulated people" if results.numbers["simulated"] else "groups"
    units = f"{groups} {people}" if groups > 1 else "the recordings of one group"
    return f" (bootstrap over {units})"


# ---- data


def _format_data(results: Results, config: DictConfig) -> str:
    counts = results.counts
    origin = "the built-in simulator" if results.numbers["simulated"] else f"`{config.data_dir}`"
    note = f": {results.card.split}" if config.stage == "fit" else ""
    by_split = counts.groupby("split", sort=False).agg(
        samples=("samples", "sum"), classes=("label", "nunique"), groups=("group", "nunique")
    )
    parts = [
        "## Data\n",
        f"From {origin}. Split `{_name_split(config)}`{note}.\n",
        format_plain_table(by_split.reset_index()),
    ]
    has_many = counts["label"].nunique() > MAX_LISTED_LABELS
    if results.card.classes or not has_many:  # classes rather than sentences
        parts += _describe_balance(counts)
        if not has_many:
            parts.append(_format_details("Samples a class", _pivot_counts(counts, "label")))
    is_listed = 1 < counts["group"].nunique() <= MAX_LISTED_LABELS
    if is_listed and not results.numbers["simulated"]:
        parts.append(_format_details("Samples a group", _pivot_counts(counts, "group")))
    return "\n".join([*parts, ""])


def _describe_balance(counts: pd.DataFrame) -> list[str]:
    """Return the ratio of the largest training class to the smallest."""
    train = counts[counts["split"] == "train"].groupby("label")["samples"].sum()
    if len(train) < 2:
        return []
    if train.nunique() == 1:
        return [f"Balance ratio 1.00 in training: {train.max():,} samples of every class.\n"]
    largest, smallest = (markdown_text(name) for name in (train.idxmax(), train.idxmin()))
    return [
        f"Balance ratio {train.max() / train.min():.2f} in training: the largest class "
        f"(`{largest}`, {train.max():,}) over the smallest (`{smallest}`, {train.min():,}).\n"
    ]


def _name_split(config: DictConfig) -> str:
    """Return the name of the split on the command line."""
    name = config.split._target_.rsplit(".", 1)[-1].removesuffix("Split")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _pivot_counts(counts: pd.DataFrame, by: str) -> str:
    table = counts.pivot_table(
        index=by, columns="split", values="samples", aggfunc="sum", fill_value=0, sort=False
    )
    return format_plain_table(table.astype(int).reset_index())


def _format_details(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"


# ---- model and training


def _format_model(results: Results) -> str:
    net = results.card.net
    settings = ", ".join(f"{k} {markdown_text(v)}" for k, v in net.items() if k != "_target_")
    count = f"{results.numbers['parameters']:,} parameters"
    return f"## Model\n\n`{results.card.net_name}` with {count} ({settings}).\n"


def _format_configuration(config: DictConfig) -> str:
    if config.stage != "fit":
        return f"## Configuration\n\nCheckpoint `{config.ckpt_path}`; all in `config.yaml`.\n"
    trainer, optimizer = config.trainer, config.optimizer
    schedule = config.scheduler.build._target_.rsplit(".", 1)[-1] if config.scheduler else "none"
    rows = {
        "optimizer": optimizer._target_.rsplit(".", 1)[-1],
        "learning rate": optimizer.lr,
        "weight decay": optimizer.get("weight_decay"),
        "schedule": schedule,
        "batch size": config.datamodule.batch_size,
        "epochs at most": trainer.max_epochs,
        "gradient clipping": trainer.get("gradient_clip_val"),
        "precision": trainer.precision,
        "label smoothing": config.module.get("label_smoothing"),
        "augmentation": ", ".join(k for k, v in (config.augment or {}).items() if v) or "none",
        "seed": config.seed,
    }
    table = pd.DataFrame({"setting": list(rows), "value": [str(v) for v in rows.values()]})
    return f"## Configuration\n\n{format_plain_table(table)}\nAll of it: `config.yaml`.\n"


def _format_training(results: Results) -> str:
    curve = results.curve
    if curve.best is None:
        return ""
    draw_curves(curve, results.folder / "curves.png")
    lines = [
        "## Training\n",
        "![loss and scores by epoch](curves.png)\n",
        f"{len(curve.epochs)} epochs. Best epoch: **{curve.best}**, "
        f"{curve.metric} {curve.best_score:.4f}.\n",
        *_describe_gap(curve),
        *list_milestones(curve, read_milestone_seconds(results.numbers)),
    ]
    return "\n".join(lines)


def _describe_gap(curve: TrainingCurve) -> list[str]:
    """Return the difference of training and validation accuracy, if both were measured."""
    gap = curve.find_gap()
    if gap is None:
        return []
    return [
        f"Train–validation gap at the best epoch: {gap.difference:+.4f} of {gap.name} (training "
        f"{gap.train:.4f}, measured on augmented batches while the weights moved).\n"
    ]


# ---- test and warnings


def _format_test(results: Results, config: DictConfig) -> str:
    rows = results.predictions
    if rows.empty:
        return ""
    was_tested = f"test/{results.primary_metric}" in results.numbers
    names = [n for n in results.numbers if n.startswith("test/" if was_tested else "val/")]
    values = [results.numbers[name] for name in names]
    shown = [f"{v:,}" if isinstance(v, int) else format_number(v) or "none" for v in values]
    scores = pd.DataFrame({"metric": names, "value": shown})
    title = "Test" if was_tested else "Validation (nothing was kept for testing)"
    parts = [f"## {title}\n", format_plain_table(scores)]
    if any(name.endswith("/f1") for name in names):
        count = len({*rows["label"], *rows["prediction"]})
        parts.append(
            f"f1 is the mean over the {count} classes that are tested or predicted; "
            f"{rows['label'].nunique()} are tested.\n"
        )
    if "errors" in rows:
        parts += _format_texts(rows, results, config)
        return "\n".join([*parts, *_list_images(results.folder)])
    if rows["group"].nunique() > 1 and not results.numbers["simulated"]:
        parts.append(format_groups(rows))
    tables = tabulate_confusions(rows, results.card.classes, config)
    tables.write(results.folder)
    parts += tables.format_sections()
    parts.append("![confusion matrix](confusion_matrix.png)\n")
    return "\n".join([*parts, *_list_images(results.folder)])


def _list_images(folder: Path) -> list[str]:
    titles = {"mistakes.png": "Most confident errors", "right.png": "Correct predictions"}
    return [f"### {titles[n]}\n\n![{titles[n]}]({n})\n" for n in titles if (folder / n).exists()]


def _format_texts(rows: pd.DataFrame, results: Results, config: DictConfig) -> list[str]:
    sections = format_text_sections(rows, results.folder)
    parts = [f"### {heading}\n\n{content}" for heading, content in sections]
    if results.card.classes:
        nearest = rows.assign(label=rows["reference"], prediction=rows["nearest"])
        tables = tabulate_confusions(nearest, results.card.classes, config)
        tables.write(results.folder)
        parts += [format_classes(tables.classes), format_pairs(tables.pairs)]
        parts.append("![confusion matrix](confusion_matrix.png)\n")
    return parts


def _format_warnings(results: Results, config: DictConfig) -> str:
    notes = results.warnings + describe_post_mortems(results.folder)
    notes += describe_overfitting(results.curve)
    if config.stage == "fit":
        notes += _describe_data_problems(results, config)
    return f"## Warnings\n\n{format_list(notes) if notes else 'None.'}\n"


def _describe_data_problems(results: Results, config: DictConfig) -> list[str]:
    """Return warnings of a split that leaks, and of a validation that is too small."""
    notes = [f"Split: {results.card.split}."] if results.card.leaks else []
    counts = results.counts
    count = int(counts.loc[counts["split"] == "val", "samples"].sum())
    if results.curve.best is not None and count < MIN_VALIDATION_SAMPLES:
        notes.append(
            f"Validation has {count} samples: too few to choose the best epoch by "
            f"{config.monitor.metric}. Small differences between epochs are chance; record more, "
            "or raise split.val_fraction."
        )
    return notes
