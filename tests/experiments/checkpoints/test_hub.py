"""ckpt_path=hf://…: models of a hub, from a small server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.checkpoints.hub import fetch_model, fetch_named_models
from experiments.checkpoints.load import load_checkpoint
from experiments.launch.overrides import prepare_arguments
from tests.helpers.hub_server import COMMIT, Hub, read_files, serve_hub

constants = pytest.importorskip("huggingface_hub.constants")

MODEL = "hf://mylab/letters"
SMALL = {"config.json": b"{}", "model.safetensors": b"", "README.md": b"", "../evil.py": b""}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return the hub that ``HF_ENDPOINT`` names, with an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    hub = Hub(dict(SMALL))
    with serve_hub(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield hub


def test_two_files_of_a_revision_are_fetched_once_and_read_offline(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = fetch_model(f"{MODEL}@v1")
    assert folder.name == COMMIT and folder.is_relative_to(tmp_path / "cache")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    asked = len(hub.asked)
    assert sum("/revision/" in path for path in hub.asked) == 1  # its commit is the checked one
    assert fetch_model(f"{MODEL}@v1") == folder and len(hub.asked) == asked
    with pytest.raises(ValueError, match=r"from http://127.0.0.1:9 \(.*not in the cache"):
        fetch_model(MODEL)


def test_names_are_replaced_in_commands(hub: Hub) -> None:
    first, second = fetch_named_models([f"ckpt_path=[{MODEL},{MODEL}@v1]", "input=hf://x/y"])
    folder = fetch_model(MODEL)
    assert first == f"ckpt_path=[{folder},{folder}]" and second == "input=hf://x/y"
    assert prepare_arguments([f"init_from={MODEL}"], list) == [f"init_from={folder}"]


@pytest.mark.parametrize(
    ("reference", "status", "code", "message"),
    [
        (f"{MODEL}@v9", 200, "", "mylab/letters has no revision v9. Name a branch"),
        ("hf://mylab/other", 200, "", "has no model mylab/other, or it is private. Check"),
        (MODEL, 403, "GatedRepo", "asks for consent. Give it on http"),
        (MODEL, 401, "", "has no model mylab/letters, or it is private"),
        (MODEL, 503, "", "answered with the error 503. Try later"),
        (MODEL, 404, "", "answered with the error 404|has no model"),
        ("hf://letters", 200, "", "expected hf://owner/name or hf://owner/name@revision"),
        ("hf://mylab/../letters", 200, "", "is not valid; expected hf://"),
        ("hf://mylab/letters@../v1", 200, "", "is not valid; expected hf://"),
    ],
)
def test_what_cannot_be_fetched_is_explained(
    hub: Hub, reference: str, status: int, code: str, message: str
) -> None:
    hub.status, hub.error_code = status, code
    with pytest.raises(ValueError, match=message):
        fetch_model(reference)


def test_other_models_and_large_files_are_not_fetched(hub: Hub) -> None:
    hub.sizes["model.safetensors"] = 3 << 30
    with pytest.raises(ValueError, match=r"has 3,221 MB; expected at most 2,147 MB"):
        fetch_model(MODEL)
    hub.sizes["model.safetensors"] = "2"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"has no model.safetensors; expected a model"):
        fetch_model(MODEL)
    del hub.files["model.safetensors"], hub.files["config.json"]
    with pytest.raises(ValueError, match=r"no config.json and no model.safetensors; expected a"):
        fetch_model(MODEL)
    assert not any("/resolve/" in path for path in hub.asked)


def test_the_password_of_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://me:secret@127.0.0.1:9")
    with pytest.raises(ValueError, match=r"cannot be fetched from http://127.0.0.1:9 \("):
        fetch_model("hf://mylab/words")


def test_the_content_is_checked_as_any_file(hub: Hub) -> None:
    with pytest.raises(ValueError, match=r"config.json is unusable \(it has no model_card\)"):
        load_checkpoint(fetch_model(MODEL))


@pytest.mark.slow
def test_an_exported_model_is_fetched_and_loads(
    hub: Hub, checkpoint: Path, run, tmp_path: Path
) -> None:
    folder = tmp_path / "letters"
    run("stage=export", f"ckpt_path={checkpoint}", "export.format=hub", f"export.output={folder}")
    hub.files = read_files(folder)
    module, original = load_checkpoint(fetch_model(MODEL)), load_checkpoint(checkpoint)
    weights = original.net.state_dict()
    assert all(weights[k].equal(v) for k, v in module.net.state_dict().items())
    assert not module.card.config and module.card.data_dir is None and not module.card.record
