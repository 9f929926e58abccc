"""Checks of a command as a whole: its keys, its stage and its run folder."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from experiments.launch.errors import report_errors
from experiments.launch.requirements import require_files, require_relations, require_writable
from experiments.launch.settings.schema import (
    NAMED,
    validate_configuration,
    validate_plain_settings,
)
from experiments.launch.settings.suggestions import (
    CONF,
    explain_unknown,
    list_known_keys,
    list_tasks_with,
)
from unvoiced.validation import to_yaml

# The settings and groups that only some stages read.
READ_BY = {
    "epochs": ("fit", "benchmark", "serve"),
    "raw_dir": ("prepare",),
    "classes": ("fit", "validate", "test", "adapt", "export", "benchmark", "serve", "replay"),
    "crop": ("prepare", "predict", "live", "serve", "export", "doctor", "benchmark"),
    "reader": ("prepare",),
    "compile": ("fit",),
    "init_from": ("fit",),
    "log_best": ("fit",),
    "trainer.log_every_n_steps": ("fit", "benchmark"),
    "profile": ("predict", "live", "serve", "export", "adapt"),
    "shots": ("test",),
    "adapt": ("adapt",),
    "adapt.method": ("adapt", "test"),
    "adapt.only_taught": ("adapt", "test"),
    "ckpt_path": (
        *("validate", "test", "adapt", "predict", "live", "serve", "export", "benchmark"),
        "doctor",
    ),
    "input": ("predict", "live", "adapt", "record", "doctor", "summary", "replay", "benchmark"),
    "doctor": ("doctor",),
    "export": ("export",),
    "prepare": ("prepare",),
    "record": ("record",),
    "predict": ("predict",),
    "pronunciations": ("fit", "validate", "test", "summary"),
    "serve": ("serve",),
    "benchmark": ("benchmark",),
    "results": ("fit",),
    "live": ("live", "serve", "predict", "export", "benchmark"),
    "live.output": ("live",),
    "live.feedback": ("live",),
    **dict.fromkeys(("live.suggest", "live.type"), ("live",)),
    **dict.fromkeys(("live.words", "live.phrases", "live.accept"), ("live", "serve")),
    "input_reader": ("predict", "live", "record", "doctor", "serve", "export", "benchmark"),
    **dict.fromkeys(
        ("net", "module", "optimizer", "scheduler"), ("fit", "benchmark", "serve", "replay")
    ),
}
INSTEAD = {
    "ckpt_path": "Use resume=<run folder> to resume a run, or init_from= to start from weights.",
    "raw_dir": "Use data_dir=<a prepared set>; stage=prepare makes one of raw_dir=.",
    "input": "Use data_dir=<a prepared set>; stage=predict reads input=.",
    "net": "The network is the checkpoint's own.",
    "module": "The module is the checkpoint's own.",
}


class ValidateCommand(Callback):
    """A Hydra callback that refuses a command before anything is written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the command."""
        with report_errors():
            _require_multirun(config)
            validate_command(config)


def validate_command(config: DictConfig) -> None:
    """Refuse a command that cannot be run.

    Raises:
        ValueError: with the setting, its value and the expected values.
    """
    folder = config.hydra.run.dir
    validate_overrides(typed_overrides(config), config)
    changed = config.copy()
    with open_dict(changed):
        changed.pop("hydra")
        changed.run_dir = folder
    validate_plain_settings(changed)
    require_files(changed)  # before the classes of the settings are imported, which takes seconds
    validate_configuration(changed)
    require_relations(changed)
    require_writable(folder)


def _require_multirun(config: DictConfig) -> None:
    if config.results.tables:
        choice = config.hydra.runtime.choices.get("results")
        raise ValueError(f"results={choice} measures many runs. Add -m: run.py -m results={choice}")


def validate_job(config: DictConfig) -> None:
    """Check the keys of a job of a sweep, which Hydra composes by itself.

    Raises:
        ValueError: a key does not exist or has no effect.
    """
    if HydraConfig.initialized():  # not in a job that a program runs by itself
        validate_overrides(typed_overrides(HydraConfig.instance().cfg), config)


def typed_overrides(config: Any) -> list[Override]:
    """Return the overrides as they were typed, without resolving interpolations."""
    typed = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    return OverridesParser.create().parse_overrides(list(map(str, typed)))


def validate_overrides(overrides: list[Override], config: DictConfig) -> None:
    """Refuse keys that do not exist, and keys that have no effect."""
    for one in overrides:
        key = one.key_or_group
        if not key.startswith("hydra"):
            if one.is_add() or one.is_force_add():
                _require_known(key, config)
            if not one.is_delete():
                _require_effect(key, (one.input_line or "").partition("=")[2], config)


def _require_known(key: str, config: DictConfig) -> None:
    """Refuse ``+key=`` where nothing reads the key."""
    root, *inner = key.split(".")
    parents = [OmegaConf.select(config, key.rsplit(".", n)[0]) for n in range(1, len(inner) + 1)]
    is_argument = any(isinstance(one, DictConfig) and "_target_" in one for one in parents)
    is_new_node = bool(inner) and root in NAMED
    owners = list_tasks_with(root)
    if owners and config.task not in owners:
        raise ValueError(explain_unknown(key))
    is_written = key in list_known_keys() or (CONF / key).is_dir()
    if not (is_argument or is_new_node or is_written):
        raise ValueError(explain_unknown(key))


def _require_effect(key: str, value: str, config: DictConfig) -> None:
    stage, root = config.stage, key.partition(".")[0].partition("@")[0]
    stages = READ_BY.get(key, READ_BY.get(root))
    if stages and stage not in stages:
        raise ValueError(
            f"{key}={to_yaml(value)} has no effect in stage={stage}; it is for "
            f"stage={' and stage='.join(stages)}. {INSTEAD.get(root, '')}".rstrip()
        )
    for pattern, condition, needed in CONDITIONS:
        if fnmatchcase(key, pattern) and not condition(config):
            raise ValueError(f"{key}={to_yaml(value)} has no effect here; it needs {needed}.")


def _select(config: DictConfig, key: str) -> Any:
    return OmegaConf.select(config, key)


def _is_suggesting(config: DictConfig) -> bool:
    if config.stage == "serve":
        return config.serve.suggest and config.serve.engine == "server"
    return bool(_select(config, "live.suggest"))


SILENCE = "benchmark.false_activations=true"
SUGGESTIONS = "live.suggest=true; in stage=serve, serve.suggest=true and serve.engine=server"
# Settings that need another one: pattern, whether they have an effect, the needed setting.
CONDITIONS: tuple[tuple[str, Callable[[DictConfig], Any], str], ...] = (
    (
        "log_best",
        lambda c: _select(c, "logger.wandb") or _select(c, "logger.mlflow"),
        "logger=wandb or logger=mlflow, which store files",
    ),
    (
        "trainer.log_every_n_steps",
        lambda c: (
            _select(c, "callbacks.step_log")
            or _select(c, "callbacks.learning_rate.logging_interval") == "step"
        ),
        "callbacks.step_log, which callbacks=none and callbacks.step_log=null remove",
    ),
    (
        "live.min_probability",
        lambda c: _select(c, "live.coverage") is None and _select(c, "live.wrong_per_hour") is None,
        "live.coverage=null and live.wrong_per_hour=null: a promise sets the threshold itself",
    ),
    *((f"live.{name}", _is_suggesting, SUGGESTIONS) for name in ("words", "phrases", "accept")),
    *(
        (key, lambda c: c.stage != "benchmark" or c.benchmark.false_activations, SILENCE)
        for key in ("input", "crop", "live.*", "input_reader.*", "benchmark.minutes")
    ),
    (
        "benchmark.measure",
        lambda c: not any(c.benchmark[n] for n in ("callbacks", "phrases", "false_activations")),
        "no other benchmark (benchmark.callbacks, phrases or false_activations)",
    ),
    ("doctor.settle_s", lambda c: str(c.input).startswith("camera:"), "input=camera:0"),
    ("adapt.shots", lambda c: c.input, "input=camera:0 or a video"),
    ("adapt.classes", lambda c: c.input, "input=camera:0 or a video"),
    ("input", lambda c: c.stage != "adapt" or c.adapt.method == "profile", "adapt.method=profile"),
    ("profile", lambda c: c.stage != "adapt" or c.input, "input=camera:0, which extends it"),
    ("results.*", lambda c: c.results.tables, "results=asl or another table, and -m"),
    ("run_dir", lambda c: False, "hydra.run.dir=, which names the folder"),
    ("fold", lambda c: "fold" in c.split, "split=leave_one_group_out"),
    ("adapt.method", lambda c: c.stage != "test" or c.shots, "shots=[0,1,3]"),
    ("adapt.only_taught", lambda c: c.stage != "test" or c.shots, "shots=[0,1,3]"),
    ("adapt.method", lambda c: c.stage != "test" or c.adapt.method != "confidence", "stage=adapt"),
    ("adapt.only_taught", lambda c: c.adapt.method == "profile", "adapt.method=profile"),
    (
        "live.*",
        lambda c: (
            c.stage != "export"
            or c.export.format in ("web", "html")
            or str(c.export.output).endswith(".html")
        ),
        "export.format=web or export.format=html",
    ),
    *(
        (f"serve.{name}", lambda c: c.serve.engine == "server", "serve.engine=server")
        for name in (
            *("visitors", "idle_s", "max_upload_mb", "max_upload_s", "readers", "queue"),
            *("suggest", "api_docs"),
        )
    ),
    ("serve.key", lambda c: c.serve.certificate, "serve.certificate=FILE"),
    ("adapt.output", lambda c: c.adapt.method == "profile", "adapt.method=profile"),
    (
        "datamodule.simulator.*",
        lambda c: (
            _select(c, "datamodule.data_dir") is None or _select(c, "datamodule.simulated_share")
        ),
        "the simulator: leave out data_dir=, or set datamodule.simulated_share=",
    ),
    (
        "datamodule.shared_groups",
        lambda c: isinstance(_select(c, "datamodule.data_dir"), ListConfig),
        "several sets, such as data_dir=[set_a,set_b]",
    ),
    (
        "prepare.shared_groups",
        lambda c: _select(c, "prepare.append"),
        "prepare.append=true",
    ),
    (
        "prepare.num_workers",
        lambda c: not c.prepare.merge,
        "prepare.merge=false: a merge reads no recordings",
    ),
    (
        "prepare.num_shards",
        lambda c: c.prepare.merge or c.prepare.shard is not None,
        "prepare.shard= or prepare.merge=true",
    ),
    (
        "prepare.append",
        lambda c: c.prepare.shard is None and not c.prepare.merge,
        "a preparation without shards. Merge them first, then add the other recordings",
    ),
    (
        "prepare.shard",
        lambda c: not c.prepare.merge,
        "prepare.merge=false: first each shard, then the merge",
    ),
    (
        "datamodule.curriculum_start",
        lambda c: _select(c, "datamodule.curriculum_epochs"),
        "datamodule.curriculum_epochs= above 0",
    ),
    *(
        (
            f"datamodule.{name}",
            lambda c: _select(c, "datamodule.segment_s") is not None,
            "datamodule.segment_s=<seconds>",
        )
        for name in ("segment", "segment_start_s")
    ),
    (
        "module.contrastive_temperature",
        lambda c: _select(c, "module.contrastive_weight"),
        "module.contrastive_weight= above 0",
    ),
    (
        "module.contrastive_dim",
        lambda c: _select(c, "module.contrastive_weight"),
        "module.contrastive_weight= above 0",
    ),
)
