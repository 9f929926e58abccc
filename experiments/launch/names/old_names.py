"""Names of the previous version, which commands, run folders and models may hold.

Every row is a name that a user typed or that a file holds, and its new name. The code that reads
these tables is in ``experiments/launch/names/renaming.py``. A row is deleted one version later.
"""

from __future__ import annotations

_READERS = {
    "asl": (
        *("hand_input.HandInput", "image_folder.ImageFolder"),
        *("landmark_csv.LandmarkCSV", "landmark_npy.LandmarkNPY"),
    ),
    "lips": (
        *("mouth_input.MouthInput", "frame_folder.FrameFolder", "lrw.LRW"),
        *("video_folder.VideoFolder", "video_manifest.VideoManifest"),
    ),
    "emg": ("emg_input.EMGInput", "emg_manifest.EMGManifest", "gaddy.Gaddy", "somach.Somach"),
}
# Classes that ``_target_`` names: old dotted path → new dotted path. The states of callbacks in
# checkpoints follow their class names.
TARGETS: dict[str, str] = {
    "callbacks.average.Average": "callbacks.ema.WarmupEMA",
    "callbacks.checkpoint.Checkpoint": "callbacks.checkpoints.epoch_checkpoint.EpochCheckpoint",
    "callbacks.checkpoint_files.CheckpointFiles": (
        "callbacks.checkpoints.atomic_io.AtomicCheckpointIO"
    ),
    "callbacks.confusion_matrix.ConfusionMatrix": (
        "callbacks.outputs.confusion_matrix.ConfusionMatrix"
    ),
    "callbacks.disk_space.DiskSpace": "callbacks.checkpoints.disk_space.DiskSpaceMonitor",
    "callbacks.epoch_table.EpochTable": "callbacks.outputs.epoch_table.EpochTable",
    "callbacks.last_checkpoint.LastCheckpoint": (
        "callbacks.checkpoints.last_checkpoint.LastCheckpoint"
    ),
    "callbacks.nan_guard.NanGuard": "callbacks.nan.guard.NanGuard",
    "callbacks.predictions.Predictions": "callbacks.outputs.predictions.PredictionWriter",
    "callbacks.progress.Progress": "callbacks.progress.ProgressLines",
    "callbacks.run_state.RunState": "callbacks.checkpoints.run_state.RunState",
    "callbacks.transcripts.Transcripts": "callbacks.outputs.transcripts.TranscriptFigures",
    **{
        f"datamodules.readers.{name}": f"datamodules.readers.{package}.{name}"
        for package, names in _READERS.items()
        for name in names
    },
    "datamodules.splits.Auto": "datamodules.splits.AutoSplit",
    "datamodules.splits.ByGroup": "datamodules.splits.GroupSplit",
    "datamodules.splits.Column": "datamodules.splits.PredefinedSplit",
    "datamodules.splits.Random": "datamodules.splits.RandomSplit",
    "datamodules.tokenizers.Characters": "unvoiced.tokenizers.Characters",
    "datamodules.tokenizers.Phrases": "unvoiced.tokenizers.Phrases",
    "datamodules.tokenizers.SentencePiece": "unvoiced.tokenizers.SentencePiece",
    "datamodules.tokenizers.T5": "unvoiced.tokenizers.T5",
    "datamodules.transforms.EMGStrength": "datamodules.transforms.EMGGain",
    "datamodules.transforms.EMGTime": "datamodules.transforms.EMGTimeWarp",
    "datamodules.transforms.MouthMask": "datamodules.transforms.MouthTimeMask",
    "datamodules.transforms.MouthMove": "datamodules.transforms.MouthAffine",
    "datamodules.transforms.MouthTime": "datamodules.transforms.MouthTimeWarp",
}

# Settings: old dotted key → new dotted key, or {task or stage: new key, "": new key otherwise}.
# A row holds for everything below its key. Files hold the same keys: a card's net, module and
# reader are the groups of that name, its input is datamodule, its own fields are card.<field>.
KEYS: dict[str, str | dict[str, str]] = {
    "format": "export.format",
    "quantize": "export.quantize",
    "output": {"live": "live.output", "adapt": "adapt.output", "": "export.output"},
    "show": "predict.show",
    "workers": {"predict": "predict.num_workers", "": "prepare.num_workers"},
    "port": "serve.port",
    "host": "serve.host",
    "auth": "serve.auth",
    "module.contrastive": "module.contrastive_weight",
    "module.shared_size": "module.contrastive_dim",
    "module.temperature": "module.contrastive_temperature",
    "net.blocks": "net.num_blocks",
    "net.boundary": "net.use_word_mask",
    "net.heads": "net.num_heads",
    "net.hop": "net.hop_s",
    "net.layers": "net.num_layers",
    "net.members": "net.num_members",
    "net.parts": "net.num_segments",
    "net.rate": "net.sample_rate",
    "net.size": "net.embedding_dim",
    "net.spatial_size": "net.embedding_dim",
    "net.split": "net.high_pass_hz",
    "net.sway": "net.low_pass_hz",
    "net.vocabulary": "net.vocab_size",
    "net.width": "net.embedding_dim",
    "net.window": "net.window_s",
    "datamodule.epoch_steps": "datamodule.steps_per_epoch",
    "datamodule.length_rule": "datamodule.length_mode",
    "datamodule.shrink": "datamodule.downsample",
    "datamodule.simulator.mains": "datamodule.simulator.mains_hz",
    "datamodule.simulator.rate": {
        "emg": "datamodule.simulator.sample_rate",
        "": "datamodule.simulator.fps",
    },
    "datamodule.stretch": "datamodule.segment",
    "datamodule.stretch_s": "datamodule.segment_s",
    "datamodule.stretch_start_s": "datamodule.segment_start_s",
    "datamodule.workers": "datamodule.num_workers",
    "input_reader.min_found": "input_reader.min_face_share",
    "input_reader.rate": {"emg": "input_reader.sample_rate", "": "input_reader.fps"},
    "reader.grouped": "reader.has_groups",
    "reader.min_found": "reader.min_face_share",
    "reader.rate": {"emg": "reader.sample_rate", "": "reader.fps"},
    "reader.rates": "reader.sample_rates",
    "reader.sequences": "reader.use_sequences",
}

