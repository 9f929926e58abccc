"""report.md: what a careful person would write by hand about a run, from measured facts alone."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from callbacks.nan.post_mortem import describe_post_mortems
from experiments.reports.confusions import confusions, group_section, pair_section
from experiments.reports.curves import draw_curves
from experiments.reports.markdown import score
from experiments.reports.results import Results, interval_of
from experiments.reports.transcription import text_sections
from unvoiced.text import markdown_cells, markdown_document, markdown_text

MILESTONES = (0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
MANY_LABELS = 100  # above it they, and groups, are not counted one by one
FEW_TO_CHOOSE_BY = 50  # validation samples below which the choice of the epoch is a warning
OVERFITTING_GAP = 0.15  # train accuracy above validation accuracy, at the best epoch


def write_report(results: Results, config: DictConfig) -> Path:
    """Write report.md, curves.png and the tables of confusions into the run folder."""
    sections = [
        _title(results, config),
        _data(results, config),
        _model(results),
        _configuration(results, config),
        _training(results, config),
        _test(results, config),
        _wrong(results, config),
        _checkpoints(results, config),
    ]
    path = results.folder / "report.md"
    text = "\n".join(part for part in sections if part)
    path.write_text(markdown_document(text), encoding="utf-8")
    return path


def _title(results: Results, config: DictConfig) -> str:
    numbers = results.numbers
    lines = [f"# Task {config.task}, stage {config.stage}: {results.folder.name}\n"]
    name = f"test/{results.primary_metric}"
    if name in numbers:
        lines.append(
            f"**Test {results.primary_metric_name} {numbers[name]:.4f}** on {numbers['test/n']:,} "
            f"samples, {interval_of(name, numbers)}{_over(results, name)}.\n"
        )
    if numbers["trained_on_simulated"]:
        lines.append(
            "**The training data was simulated.** These numbers tell how the model does on "
            "simulated recordings, not on people; test it with `stage=test data_dir=…`.\n"
            if numbers["simulated"]
            else "The model was trained on simulated data alone.\n"
        )
    return "\n".join(lines)


def _over(results: Results, name: str) -> str:
    if results.numbers[f"{name}_low"] is None:
        return ""
    groups = results.predictions["group"].nunique()
    people = "simulated people" if results.numbers["simulated"] else "groups"
    over = f"{groups} {people}" if groups > 1 else "the recordings of one group"
    return f" (bootstrap over {over})"


def _data(results: Results, config: DictConfig) -> str:
    counts = results.counts
    origin = "the built-in simulator" if results.numbers["simulated"] else f"`{config.data_dir}`"
    note = f": {results.card.split}" if config.stage == "fit" else ""
    by_split = counts.groupby("split", sort=False).agg(
        samples=("samples", "sum"), classes=("label", "nunique"), groups=("group", "nunique")
    )
    parts = [
        "## Data\n",
        f"From {origin}. Split `{_split_name(config)}`{note}.\n",
        _table(by_split.reset_index()),
    ]
    many = counts["label"].nunique() > MANY_LABELS
    if many and not results.card.classes:  # sentences rather than classes
        return "\n".join([*parts, _groups(results)])
    train = counts[counts["split"] == "train"].groupby("label")["samples"].sum()
    if len(train) > 1 and train.nunique() == 1:
        parts.append(f"Balance ratio 1.00 in training: {train.max():,} samples of every class.\n")
    elif len(train) > 1:
        largest, smallest = (markdown_text(name) for name in (train.idxmax(), train.idxmin()))
        parts.append(
            f"Balance ratio {train.max() / train.min():.2f} in training: the largest class "
            f"(`{largest}`, {train.max():,}) over the smallest (`{smallest}`, "
            f"{train.min():,}).\n"
        )
    if not many:
        parts.append(_folded("Samples a class", _wide(counts, "label")))
    return "\n".join([*parts, _groups(results)])


def _split_name(config: DictConfig) -> str:
    """Return the split as the command line calls it."""
    name = config.split._target_.rsplit(".", 1)[-1]
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _groups(results: Results) -> str:
    counts = results.counts
    if results.numbers["simulated"]:
        return ""
    several = 1 < counts["group"].nunique() <= MANY_LABELS
    return _folded("Samples a group", _wide(counts, "group")) if several else ""


def _wide(counts: pd.DataFrame, by: str) -> str:
    table = counts.pivot_table(
        index=by, columns="split", values="samples", aggfunc="sum", fill_value=0, sort=False
    )
    return _table(table.astype(int).reset_index())


def _model(results: Results) -> str:
    net = results.card.net
    settings = ", ".join(f"{k} {markdown_text(v)}" for k, v in net.items() if k != "_target_")
    return (
        "## Model\n\n"
        f"`{results.card.net_name}` with {results.numbers['parameters']:,} "
        f"parameters ({settings}).\n"
    )


def _configuration(results: Results, config: DictConfig) -> str:
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
    return f"## Configuration\n\n{_table(table)}\nAll of it: `config.yaml`.\n"


def _training(results: Results, config: DictConfig) -> str:
    table, metric = results.epochs, config.monitor.metric
    if table.empty or metric not in table:
        return ""
    draw_curves(table, metric, results.numbers["best_epoch"], results.folder / "curves.png")
    best = table.loc[results.numbers["best_epoch"]]
    lines = [
        "## Training\n",
        "![loss and scores by epoch](curves.png)\n",
        f"{len(table)} epochs. Best epoch: **{results.numbers['best_epoch']}**, "
        f"{metric} {best[metric]:.4f}.\n",
    ]
    score = _score_of_both(table)
    if score:
        train, val = best[f"train/{score}"], best[f"val/{score}"]
        lines.append(
            f"Train–validation gap at the best epoch: {train - val:+.4f} of {score} (training "
            f"{train:.4f}, measured on augmented batches while the weights moved).\n"
        )
    lines += milestones(table, metric, config.monitor.mode)
    return "\n".join(lines)


def _score_of_both(table: pd.DataFrame) -> str:
    """The accuracy that training and validation both have; empty where there is none."""
    names = [n for n in ("acc", "token_acc") if {f"train/{n}", f"val/{n}"} <= set(table)]
    return names[0] if names else ""


def milestones(table: pd.DataFrame, metric: str, mode: str) -> list[str]:
    """The first epoch that reached each milestone; several reached at once are one line."""
    if metric.endswith("/loss"):
        return []
    sign = "≥" if mode == "max" else "≤"
    goals = [m if mode == "max" else round(1 - m, 2) for m in MILESTONES]
    values = table[metric]
    reached = {m: table.index[values >= m if mode == "max" else values <= m] for m in goals}
    first = {int(epochs[0]): m for m, epochs in reached.items() if len(epochs)}
    lines = [f"- epoch {e}: {metric} {values[e]:.4f} ({sign} {m})" for e, m in first.items()]
    return ["Milestones:\n", *lines, ""] if lines else []


def _test(results: Results, config: DictConfig) -> str:
    rows = results.predictions
    if rows.empty:
        return ""
    tested = f"test/{results.primary_metric}" in results.numbers
    names = [n for n in results.numbers if n.startswith("test/" if tested else "val/")]
    values = [results.numbers[name] for name in names]
    shown = [f"{v:,}" if isinstance(v, int) else score(v) or "none" for v in values]
    scores = pd.DataFrame({"metric": names, "value": shown})
    title = "Test" if tested else "Validation (nothing was kept for testing)"
    parts = [f"## {title}\n", _table(scores)]
    if any(name.endswith("/f1") for name in names):
        classes = rows["label"].nunique(), len({*rows["label"], *rows["prediction"]})
        parts.append(
            f"f1 is the mean over the {classes[1]} classes that are tested or predicted; "
            f"{classes[0]} are tested.\n"
        )
    if "errors" in rows:
        return "\n".join([*parts, *_text(rows, results, config)])
    if rows["group"].nunique() > 1 and not results.numbers["simulated"]:
        parts.append(group_section(rows))
    found = confusions(rows, results.card.classes, config)
    found.write(results.folder)
    parts += found.sections()
    parts.append("![confusion matrix](confusion_matrix.png)\n")
    if (results.folder / "mistakes.png").exists():
        parts += ["### Surest mistakes\n", "![strips of film](mistakes.png)\n"]
    return "\n".join(parts)


def _text(rows: pd.DataFrame, results: Results, config: DictConfig) -> list[str]:
    closed = bool(results.card.classes)
    sections = text_sections(rows, results.folder, closed)
    parts = [f"### {heading}\n\n{content}" for heading, content in sections]
    if closed:
        nearest = rows.assign(label=rows["reference"], prediction=rows["nearest"])
        found = confusions(nearest, results.card.classes, config)
        found.write(results.folder)
        parts.append(pair_section(found.pairs))
        parts.append("![confusion matrix](confusion_matrix.png)\n")
    return parts


def _wrong(results: Results, config: DictConfig) -> str:
    notes = list(results.wrong) + describe_post_mortems(results.folder)
    table, best = results.epochs, results.numbers["best_epoch"]
    score = _score_of_both(table)
    if best is not None and score:
        gap = table[f"train/{score}"][best] - table[f"val/{score}"][best]
        if gap > OVERFITTING_GAP:
            notes.append(
                f"Overfitting: training accuracy is {gap:.2f} above validation accuracy at the "
                "best epoch. More people, stronger augmentation or a smaller network may help."
            )
    if best is not None and {"val/loss"} <= set(table) and len(table) >= best + 3:
        rise = table["val/loss"].iloc[-1] / table["val/loss"].min()
        if rise > 1.2:
            notes.append(
                f"Validation loss ended {rise - 1:.0%} above its lowest value: the last epochs "
                "made the model surer of its mistakes."
            )
    if config.stage == "fit":
        notes += _data_warnings(results, config)
    text = "\n".join(f"- {note}" for note in notes) or "None."
    return f"## Warnings\n\n{text}\n"


def _data_warnings(results: Results, config: DictConfig) -> list[str]:
    """Return warnings of a split that leaks, and of a validation that is too small to choose by."""
    notes = [f"Split: {results.card.split}."] if results.card.leaks else []
    counts = results.counts
    count = int(counts.loc[counts["split"] == "val", "samples"].sum())
    if results.numbers["best_epoch"] is not None and count < FEW_TO_CHOOSE_BY:
        notes.append(
            f"Validation has {count} samples: too few to choose the best epoch by "
            f"{config.monitor.metric}. Epochs that differ little differ by chance; record more, "
            "or raise split.val_fraction."
        )
    return notes


def _checkpoints(results: Results, config: DictConfig) -> str:
    files = sorted((results.folder / "checkpoints").glob("*.ckpt"))
    if not files:
        return ""
    use = {"best": "use this one", "last": "to resume"}
    table = pd.DataFrame(
        {
            "file": [f"checkpoints/{file.name}" for file in files],
            "MB": [f"{file.stat().st_size / 1e6:.2f}" for file in files],
            "for": [use.get(file.stem, "") for file in files],
        }
    )
    return f"## Checkpoints\n\n{_table(table)}"


def _table(table: pd.DataFrame) -> str:
    return markdown_cells(table).to_markdown(index=False) + "\n"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"
