"""Generate docs/configuration.md: every key of conf/, its default, values and meaning.

python -m tests.helpers.configuration_page
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from pathlib import Path

import yaml

from experiments.launch.settings.rules import find_rule
from experiments.launch.settings.signatures import find_class, list_arguments
from experiments.launch.settings.suggestions import key_prefix
from tests.helpers.paths import ROOT

CONF = ROOT / "conf"
PAGE = ROOT / "docs" / "configuration.md"
GROUPS = {
    "task": "Tasks. Each sets the other groups and these keys.",
    "datamodule": "Batches; a task sets this group.",
    "reader": "Layouts of recordings for `stage=prepare`.",
    "split": "Division into training, validation and test ([splits](splits.md)).",
    "tokenizer": "Text to tokens (`task=emg`).",
    "augment": "Augmentation of training batches.",
    "module": "Loss and decoding; a task sets this group.",
    "net": "Networks.",
    "optimizer": "Optimizers.",
    "scheduler": "Learning-rate schedules.",
    "callbacks": "Callbacks; `callbacks.<name>=null` removes one.",
    "logger": "Loggers; several as `'logger=[tensorboard,wandb]'`.",
    "trainer": "Devices and strategy of Lightning's Trainer.",
    "experiment": "Recipes. Each sets a task and these keys.",
    "debug": "Short runs that look for faults; they change other groups.",
    "results": "Tables of results, with `-m` ([results](results.md)).",
    "sweep": "Search spaces for `-m sweep=<task>` ([sweeps](sweeps.md)).",
}
PRESETS = ("experiment", "results", "sweep", "debug")  # only set keys that other groups describe
INTRODUCTION = """# Configuration

This page is generated from `conf/` and `experiments/launch/settings/*rules.py` by `python -m tests.helpers.configuration_page`.

Any key is set on the command line as `key=value`; a group takes the name of one of its files, such as `net=resnet_bilstm`. *Default* is the value in the file: `${key}` takes the value of another key, and "tiny" is the value with `size=tiny`. *Values* are those that the command line accepts, with the unit in parentheses. A command with any other value ends with one sentence before anything is written.

