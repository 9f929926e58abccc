"""docs/CHANGELOG.md lists every renamed setting, choice and class."""

from tests.helpers.renamed_names import PAGE, replace_tables


def test_the_changelog_lists_all_renamed_names() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == replace_tables(page), "run python -m tests.helpers.renamed_names"
