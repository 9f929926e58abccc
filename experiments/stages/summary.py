"""stage=summary: summarize a run epoch by epoch, or compare several runs.

Run folders are only read, and nothing in them is executed: no checkpoint is opened, and
config.yaml is read as plain YAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from experiments.launch.build import write_config
from experiments.launch.console import logger, silence_lightning
from experiments.result_tables.compare import format_comparison
from experiments.result_tables.render import format_results
from experiments.result_tables.result_file import read_result_file
from experiments.runs.compare import summarize_runs
from experiments.runs.one_run import summarize_run
from experiments.runs.run_folder import read_runs
from unvoiced.text import markdown_document, spreadsheet_cells

RESULT_FILES = 2  # at most: one is shown, two are compared


def run(config: DictConfig) -> None:
    """Write summary.md and summary.csv of the run or runs that ``input`` names.

    Of a results.json, or two of them, summary.md alone: its tables, or a comparison.

    Raises:
        ValueError: no input, no run in it, or a damaged results.json.
    """
    silence_lightning()
    files = list_result_files(config.input)
    if files:
        _summarize_results(config, files)
        return
    runs = read_runs(config.input)
    own = Path(config.run_dir)
    if own.resolve() in [run.folder.resolve() for run in runs]:
        raise ValueError(f"{own} is one of the runs to read; set hydra.run.dir= to another folder")
    text, table = summarize_run(runs[0]) if len(runs) == 1 else summarize_runs(runs)
    folder = write_config(config)
    (folder / "summary.md").write_text(markdown_document(text), encoding="utf-8")
    spreadsheet_cells(table).to_csv(folder / "summary.csv", index=False)
    logger.info(text)
    logger.info(f"Run folder: {folder}")


def list_result_files(paths: Any) -> list[Path]:
    """Return the files of ``input`` if they are results.json, or else nothing.

    Raises:
        ValueError: some are and others are not, or there are more than two.
    """
    listed = list(paths) if isinstance(paths, list | tuple | ListConfig) else [paths]
    files = [Path(str(path)) for path in listed if str(path).endswith(".json")]
    if files and (len(files) < len(listed) or len(files) > RESULT_FILES):
        raise ValueError(
            f"input= names {len(files)} .json files and {len(listed) - len(files)} other paths; "
            "expected one results.json, or two to compare."
        )
    return files


def _summarize_results(config: DictConfig, files: list[Path]) -> None:
    results = [read_result_file(path) for path in files]
    text = format_results(*results) if len(results) == 1 else format_comparison(*results)
    folder = write_config(config)
    (folder / "summary.md").write_text(markdown_document(text), encoding="utf-8")
    logger.info(text)
    logger.info(f"Run folder: {folder}")
