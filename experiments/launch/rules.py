"""The values that each setting of conf/ may have.

A pattern stands for all settings that it matches (``*`` matches dots too); the first that matches
holds. Settings without a rule follow the annotations of their class (experiments/launch/schema.py).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from re import fullmatch

from unvoiced.validation import (
    FLAG,
    NULL,
    Rule,
    choice,
    integer,
    list_of,
    number,
    text,
)

MOST_EPOCHS = 1_000_000
FOLDER = text("the path of a folder")
FILE = text("the path of a file")
NAME = text("a text")
NAMES = list_of(NAME | integer(-(10**18), 10**18), meaning="a list of texts, such as [yes,no]")
SHARE = number(0, 1, "a share")
SHARE_BELOW_ONE = number(0, 1, "a share", below=True)
SEED = integer(0, 2**32 - 1)
COUNT = integer(1, MOST_EPOCHS)
LAYERS = integer(1, 64)
FEATURES = integer(1, 8192, "features")
SECONDS = number(0, 86_400, "seconds")
SECONDS_ABOVE_ZERO = number(0, 86_400, "seconds", above=True)
RATE = number(0, 100_000, "Hz", above=True)
SIDE = integer(8, 1024, "pixels")
DEVIATION = number(0, 10, "a standard deviation")
PRECISIONS = ("64-true", "32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "ddp_spawn", "fsdp", "deepspeed")
DURATION = Rule(
    lambda value: isinstance(value, str) and bool(fullmatch(r"\d+(:\d\d?){3}", value)),
    "a duration as dd:hh:mm:ss",
    is_text=True,
)
DEVICES = Rule(
    lambda value: isinstance(value, str) and bool(fullmatch(r"\d+(,\d+)*", value)),
    'numbers of devices, such as "0,1"',
)
BATCH_LIMIT = integer(0, 10**9, "batches") | number(0, 1, "a share")

ROOT: dict[str, Rule] = {
    "task": NAME,
    "stage": NAME,
    "epochs": integer(1, MOST_EPOCHS),
    "seed": SEED,
    "data_dir": FOLDER | NULL,
    "raw_dir": FOLDER | NULL,
    "crop": choice("none", "mouth", "fixed") | NULL,
    "init_from": FILE | NULL,
    "ckpt_path": FILE | NULL,
    "input": text("a path, camera:0 or lsl:NAME") | list_of(NAME) | NULL,
    "format": choice("pth", "onnx", "program") | NULL,
    "quantize": choice("int8") | NULL,
    "output": FILE | NULL,
    "show": FLAG,
    "pronunciations": FILE | NULL,
    "resume": text("a run folder") | NULL,
    "calibrate": integer(0, 10_000, "recordings of each class"),
    "fold": integer(0, 100_000),
    "workers": integer(1, 1024, "processes") | NULL,
    "size": choice("full", "tiny"),
    "run_dir": FOLDER,
    "run_id": NAME,
    "port": integer(0, 65_535),
    "host": text("an address of this machine, such as 127.0.0.1"),
    "auth": text("user:password") | NULL,
    "objective": choice("ctc", "cross_entropy"),
    "classes": integer(2, 1_000_000)
    | list_of(NAME | integer(-(10**18), 10**18), meaning="a list of classes")
    | NULL,
}

NODES: dict[str, Rule] = {
    "monitor.metric": text("the name of a metric, such as val/acc"),
    "monitor.mode": choice("max", "min"),
    "serve.visitors": integer(1, 1000, "people"),
    "serve.max_upload_mb": number(0, 100_000, "MiB", above=True),
    "serve.readers": integer(1, 256, "uploads"),
    "serve.queue": integer(1, 100_000, "uploads"),
    "serve.auth_file": FILE | NULL,
    "serve.allowed_hosts": list_of(NAME, 0, meaning="a list of host names, such as [example.org]"),
    "serve.*_s": SECONDS_ABOVE_ZERO,
    "benchmark.steps": COUNT,
    "benchmark.rounds": integer(1, 10_000),
    "benchmark.samples": list_of(integer(2, 10**9)) | NULL,
    "benchmark.callbacks": FLAG,
    "benchmark.memory_mb": integer(64, 10**7, "MiB") | NULL,
    "live.repeat_s": SECONDS_ABOVE_ZERO | NULL,
    "live.window_s": SECONDS_ABOVE_ZERO | NULL,
    "live.idle_s": SECONDS_ABOVE_ZERO | NULL,
    "live.hop_s": SECONDS_ABOVE_ZERO,
    "live.poll_s": number(0, 60, "seconds", above=True),
    "live.*_s": SECONDS,
    "live.*_probability": SHARE,
    "live.speech_*": number(0, 1000),
}

TRAINING: dict[str, Rule] = {
    "optimizer.lr": number(0, 10, above=True),
    "optimizer.weight_decay": number(0, 10),
    "optimizer.betas": list_of(SHARE_BELOW_ONE, 2, 2),
    "scheduler.interval": choice("epoch", "step"),
    "scheduler.length_argument": choice("T_max", "total_steps", "total_iters", "max_iters") | NULL,
    "scheduler.monitor": NAME,
    "scheduler.build.max_lr": number(0, 10, above=True),
    "scheduler.build.pct_start": number(0, 1, "a share of the steps", above=True),
    "scheduler.build.anneal_strategy": choice("cos", "linear"),
    "scheduler.build.mode": choice("min", "max"),
    "scheduler.build.factor": number(0, 1, above=True, below=True),
    "scheduler.build.patience": integer(0, MOST_EPOCHS, "epochs"),
    "trainer.accelerator": choice("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
    "trainer.devices": integer(1, 4096)
    | choice("auto", -1)
    | list_of(integer(0, 4095), 1, 4096)
    | DEVICES,
    "trainer.num_nodes": integer(1, 100_000, "machines"),
    "trainer.max_epochs": integer(1, MOST_EPOCHS),
    "trainer.default_root_dir": FOLDER,
    "trainer.max_steps": integer(1, 10**12, "steps") | choice(-1),
    "trainer.gradient_clip_val": number(0, 1e6) | NULL,
    "trainer.gradient_clip_algorithm": choice("norm", "value") | NULL,
    "trainer.accumulate_grad_batches": integer(1, 100_000, "batches"),
    "trainer.check_val_every_n_epoch": integer(1, MOST_EPOCHS, "epochs"),
    "trainer.max_time": DURATION | NULL,
    "trainer.precision": choice(*PRECISIONS, "32", "16", "bf16", "64", 16, 32, 64),
    "trainer.strategy": choice(*STRATEGIES),
    "trainer.limit_*_batches": BATCH_LIMIT,
    "trainer.num_sanity_val_steps": integer(-1, 10**9, "batches"),
    "trainer.log_every_n_steps": integer(1, 10**9, "steps"),
    "trainer.deterministic": FLAG | choice("warn"),
    "trainer.detect_anomaly": FLAG,
    "trainer.use_distributed_sampler": choice(False),
    "trainer.enable_*": FLAG | NULL,
    "callbacks.average.decay": SHARE_BELOW_ONE,
    "callbacks.nan_guard.policy": choice("stop", "skip", "rollback"),
    "callbacks.nan_guard.at_most": integer(0, 10**9),
    "callbacks.nan_guard.factor": number(0, 1, above=True),
    "callbacks.nan_guard.every_n_steps": integer(1, 10**9, "steps"),
    "callbacks.early_stopping.patience": integer(0, MOST_EPOCHS, "epochs"),
    "callbacks.learning_rate.logging_interval": choice("epoch", "step"),
    "callbacks.transcripts.recordings": integer(1, 64),
    "callbacks.progress.every_s": SECONDS,
    "callbacks.last.every_minutes": number(0, 100_000, "minutes", above=True) | NULL,
    "callbacks.*.grace_s": SECONDS,
    "callbacks.*.every_n_epochs": integer(1, MOST_EPOCHS, "epochs"),
    "callbacks.*.save_top_k": integer(-1, MOST_EPOCHS, "checkpoints"),
    "callbacks.*.keep": integer(1, MOST_EPOCHS, "checkpoints") | NULL,
    "callbacks.*.epochs": list_of(integer(1, MOST_EPOCHS)) | NULL,
    "callbacks.*.mode": choice("min", "max"),
    "callbacks.*.monitor": NAME | NULL,
    "callbacks.*.filename": NAME,
    "callbacks.*.dirpath": FOLDER,
    "callbacks.*.folder": FOLDER,
    "callbacks.*.path": FILE,
    "logger.*.path": FILE,
    "logger.*.save_dir": FOLDER,
    "logger.tensorboard.version": text("a text", 0),
    "logger.wandb.project": NAME,
    "logger.wandb.id": NAME,
}

DATA: dict[str, Rule] = {
    "split.fold": integer(0, 100_000),
    "split.size": integer(1, 100_000, "groups"),
    "split.val": choice("group", "random"),
    "split.*_fraction": SHARE_BELOW_ONE,
    "split.include_test": FLAG,
    "split.seed": SEED,
    "tokenizer.vocabulary": integer(4, 1_000_000, "ids"),
    "tokenizer.lower": FLAG,
    "tokenizer.path": FILE | NULL,
    "augment.hand.turn": list_of(number(0, 10, "radians"), 3, 3),
    "augment.mouth_light.contrast": list_of(number(0, 10), 2, 2),
    "augment.mouth_light.*share": SHARE,
    "augment.mouth_light.brightness": number(0, 1),
    "augment.hand.keep": SHARE,
    "augment.*.flip": SHARE,
    "augment.*.drop": SHARE,
    "augment.*.trim": number(0, 0.5, "a share", below=True),
    "augment.*.longest": SHARE,
    "augment.time.shift": SHARE,
    "augment.time.warp": SHARE_BELOW_ONE,
    "augment.time.jitter": number(0, 100, "frames"),
    "augment.move.shift": number(0, 96, "pixels"),
    "augment.move.turn": number(0, 180, "degrees"),
    "augment.strength.noise": number(0, 1e6, "µV"),
    "augment.*.*": DEVIATION,
    "datamodule.simulator.vocabulary": list_of(NAME, 2, meaning="a list of words"),
    "datamodule.simulator.mains": RATE,
    "datamodule.simulator.rate": RATE,
    "datamodule.simulator.noise": number(0, 100),
    "datamodule.simulator.channels": integer(1, 256, "electrodes"),
    "datamodule.simulator.height": SIDE,
    "datamodule.simulator.width": SIDE,
    "datamodule.simulator.frames": integer(1, 1000, "frames"),
    "datamodule.simulator.words": integer(2, 100_000, "words"),
    "datamodule.simulator.seed": SEED,
    "datamodule.simulator.*": integer(1, 100_000),
    "datamodule.data_dir": FOLDER | NULL,
    "datamodule.calibrate": integer(0, 10_000, "recordings of each class"),
    "datamodule.seed": SEED,
    "datamodule.batch_size": integer(1, 100_000, "samples"),
    "datamodule.eval_batch_size": integer(1, 100_000, "samples"),
    "datamodule.frames": integer(1, 10_000, "frames"),
    "datamodule.length_rule": choice("resample", "crop_pad"),
    "datamodule.shrink": integer(1, 64),
    "datamodule.workers": integer(0, 1024, "processes"),
    "datamodule.memory_limit_mb": integer(0, 10**7, "MB"),
    "datamodule.same_order": FLAG,
    "datamodule.balance": FLAG,
    "datamodule.simulated_share": SHARE_BELOW_ONE,
    "datamodule.epoch_steps": COUNT | NULL,
    "datamodule.scale": choice("session", "recording", "none"),
    "datamodule.stretch_s": SECONDS_ABOVE_ZERO | NULL,
    "datamodule.stretch": choice("activity", "cue"),
    "datamodule.stretch_start_s": SECONDS | NULL,
    "datamodule.curriculum_epochs": integer(0, MOST_EPOCHS, "epochs"),
    "datamodule.curriculum_start": number(0, 1, "a share", above=True),
}

READING: dict[str, Rule] = {
    "reader.raw_dir": FOLDER | NULL,
    "*reader.crop": choice("none", "mouth", "fixed") | NULL,
    "reader.label": text("the name of a column, or a pattern of columns"),
    "reader.text": text("the name of a column"),
    "reader.manifest": FILE,
    "reader.group": text("the name of a column") | NULL,
    "reader.split": text("the name of a column") | NULL,
    "reader.rates": text("the name of a column") | NULL,
    "reader.path": text("the name of a column, or a pattern of columns"),
    "reader.mode": choice("all", "silent", "voiced"),
    "reader.kind": choice("words", "phrases"),
    "reader.testset": FILE | NULL,
    "reader.start": text("the name of a column") | NULL,
    "reader.end": text("the name of a column") | NULL,
    "reader.classes": integer(1, 1_000_000) | NAMES | NULL,
    "reader.labels": NAMES | NULL,
    "reader.grouped": FLAG,
    "reader.sequences": FLAG,
    "reader.min_frames": integer(1, 100_000, "frames"),
    "reader.context_s": SECONDS | NULL,
    "reader.max_gap_s": SECONDS,
    "reader.min_s": SECONDS,
    "reader.max_s": SECONDS_ABOVE_ZERO | NULL,
    "reader.max_clipped": SHARE,
    "reader.height": SIDE,
    "reader.width": SIDE,
    "reader.rate": RATE | NULL,
    "reader.split_folders": FLAG | NULL,
    "reader.zoom": number(0, 100, above=True),
    "reader.uv_per_count": number(0, 1e12, "µV", above=True),
    "reader.skip_samples": integer(0, 10**9, "samples"),
    "reader.low_hz": RATE,
    "*reader.mains_hz": RATE | NULL,
    "*reader.high_hz": RATE | NULL,
    "*reader.resample_hz": RATE | NULL,
    "*reader.channels": integer(1, 4096, "channels") | NULL,
    "*reader.model": FILE | NULL,
    "*reader.landmarker": FILE | NULL,
    "*reader.min_confidence": SHARE,
    "*reader.min_found": SHARE,
    "*reader.path": FILE | list_of(NAME) | NULL,
    "input_reader.height": SIDE | NULL,
    "input_reader.width": SIDE | NULL,
    "input_reader.rate": RATE | NULL,
    "input_reader.window_s": SECONDS_ABOVE_ZERO | NULL,
    "input_reader.hop_s": SECONDS_ABOVE_ZERO | NULL,
    "input_reader.zoom": number(0, 100, above=True) | NULL,
    "input_reader.uv_per_count": number(0, 1e12, "µV", above=True) | NULL,
    "input_reader.skip_samples": integer(0, 10**9, "samples") | NULL,
    "input_reader.low_hz": RATE | NULL,
}

MODEL: dict[str, Rule] = {
    "module.label_smoothing": SHARE_BELOW_ONE,
    "module.mixup": number(0, 100),
    "module.beam_width": integer(1, 1000),
    "module.contrastive": number(0, 1000),
    "module.temperature": number(0, 1000, above=True),
    "module.shared_size": FEATURES,
    "module.top_k": integer(1, 1000),
    "net.*dropout": SHARE_BELOW_ONE,
    "net.members": integer(1, 64, "networks"),
    "net.*layers": LAYERS,
    "net.blocks": LAYERS,
    "net.heads": integer(1, 128),
    "net.parts": integer(1, 1000),
    "net.frames": integer(1, 10_000, "frames"),
    "net.input_size": FEATURES,
    "net.hidden_size": FEATURES,
    "net.spatial_size": FEATURES,
    "net.size": FEATURES,
    "net.width": FEATURES,
    "net.boundary": FLAG | NULL,
    "net.hop": number(0, 60, "seconds", above=True),
    "net.window": number(0, 60, "seconds", above=True),
    "net.*_ms": number(0, 60_000, "milliseconds", above=True),
    "net.split": RATE,
    "net.sway": RATE,
    "net.frames_hz": RATE,
    "net.mirror": FLAG,
    "net.checkpointing": FLAG,
    "net.channels_last": FLAG,
}

RULES = ROOT | NODES | TRAINING | DATA | READING | MODEL


@cache
def rule_of(key: str) -> Rule | None:
    """Return the rule of a setting; None if its class alone says what it may be."""
    if key in RULES:
        return RULES[key]
    return next((rule for pattern, rule in RULES.items() if fnmatchcase(key, pattern)), None)