Hydra's own keys that are used here: `hydra.run.dir` (the run folder), `hydra.sweep.dir` (the sweep folder), `hydra.sweeper.n_trials` and `hydra.sweeper.n_jobs` (trials of a search, and how many run at a time), `hydra/launcher` and `hydra/sweeper/sampler` ([sweeps](sweeps.md), [clusters](training.md#clusters)).
"""  # noqa: E501
# Meanings of keys that occur in many files without a comment.
SHARED = {
    "data_dir": "the prepared set; null: simulated data",
    "raw_dir": "the folder of recordings",
    "seed": "seed of the random numbers",
    "fold": "which groups are left out",
    "size": "groups that are left out at a time",
    "val": "how validation samples are drawn: whole groups, or a random share",
    "val_fraction": "share of the samples that validates",
    "test_fraction": "share of the samples that is tested",
    "calibrate": "recordings per class of each tested group that train instead",
    "classes": "classes to use; null: all",
    "task": "the task",
    "crop": "whether the recordings already show only mouths",
    "objective": "training objective of `task=emg`",
    "tokenizer": "the tokenizer",
    "path": "path of the file",
    "dirpath": "folder of the files",
    "folder": "folder of the files",
    "save_dir": "folder of the log",
    "filename": "name of the file, without extension",
    "monitor": "the metric that is compared",
    "mode": "whether a higher or a lower value is better",
    "logging_interval": "how often a row is written",
    "every_n_epochs": "epochs between two of them",
    "interval": "whether the schedule advances by epochs or by steps",
    "length_argument": "the argument that receives the length of training; null: none",
    "max_lr": "the highest learning rate",
    "anneal_strategy": "shape of the decrease",
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "betas": "decay of the optimizer's two averages",
    "epochs": "epochs at most",
    "metric": "the metric that selects the best checkpoint",
    "accelerator": "device type",
    "strategy": "how several devices work together",
    "devices": "number of devices, or their indices",
    "batch_size": "samples per training batch (per process)",
    "vocabulary": "number of tokens, or the words",
    "frames": "frames per sample",
    "rate": "sample rate or frame rate, Hz",
    "run_dir": "the run folder; set `hydra.run.dir=`",
    "rounds": "repetitions of each measurement",
    "factor": "factor of the learning rate",
    "resume": "whether Weights & Biases continues its own run",
    "early_stopping": "early stopping; null: none",
    "periodic": "checkpoints every few epochs; null: none",
    "max_epochs": "epochs at most; set `epochs=`",
    "min_epochs": "epochs at least",
    "min_steps": "steps at least",
    "limit_val_batches": "batches per validation: a number (integer) or a share (1.0: all)",
    "limit_test_batches": "batches per test: a number (integer) or a share (1.0: all)",
    "limit_predict_batches": "batches per prediction: a number (integer) or a share (1.0: all)",
    "detect_anomaly": "PyTorch's anomaly detection, which is slow",
    "num_nodes": "machines",
    "check_val_every_n_epoch": "epochs between validations",
    "num_sanity_val_steps": "validation batches before training",
    "log_every_n_steps": "steps between logged values",
    "deterministic": "deterministic algorithms of PyTorch only",
    "inference_mode": "no gradients in validation and test",
    "sync_batchnorm": "batch norm over all processes",
    "reload_dataloaders_every_n_epochs": "epochs between new loaders; 0: never",
    "enable_model_summary": "print Lightning's table of layers",
    "enable_progress_bar": "print the progress",
    "default_root_dir": "folder for files without another place",
    "plugins": "plugins of Lightning; the default writes checkpoints atomically",
}


@dataclass
class Setting:
    """A key of a file in conf/."""

    key: str
    default: str
    target: str | None  # the class that takes it
    comment: str


def read_settings(path: Path) -> list[Setting]:
    """Return the settings of a file by their full names."""
    written = path.read_text(encoding="utf-8")
    root = yaml.compose(written)
    prefix = key_prefix(path, written)
    return list(_walk(root, prefix, written.splitlines(), None)) if root else []


def _walk(
    node: yaml.MappingNode, prefix: str, lines: list[str], target: str | None
) -> Iterator[Setting]:
    names = {key.value: value for key, value in node.value}
    target = names["_target_"].value if "_target_" in names else target
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if key.value == "defaults" or key.value.startswith("_"):
            continue
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _walk(value, f"{name}.", lines, None)
        else:
            start, end = value.start_mark.index, value.end_mark.index
            text = "\n".join(lines)[start:end]
            yield Setting(name, text, target, _comment(lines, key))


def _comment(lines: list[str], key: yaml.Node) -> str:
    """Return the comment of a line, with the comment lines that continue it."""
    number = key.start_mark.line
    match = re.search(r"(?:^|\s)# ?(.*)$", lines[number])
    parts = [match[1]] if match else []
    for line in lines[number + 1 :]:
        further = re.match(r"(\s+)# ?(.*)$", line)
        if not match or not further or len(further[1]) <= key.start_mark.column + 1:
            break
        parts.append(further[2])
    return " ".join(parts)


@cache
def read_argument_meanings(target: str) -> dict[str, str]:
    """Return the arguments that the docstring of a class, or of its bases, describes."""
    result = find_class(target)
    owners = result.__mro__ if isinstance(result, type) else (result,)
    meanings: dict[str, str] = {}
    for owner in owners:
        section = re.search(r"Args:\n((?: {4,}.*\n?|\n)+)", f"{getdoc(owner) or ''}\n")
        for names, text in re.findall(
            r"^ {4}([\w, ]+?)(?: \([^)]*\))?: ((?:.*\n?)(?:^ {5,}.*\n?)*)",
            section[1] if section else "",
            re.MULTILINE,
        ):
            for name in names.split(", "):
                meanings.setdefault(name.strip("*` "), " ".join(text.split()))
    return meanings


def format_values(setting: Setting) -> str:
    """Return the values that a setting accepts, in words."""
    rule = find_rule(setting.key)
    if rule is None and setting.target:
        arguments, _ = list_arguments(find_class(setting.target))
        rule = arguments.get(setting.key.rpartition(".")[2])
    return rule.expected if rule else "any value"


def find_meaning(setting: Setting, others: dict[str, str]) -> str:
    """Return a setting's comment, else its meaning elsewhere."""
    name = setting.key.rpartition(".")[2]
    documented = read_argument_meanings(setting.target) if setting.target else {}
    choices = (setting.comment, others.get(setting.key), documented.get(name), SHARED.get(name))
    return next((text for text in choices if text), "")


