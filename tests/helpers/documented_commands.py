"""The commands that README.md and docs/ contain."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments.checkpoints.resume import merge_saved_overrides
from experiments.checkpoints.saved_overrides import OVERRIDES
from experiments.launch.overrides import MULTIRUN, prepare_arguments
from tests.helpers.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]*\brun\.py [^`\n]*)`")
COMMAND = re.compile(r"(?:\bpython|^torchrun\b.*|^srun\b.*) run\.py\b\s*(.*)")
FILE_KEYS = (
    *("ckpt_path", "profile", "init_from", "pronunciations", "serve.auth_file"),
    *("serve.certificate", "serve.key"),
    *("tokenizer.path", "live.words", "live.phrases"),
)
FOLDER_KEYS = ("data_dir", "resume")


def find_commands(page: str) -> list[str]:
    """Return the arguments of every ``run.py`` command of a page, in code blocks and inline."""
    blocks = BLOCK.findall(page)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += INLINE.findall(BLOCK.sub("", page))
    result = map(COMMAND.search, lines)
    commands = (re.split(r"\s(?:#|&&)\s", match[1])[0].strip() for match in result if match)
    return [command for command in commands if command not in ("--help", "…")]


def find_help_commands() -> list[str]:
    """Return the commands of ``python run.py --help``, without the explanation beside them."""
    text = (ROOT / "conf" / "hydra" / "default.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"^ +python run\.py (.+)$", text, re.MULTILINE)
    commands = (re.split(r"\s{2,}", line)[0] for line in lines)
    return [command for command in commands if "=" in command]


def find_documented_commands() -> list[str]:
    """Return the commands of all pages, each once; a task that a page adds is not included."""
    pages = (path.read_text(encoding="utf-8") for path in PAGES)
    commands = {command for page in pages for command in find_commands(page)} | {
        *find_help_commands()
    }
    added = ("task=blink", "allow=")  # by docs/adding-a-task.md and docs/extending.md
    return sorted(one for one in commands if not any(name in one for name in added))


def make_files(arguments: list[str], folder: Path) -> None:
    """Create empty files and folders for the paths of a command below ``folder``."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        path = folder / value
        if key in FILE_KEYS:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if key == "resume" and path.suffix == ".ckpt":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            path = path.parent.parent
        if key in FOLDER_KEYS:
            path.mkdir(parents=True, exist_ok=True)
        if key == "resume":
            (path / ".hydra").mkdir(exist_ok=True)
            (path / OVERRIDES).write_text("[]\n")


def split_command(command: str) -> list[str]:
    """Return the arguments of a command; of a sweep, those of its first job."""
    arguments = shlex.split(command)
    if not {*MULTIRUN} & {*arguments}:
        return arguments
    prepared = prepare_arguments(arguments, merge_saved_overrides)
    overrides = OverridesParser.create().parse_overrides(
        [one for one in prepared if one not in MULTIRUN]
    )
    return [
        f"{one.get_key_element()}={next(iter(one.sweep_string_iterator()))}"
        if one.is_sweep_override()
        else one.input_line
        for one in overrides
    ]