# Settings that the files of conf/ did not have, so that commands added them with a +.
ADDED_BEFORE = frozenset(
    [
        *("callbacks.best.save_top_k", "callbacks.best.save_weights_only"),
        *("callbacks.periodic.epochs", "callbacks.periodic.keep"),
        *("callbacks.periodic.save_weights_only", "callbacks.nan_guard.weights_mb"),
        *("trainer.benchmark", "trainer.enable_checkpointing", "trainer.enable_progress_bar"),
        *("trainer.fast_dev_run", "trainer.gradient_clip_algorithm", "trainer.inference_mode"),
        *("trainer.limit_predict_batches", "trainer.min_epochs", "trainer.min_steps"),
        *("trainer.overfit_batches", "trainer.reload_dataloaders_every_n_epochs"),
        *("trainer.sync_batchnorm", "trainer.val_check_interval"),
        *("scheduler.build.T_max", "scheduler.build.cycle_momentum", "scheduler.build.eta_min"),
        *("input_reader.keep_empty", "reader.split_folders", "split.include_test"),
    ]
)

# Choices of groups and values of settings: "group=old" → "group=new". Keys are new ones.
CHOICES: dict[str, str] = {
    "trainer=smoke": "debug=smoke",
    "trainer=overfit": "debug=overfit",
    "trainer=profile": "debug=profile",
    "trainer=debug": "debug=one_batch",
    "experiment=asl_seed": "experiment=asl_reference",
    "experiment=lipread_seed": "experiment=lipread_reference",
    "experiment=vsr_seed": "experiment=vsr_reference",
    "experiment=emg_hybrid_seed": "experiment=emg_hybrid_reference",
    "experiment=emg_spatiotemporal_seed": "experiment=emg_spatiotemporal_reference",
    "experiment=asl_best": "experiment=asl_recommended",
    "experiment=lipread_best": "experiment=lipread_recommended",
    "experiment=vsr_best": "experiment=vsr_recommended",
    "experiment=emg_best": "experiment=emg_recommended",
}

# Names of weights: class of a network or module → (old regular expression, replacement). The
# expressions are searched in the name inside that class, such as "layers.0.weight".
_ATTENTION = [(r"\.pair\.", ".key_value."), (r"\.out\.", ".out_proj.")]
_READER = [
    (r"^reader\.look\.", "reader.cross_attention."),
    (r"^reader\.agree\.", "reader.self_attention."),
    (r"^reader\.after\.", "reader.output_block."),
    *_ATTENTION,
]
_RECURRENT = [(r"\.onward\.", ".forward_layers."), (r"\.back\.", ".backward_layers.")]
_CONVOLUTIONS = [(r"\.first\.", ".conv1."), (r"\.second\.", ".conv2.")]
_CLIP_MEMBERS = [
    (r"\.frames\.", ".frame_encoder."),
    (r"\.gather\.", ".proj."),
    (r"\.last\.", ".proj_norm."),
    (r"\.time\.", ".temporal."),
    *_CONVOLUTIONS,
]
WEIGHTS: dict[str, list[tuple[str, str]]] = {
    "LandmarkGRU": [(r"^project\.", "input_proj.")],
    "LetterNet": [
        (r"^scale\.", "input_norm."),
        (r"^enter\.", "input_proj."),
        (r"^leave\.", "output_proj."),
    ],
    "LipTCN": _CLIP_MEMBERS,
    "WordTCN": [(r"\.spoken$", ".word_embedding"), *_CLIP_MEMBERS],
    "ResNetBiLSTM": [(r"^frames\.", "trunk."), *_ATTENTION],
    "ResNetTCN": [
        (r"^frames\.", "trunk."),
        (r"^widen\.", "input_proj."),
        (r"^time\.", "temporal."),
    ],
    "EMGCTC": [(r"^enter\.", "input_proj."), *_READER, *_RECURRENT],
    "EMGHybrid": [
        (r"^enter\.", "input_proj."),
        (r"^last\.", "final_norm."),
        (r"^(layers\.\d+)\.feed\.", r"\1.feed_forward."),
        *_READER,
        *_RECURRENT,
        *_CONVOLUTIONS,
    ],
    "EMGSpatioTemporal": [
        (r"^project\.", "input_proj."),
        (r"^place$", "channel_embedding"),
        (r"^last\.", "final_norm."),
        (r"^(layers\.\d+)\.time\.", r"\1.time_attention."),
        (r"^(layers\.\d+)\.space\.", r"\1.channel_attention."),
        (r"^(layers\.\d+)\.feed\.", r"\1.feed_forward."),
        *_READER,
    ],
    "EMGWords": [(r"\.gather\.", ".proj."), (r"\.pull\.", ".content_score.")],
    "EMGModule": [(r"^shared\.", "contrastive_head.")],
}
