"""The values that each setting of conf/ may have.

A pattern covers all settings that it matches (``*`` matches dots too); the first that matches
holds. Settings without a rule follow the annotations of their class (``schema.py``).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

from experiments.benchmarks.measures import list_measures
from experiments.launch.allowed import ALLOW_RULE
from experiments.launch.settings.data_rules import DATA
from experiments.launch.settings.reader_rules import READING
from experiments.launch.settings.result_rules import RESULTS
from experiments.launch.settings.rule_kinds import (
    COUNT,
    FILE,
    FILES,
    FOLDER,
    FOLDERS,
    MOST_EPOCHS,
    NAME,
    SECONDS,
    SECONDS_ABOVE_ZERO,
    SEED,
    SHARD,
    SHARE,
    TAGS,
)
from experiments.launch.settings.training_rules import MODEL, TRAINING
from unvoiced.validation import (
    FLAG,
    NULL,
    Rule,
    choice_rule,
    integer_rule,
    list_of,
    number_rule,
    text_rule,
)

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
ROOT: dict[str, Rule] = {
    "task": NAME,
    "stage": NAME,
    "allow": ALLOW_RULE,
    "epochs": integer_rule(1, MOST_EPOCHS),
    "seed": SEED,
    "data_dir": FOLDERS | NULL,
    "raw_dir": FOLDER | NULL,
    "crop": choice_rule("none", "mouth", "fixed") | NULL,
    "init_from": FILE | NULL,
    "ckpt_path": FILES | NULL,
    "profile": FILE | NULL,
    "shots": list_of(
        integer_rule(0, 1_000), 1, 100, "a list of integers from 0 to 1,000, such as [0,1,3,5]"
    )
    | NULL,
    "input": text_rule("a path, camera:0 or lsl:NAME") | list_of(NAME) | NULL,
    "pronunciations": FILE | NULL,
    "resume": text_rule("a run folder or a checkpoint in one") | NULL,
    "calibrate": integer_rule(0, 10_000, "recordings of each class"),
    "fold": integer_rule(0, 100_000),
    "compile": FLAG | choice_rule(*COMPILE_MODES) | NULL,
    "oversubscribe": FLAG,
    "size": choice_rule("full", "tiny"),
    "run_dir": FOLDER,
    "run_id": NAME,
    "run_name": NAME,
    "run_group": NAME,
    "run_tags": TAGS,
    "log_best": FLAG,
    "objective": choice_rule("ctc", "cross_entropy"),
    "classes": integer_rule(2, 1_000_000)
    | list_of(NAME | integer_rule(-(10**18), 10**18), meaning="a list of classes")
    | NULL,
}

NODES: dict[str, Rule] = {
    "monitor.metric": text_rule("the name of a metric, such as val/acc"),
    "monitor.mode": choice_rule("max", "min"),
    "prepare.num_workers": integer_rule(1, 1024, "processes") | NULL,
    "prepare.append": FLAG,
    "prepare.shared_groups": FLAG,
    "prepare.shard": integer_rule(0, 99_999, "a shard") | SHARD | NULL,
    "prepare.num_shards": integer_rule(1, 100_000, "shards") | NULL,
    "prepare.merge": FLAG,
    "record.classes": list_of(NAME, 1, meaning="a list of signs or words, such as [yes,no]") | NULL,
    "record.repetitions": integer_rule(1, 10_000),
    "record.person": text_rule("a name") | integer_rule(0, 10**9) | NULL,
    "record.session": text_rule("a name") | integer_rule(0, 10**9) | NULL,
    "record.consent": FLAG,
    "record.keep_video": FLAG,
    "record.pause_every": integer_rule(0, 100_000, "recordings"),
    "record.window_s": SECONDS_ABOVE_ZERO,
    "record.timeout_s": SECONDS_ABOVE_ZERO,
    "record.idle_s": SECONDS_ABOVE_ZERO | NULL,
    "record.*_s": SECONDS,
    "doctor.seconds": number_rule(0.5, 600, "seconds"),
    "doctor.settle_s": number_rule(0, 60, "seconds"),
    "doctor.hand": choice_rule("left", "right") | NULL,
    "predict.num_workers": integer_rule(1, 1024, "processes") | NULL,
    "predict.show": FLAG,
    "adapt.method": choice_rule("profile", "finetune", "confidence"),
    "adapt.output": FILE | NULL,
    "adapt.only_taught": FLAG,
    "adapt.shots": integer_rule(1, 10, "recordings"),
    "adapt.classes": list_of(NAME | integer_rule(-(10**18), 10**18), 1, 300, "a list of names")
    | NULL,
    "export.format": choice_rule("pth", "onnx", "program", "web", "html", "hub") | NULL,
    "export.quantize": choice_rule("int8") | NULL,
    "export.output": FILE | NULL,
    "serve.engine": choice_rule("server", "browser"),
    "serve.port": integer_rule(0, 65_535),
    "serve.host": text_rule("an address of this machine, such as 127.0.0.1"),
    "serve.auth": text_rule("user:password") | NULL,
    "serve.visitors": integer_rule(1, 1000, "people"),
    "serve.max_upload_mb": number_rule(0, 100_000, "MiB", above=True),
    "serve.readers": integer_rule(1, 256, "uploads"),
    "serve.queue": integer_rule(1, 100_000, "uploads"),
    "serve.suggest": FLAG,
    "serve.auth_file": FILE | NULL,
    "serve.allowed_hosts": list_of(NAME, 0, meaning="a list of host names, such as [example.org]"),
    "serve.api_docs": FLAG,
    "serve.certificate": FILE | NULL,
    "serve.key": FILE | NULL,
    "serve.*_s": SECONDS_ABOVE_ZERO,
    "benchmark.measure": list_of(
        choice_rule(*list_measures()), 1, 100, f"a list of {', '.join(list_measures())}"
    ),
    "benchmark.clock": choice_rule("wall", "processor"),
    "benchmark.steps": COUNT,
    "benchmark.rounds": integer_rule(1, 10_000),
    "benchmark.samples": list_of(integer_rule(2, 10**9)) | NULL,
    "benchmark.recordings": FILE | NULL,
    "benchmark.callbacks": FLAG,
    "benchmark.phrases": integer_rule(1, 100_000, "phrases") | NULL,
    "benchmark.memory_mb": integer_rule(64, 10**7, "MiB") | NULL,
    "live.output": FILE | NULL,
    "live.feedback": FLAG,
    "live.type": FLAG,
    "live.suggest": FLAG,
    "live.words": FILE | NULL,
    "live.phrases": FILE | NULL,
    "live.accept": NAME | NULL,
    "benchmark.false_activations": FLAG,
    "benchmark.minutes": number_rule(0, 10_000, "minutes", above=True),
    "live.wrong_per_hour": number_rule(0, 1e6, "false answers an hour", above=True) | NULL,
    "live.repeat_s": SECONDS_ABOVE_ZERO | NULL,
    "live.window_s": SECONDS_ABOVE_ZERO | NULL,
    "live.idle_s": SECONDS_ABOVE_ZERO | NULL,
    "live.hop_s": SECONDS_ABOVE_ZERO,
    "live.poll_s": number_rule(0, 60, "seconds", above=True),
    "live.*_s": SECONDS,
    "live.*_probability": SHARE,
    "live.coverage": number_rule(0, 1, "a share", above=True, below=True) | NULL,
    "live.max_change": number_rule(0, 1000, "palm lengths", above=True) | NULL,
    "live.speech_*": number_rule(0, 1000),
}

RULES = ROOT | NODES | RESULTS | TRAINING | DATA | READING | MODEL


@cache
def find_rule(key: str) -> Rule | None:
    """Return the rule of a setting; None if its class defines the valid values."""
    if key in RULES:
        return RULES[key]
    return next((rule for pattern, rule in RULES.items() if fnmatchcase(key, pattern)), None)
