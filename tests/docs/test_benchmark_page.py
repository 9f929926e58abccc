"""docs/benchmarks.md agrees with the measurements in docs/benchmarks/*.json."""

from tests.helpers.benchmark_page import (
    FOLDER,
    PAGE,
    list_parts,
    render_page,
    shorten_command,
)

UPDATE = "run python -m tests.helpers.benchmark_page"


def test_the_page_agrees_with_the_measurements() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(page), UPDATE


def test_every_measurement_is_on_the_page_once() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    assert sorted(list_parts(PAGE.read_text(encoding="utf-8"))) == names


def test_a_command_keeps_no_path_of_the_machine() -> None:
    typed = "python run.py data_dir=/data/H 'benchmark.samples=[2,3]' hydra.run.dir=/tmp/x"
    assert shorten_command(typed) == "python run.py data_dir=H benchmark.samples=[2,3]"