def format_default(text: str) -> str:
    """Return a default as the page shows it."""
    text = " ".join(re.sub(r"\s#.*", "", text).split())
    tiny = re.fullmatch(r"\$\{full_or_tiny:([^,]+),([^,]+)\}", text)
    if tiny:
        return f"`{tiny[1]}` (tiny: `{tiny[2]}`)"
    return f"`{text}`" if text else "–"


def format_table(settings: list[Setting], others: dict[str, str]) -> str:
    """Return a Markdown table of settings."""
    rows = [
        f"| `{one.key}` | {format_default(one.default)} | {format_values(one)} | "
        f"{find_meaning(one, others)} |"
        for one in settings
    ]
    rows = [re.sub(r"(?<=\S)\|(?=\S)", r"\\|", row) for row in rows]
    return "\n".join(["| key | default | values | meaning |", "|---|---|---|---|", *rows])


def format_short_table(settings: list[Setting]) -> str:
    """Return a Markdown table of settings that other tables describe."""
    rows = [
        f"| `{one.key.removeprefix('hydra.sweeper.params.')}` | {format_default(one.default)} |"
        for one in settings
    ]
    return "\n".join(["| key | value |", "|---|---|", *rows])


def list_group_files() -> dict[str, list[Path]]:
    """Return the files of each group."""
    return {
        group: [*sorted(CONF.glob(f"{group}_*base.yaml")), *sorted((CONF / group).glob("*.yaml"))]
        for group in GROUPS
    }


def read_comments() -> dict[str, str]:
    """Return the first comment of each key."""
    result: dict[str, str] = {}
    for path in [
        CONF / "config.yaml",
        *(path for paths in list_group_files().values() for path in paths),
    ]:
        for one in read_settings(path):
            if one.comment:
                result.setdefault(one.key, one.comment)
    return result


def render_page() -> str:
    """Return the page."""
    others = read_comments()
    parts = [
        INTRODUCTION,
        "## Root\n",
        format_table(read_settings(CONF / "config.yaml"), others),
        "",
    ]
    for group, paths in list_group_files().items():
        parts += [f"## {group}\n", f"{GROUPS[group]}\n"]
        for path in paths:
            settings = read_settings(path)
            title = f"{group}={path.stem}" if path.parent != CONF else f"conf/{path.name}"
            parts += [f"### `{title}`\n", f"{describe_file(path)}\n"]
            if settings and group != "results":
                is_preset = group in PRESETS
                parts += [
                    format_short_table(settings) if is_preset else format_table(settings, others),
                    "",
                ]
    return "\n".join(parts).rstrip() + "\n"


def describe_file(path: Path) -> str:
    """Return the comment at the head of a file, else the class that it builds."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if not line.startswith("# @")]
    comment = []
    for line in head:
        if not line.startswith("#"):
            break
        comment.append(line[1:].strip())
    text = "\n".join(lines)
    target = re.search(r"^_target_: (\S+)", text, re.MULTILINE)
    built = f"`{target[1]}`" if target else ""
    bases = re.findall(rf"/({path.parent.name}_\w*base)\b", text)
    shared = (
        f" With the keys of {' and '.join(f'`conf/{b}.yaml`' for b in bases)}." if bases else ""
    )
    return (" ".join(comment) or built or f"`conf/{path.relative_to(CONF)}`") + shared


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
