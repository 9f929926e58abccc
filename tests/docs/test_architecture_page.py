"""docs/architecture.md names the packages and the keys of a checkpoint that exist."""

from dataclasses import fields
from pathlib import Path

from experiments.checkpoints.card import ModelCard
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def list_packages(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.py"))]


def test_every_package_is_described() -> None:
    missing = [
        name for name in list_packages(ROOT / "experiments") if f"experiments/{name}/" not in PAGE
    ]
    for name in ("unvoiced", "datamodules", "modules", "callbacks"):
        missing += [part for part in list_packages(ROOT / name) if f"`{part}/`" not in PAGE]
    assert not missing


def test_every_field_of_the_card_is_described() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("Fields of the card"))
    assert {field.name for field in fields(ModelCard)} <= {*line.split("`")}
