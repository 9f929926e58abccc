"""The task vsr: selected words, and word masks from the set to the network."""

import json
from itertools import product
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from datamodules.base import PreparedDataModule
from datamodules.classes import select_classes
from datamodules.splits import PHASES
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.checkpoints.init_from import load_initial_weights
from experiments.checkpoints.load import load_checkpoint
from experiments.launch.build import build_datamodule, build_module
from experiments.launch.instantiate import instantiate
from experiments.launch.resolvers import register_resolvers
from experiments.stages import run_stage
from modules.networks.base import Network
from modules.vsr import VSRModule
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import WORDS, write_clips

pytestmark = pytest.mark.usefixtures("blank_figures")

TINY = ("net=word_tcn", "net.embedding_dim=12", "net.num_layers=1", "datamodule.frames=4")
TINY += ("datamodule.downsample=1",)


@pytest.fixture(scope="module")
def set_without_spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("untold") / "set")


@pytest.fixture(scope="module")
def set_with_spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("told") / "set", has_spans=True)


@pytest.fixture(scope="module")
def checkpoint(set_without_spans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a run with two of the four words."""
    folder = tmp_path_factory.mktemp("trained")
    asked = ("task=vsr", "debug=smoke", *TINY, f"data_dir={set_without_spans}", "classes=2")
    register_resolvers()
    with initialize_config_dir(str(ROOT / "conf")):
        run_stage(compose("config", [*asked, f"run_dir={folder}"]))
    return folder / "checkpoints" / "best.ckpt"


# ---- which words


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("3", ("about", "below", "people")),
        ("[water,below]", ("below", "water")),
    ],
)
def test_only_the_selected_words_are_kept_in_every_part(
    asked: str, expected: tuple[str, ...], compose_config, set_without_spans: Path
) -> None:
    config = compose_config("task=vsr", *TINY, f"data_dir={set_without_spans}", f"classes={asked}")
    data = build_datamodule(config)
    whole = build_datamodule(compose_config("task=vsr", *TINY, f"data_dir={set_without_spans}"))
    assert data.classes == expected and data.net_arguments == {"num_classes": len(expected)}
    labels = data.prepared.manifest["label"].to_numpy()
    for phase in PHASES:
        kept = whole.indices[phase][np.isin(labels[whole.indices[phase]], expected)]
        assert data.indices[phase].tolist() == kept.tolist() and len(kept)
        assert set(labels[kept]) == set(expected)
    assert data.indices.description == f"{whole.indices.description}; {len(expected)} of 4 classes"
    assert data.card_fields["classes"] == data.card_fields["trained_classes"] == list(expected)


def test_targets_are_indices_into_the_selected_words(
    compose_config, set_without_spans: Path
) -> None:
    asked = ("task=vsr", *TINY, f"data_dir={set_without_spans}", "classes=[water,below]")
    data = build_datamodule(compose_config(*asked))
    batch = next(iter(data.train_dataloader()))
    labels = data.prepared.manifest["label"].iloc[batch["index"].numpy()]
    assert [data.classes[y] for y in batch["y"]] == labels.tolist()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (9, "classes=9: expected 2 to 4, the number of classes"),
        (1, "classes=1: expected 2 to 4"),
        (0, "classes=0: expected 2 to 4"),
        (["peple", "about"], "the set has no peple; near 'peple' it has people"),
        (["zzz", 3], "the set has no zzz, 3; near 'zzz' it has about, below, people, water"),
        ([3, True], "the set has no 3, True; near '3' it has about"),
        (["about"], r"classes=\['about'\]: expected two classes or more"),
        (["about", "about"], "expected two classes or more"),
        ([], r"classes=\[\]: expected two classes or more"),
        ("about", r"classes=\['about'\]: expected two classes or more"),
    ],
)
def test_words_that_cannot_be_told_apart_are_refused(asked: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_classes(WORDS, asked)


def test_the_command_line_is_refused_as_well(compose_config, set_without_spans: Path) -> None:
    config = compose_config("task=vsr", *TINY, f"data_dir={set_without_spans}", "classes=[peple,5]")
    with pytest.raises(ValueError, match="the set has no peple, 5; near 'peple' it has people"):
        build_datamodule(config)


def test_unknown_words_are_refused_in_tests(
    run, compose_config, checkpoint: Path, set_without_spans: Path, tmp_path: Path
) -> None:
    assert load_checkpoint(checkpoint, "vsr").classes == ["about", "below"]
    test = ("task=vsr", "stage=test", f"ckpt_path={checkpoint}", "split=test_only")
    message = r"2 classes that the model does not know: people, water\. It knows: about, below\. "
    with pytest.raises(ValueError, match=message):
        run(*test, f"data_dir={set_without_spans}")
    fewer = compose_config(*test, f"data_dir={write_clips(tmp_path / 'fewer', ('below', 'about'))}")
    data = build_datamodule(fewer, trained=load_checkpoint(checkpoint).card)
    assert data.classes == ("about", "below") and len(data.indices.test) == 16


def test_another_vocabulary_starts_from_all_but_the_head(
    compose_config, checkpoint: Path, set_without_spans: Path, capsys
) -> None:
    config = compose_config("task=vsr", *TINY, f"data_dir={set_without_spans}")
    module = build_module(config, build_datamodule(config))
    before = {name: value.clone() for name, value in module.net.state_dict().items()}
    load_initial_weights(module, checkpoint)
    trained = load_checkpoint(checkpoint).net.state_dict()
    head = {"members.0.head.weight", "members.0.head.bias"}
    assert trained.keys() == before.keys() > head
    for name, value in module.net.state_dict().items():
        torch.testing.assert_close(value, (before if name in head else trained)[name])
    message = capsys.readouterr().out
    assert f"Started from {checkpoint} (task vsr, 2 classes): " in message
    assert (
        "Not loaded (another vocabulary), and trained from the start: members.0.head.b" in message
    )


def test_a_model_is_tested_on_the_selected_words_only(
    checkpoint: Path, compose_config, set_without_spans: Path
) -> None:
    trained = load_checkpoint(checkpoint).card
    asked = ["task=vsr", *TINY, f"data_dir={set_without_spans}", "stage=test", "split=test_only"]
    with pytest.raises(ValueError, match=r"2 classes .*: people, water. .*classes=\[…\]"):
        build_datamodule(compose_config(*asked), trained)
    data = build_datamodule(compose_config(*asked, "classes=[below,about]"), trained)
    labels = data.prepared.manifest["label"].iloc[data.indices.test]
    assert set(labels) == {"about", "below"} and not data.unseen_class_warning()
    assert [data.classes[k] for k in data.targets[data.indices.test]] == labels.tolist()
    with pytest.raises(ValueError, match="1 class that the model does not know: water"):
        build_datamodule(compose_config(*asked, "classes=[about,water]"), trained)


def test_a_word_without_a_training_clip_is_named(run, tmp_path: Path, capsys) -> None:
    spoken = {"train": WORDS[:3], "val": WORDS[:3], "test": WORDS}
    samples = [
        Sample(f"{split}/{word}/{k}", np.full((4, 24, 24), 40 * k, np.uint8), word, split=split)
        for split, words in spoken.items()
        for word, k in product(words, range(3))
    ]
    frame = Frame((24, 24), "uint8", "a test", 25.0)
    write_all(tmp_path / "set", Description("vsr", frame, {}), samples)
    folder = run("task=vsr", "debug=smoke", *TINY, f"data_dir={tmp_path / 'set'}")
    note = "1 class in this set (water; 3 samples) without a training sample"
    assert f"warning: {note}" in capsys.readouterr().out
    assert note in (folder / "report.md").read_text().partition("## Warnings")[2]


# ---- where in the clip


class SpanNetwork(Network):
    """A network that only uses the word mask: (B, T) → (B, classes)."""

    takes_word_mask = True

    def __init__(self, frames: int, classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(frames, classes)

    def forward(self, x: Tensor, word_mask: Tensor) -> Tensor:
        assert word_mask.shape == (x.shape[0], x.shape[2])
        return self.layer(word_mask)


def make_quiet_trainer(**arguments: int) -> L.Trainer:
    """Return a trainer without logging and progress bar."""
    off = ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary")
    arguments |= dict.fromkeys(off, False) | {"use_distributed_sampler": False}
    return L.Trainer(accelerator="cpu", **arguments)


def make_span_module(data: PreparedDataModule) -> VSRModule:
    def adam(parameters) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.3)

    torch.manual_seed(0)
    net = SpanNetwork(data.frames, len(data.classes))
    return VSRModule(net, list(data.classes), adam, mixup=0.2, top_k=2)


def test_the_boundary_reaches_the_network_in_every_stage(
    compose_config, set_with_spans: Path
) -> None:
    asked = ("datamodule.frames=8", "datamodule.batch_size=4")
    data = build_datamodule(compose_config("task=vsr", *TINY, f"data_dir={set_with_spans}", *asked))
    module, trainer = make_span_module(data), make_quiet_trainer(max_epochs=8)
    assert data.augment is not None and module.mixup
    trainer.fit(module, data)
    assert trainer.callback_metrics["train/acc"] > 0.5
    assert trainer.callback_metrics["val/acc"] == 1
    assert trainer.test(module, data, verbose=False)[0]["test/acc"] == 1
    read = module.prediction_table(trainer.predict(module, data))["prediction"]
    rows = data.prepared.manifest["label"].iloc[data.indices.test]
    assert read.tolist() == rows.tolist()


def test_the_network_gets_a_word_mask_if_the_set_has_spans(
    compose_config, set_with_spans: Path, set_without_spans: Path
) -> None:
    for folder, expected in ((set_with_spans, True), (set_without_spans, False)):
        config = compose_config("task=vsr", *TINY, f"data_dir={folder}")
        module = build_module(config, build_datamodule(config))
        assert module.takes_word_mask is module.card.net["use_word_mask"] is expected


def test_a_network_without_word_mask_gets_the_clip_only(
    compose_config, set_with_spans: Path
) -> None:
    config = compose_config(
        "task=vsr", *TINY, f"data_dir={set_with_spans}", "net.use_word_mask=false"
    )
    data = build_datamodule(config)
    module = build_module(config, data).eval()
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert "word_mask" in batch and len(module.network_inputs(batch)) == 1
    module = build_module(compose_config("task=vsr", *TINY, "net.use_word_mask=true"), data).eval()
    assert [tuple(part.shape[:1]) for part in module.network_inputs(batch)] == [(8,), (8,)]
    moved = batch | {"word_mask": batch["word_mask"].flip(1)}
    read = [module(*module.network_inputs(b)) for b in (batch, moved)]
    assert not torch.allclose(*read, atol=1e-5)
    del batch["word_mask"]  # such as of recordings that are only predicted
    assert (
        len(module.network_inputs(batch)) == 1
        and module(*module.network_inputs(batch)).isfinite().all()
    )


@pytest.mark.parametrize("net", ["word_tcn", "resnet_bilstm"])
def test_a_set_without_word_spans_is_refused(
    net: str, compose_config, set_without_spans: Path
) -> None:
    narrow = ["net.embedding_dim=8", "net.hidden_size=8", "net.num_heads=2", "net.num_layers=1"]
    asked = ["task=vsr", *TINY] if net == "word_tcn" else ["task=vsr", f"net={net}", *narrow]
    config = compose_config(*asked, f"data_dir={set_without_spans}", "net.use_word_mask=true")
    data = build_datamodule(config)
    message = (
        "net.use_word_mask=true, but .*set does not state which frames a word takes. Prepare it "
    )
    with pytest.raises(
        ValueError, match=message + "with reader=lrw.* or set net.use_word_mask=false"
    ):
        build_module(config, data)


def test_mixup_blends_the_boundary_as_the_clips() -> None:
    class Both(Network):
        takes_word_mask = True

        def forward(self, x: Tensor, word_mask: Tensor) -> Tensor:
            return torch.stack([x.mean((1, 2, 3, 4)), word_mask.mean(1)], 1)

    batch = {"x": torch.rand(8, 1, 5, 3, 4), "y": torch.arange(8) % 2}
    batch["word_mask"] = (torch.rand(8, 5) < 0.5).float()
    module = VSRModule(Both(), ["a", "b"], mixup=0.4)
    torch.manual_seed(1)
    logits, _ = module.forward_and_loss(batch)
    torch.manual_seed(1)
    share = torch.distributions.Beta(0.4, 0.4).sample((8,))
    share = torch.maximum(share, 1 - share)[:, None]
    whole = module(batch["x"], batch["word_mask"])  # linear: a blend's logits are blended logits
    torch.testing.assert_close(logits, share * whole + (1 - share) * whole[torch.randperm(8)])
    torch.testing.assert_close(
        VSRModule(Both(), ["a", "b"]).forward_and_loss(batch)[0], whole
    )  # without mixup nothing is blended


def test_training_moves_the_boundary_with_the_frames(compose_config, set_with_spans: Path) -> None:
    """The gray value of a frame is its number, so that moved frames are recognizable."""
    only = [f"augment.{name}=null" for name in ("move", "tone", "mask")]
    data = build_datamodule(compose_config("task=vsr", *TINY, f"data_dir={set_with_spans}", *only))
    data.trainer = make_quiet_trainer()
    x = torch.arange(8, dtype=torch.uint8)[None, :, None, None].repeat(40, 1, 24, 24)
    word_mask = ((torch.arange(8) >= 2) & (torch.arange(8) < 4)).float().repeat(40, 1)
    data.trainer.training = True
    torch.manual_seed(0)
    batch = data.on_after_batch_transfer({"x": x, "word_mask": word_mask.clone()}, 0)
    number = batch["x"][:, 0, :, 0, 0] * 255
    assert torch.equal(batch["word_mask"], ((number > 1.5) & (number < 3.5)).float())
    assert not torch.equal(batch["word_mask"], word_mask)
    data.trainer.validating = True
    batch = data.on_after_batch_transfer({"x": x, "word_mask": word_mask.clone()}, 0)
    assert torch.equal(batch["word_mask"], word_mask)


# ---- runs


def test_the_simulators_words_are_learned_by_the_light_network(run, capsys) -> None:
    folder = run("task=vsr", "debug=smoke", *TINY[:-1])
    message = capsys.readouterr().out
    assert "Model: WordTCN (the light variant), " in message and "parameters, precision" in message
    assert "Test: accuracy " in message
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/n"] == 8 and numbers["simulated"] is True
    assert "test/acc_top4" in numbers  # five are more than there are
    predictions = pd.read_csv(folder / "predictions.csv")
    assert predictions["label"].nunique() == 4


def test_a_network_without_variants_names_none(
    compose_config, set_without_spans: Path, capsys
) -> None:
    from experiments.stages.fit import report_start

    config = compose_config(
        "task=vsr", "net=lip_tcn", f"data_dir={set_without_spans}", "trainer=cpu"
    )
    data = build_datamodule(config)
    report_start(config, build_module(config, data), data)
    assert "Model: LipTCN, " in capsys.readouterr().out


def test_the_reference_recipe_matches_its_source(compose_config) -> None:
    config = compose_config("experiment=vsr_reference")
    assert config.net._target_.endswith("ResNetBiLSTM")
    assert config.optimizer._target_ == "torch.optim.AdamW"
    assert (config.optimizer.lr, config.optimizer.weight_decay) == (1e-3, 1e-4)
    assert config.trainer.max_epochs == 800
    optimizer = instantiate(config.optimizer)([torch.nn.Parameter(torch.zeros(1))])
    plan = instantiate(config.scheduler).attach_to(optimizer, 10_000, config.trainer.max_epochs)
    assert isinstance(plan["scheduler"], torch.optim.lr_scheduler.CosineAnnealingLR)
    assert plan["scheduler"].T_max == 1000 and plan["interval"] == "epoch"
    saved = [1, 2, 3, 4, 7, 18, 33, *range(100, 801, 100)]
    assert config.callbacks.periodic.epochs == saved
    assert instantiate(config.callbacks.periodic).epochs == set(saved)
    assert (config.module.mixup, config.module.label_smoothing) == (0, 0)
    assert "average" not in config.callbacks and not config.augment
