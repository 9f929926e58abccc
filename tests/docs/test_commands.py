"""Every ``python run.py`` command of README.md and docs/ composes and is valid."""

import re
from pathlib import Path

import pytest
from lightning.pytorch.accelerators import CUDAAccelerator

from experiments.launch.command import validate_command
from experiments.launch.names.renaming import list_new_overrides
from experiments.launch.settings.schema import GROUPS
from tests.helpers.commands import compose_arguments
from tests.helpers.documented_commands import (
    PAGES,
    find_commands,
    find_documented_commands,
    find_help_commands,
    make_files,
    split_command,
)
from tests.helpers.paths import ROOT

COMMANDS = find_documented_commands()


def validate_documented(command: str, folder: Path) -> None:
    arguments = split_command(command)
    make_files(arguments, folder)
    if not any(argument.startswith(("hydra.run.dir=", "resume=")) for argument in arguments):
        arguments.append(f"hydra.run.dir={folder / 'run'}")
    validate_command(compose_arguments(arguments))


@pytest.fixture
def _with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validate commands for GPUs on machines that have none."""
    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))


@pytest.mark.usefixtures("_with_gpu")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_valid(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    validate_documented(command, tmp_path)


def test_documented_commands_have_the_names_of_today() -> None:
    for command in COMMANDS:
        arguments = split_command(command)
        assert list_new_overrides(arguments) == arguments


def test_the_help_names_every_stage() -> None:
    text = (ROOT / "conf" / "hydra" / "default.yaml").read_text(encoding="utf-8")
    lines = text.partition("      stage  ")[2].partition("      experiment")[0]
    assert {*re.findall(r"\w+", lines)} - {"default"} == {*GROUPS}


def test_commands_are_found_in_blocks_and_in_text() -> None:
    page = "`python run.py task=asl`\n```\ntorchrun run.py a=1 \\\n  b=2  # c\n```\n"
    assert find_commands(page) == ["a=1    b=2", "task=asl"]
    assert len(COMMANDS) > 70 and len(find_help_commands()) > 10


def test_a_wrong_command_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"ckpt_path=.* has no effect in stage=fit"):
        validate_documented("task=asl ckpt_path=my_run/checkpoints/best.ckpt", tmp_path)


def test_links_lead_to_files_and_headings() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if ":" in name:
                continue
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in list_anchors(path), f"{page.name}: {target}"


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_readme_is_short_and_has_the_install_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert "pip install -c constraints.txt -e . && python run.py" in lines
    assert 'pip install -c constraints.txt -e ".[test]" && pytest' in lines


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    site = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert {*re.findall(r'= "([\w/-]+\.md)"', site)} == pages
