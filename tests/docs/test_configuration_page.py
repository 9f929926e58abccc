"""docs/configuration.md lists every setting of conf/ and is up to date."""

from tests.helpers.configuration_page import (
    CONF,
    GROUPS,
    PAGE,
    find_meaning,
    list_group_files,
    read_comments,
    read_settings,
    render_page,
)

UPDATE = "run python -m tests.helpers.configuration_page"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), UPDATE


def test_every_setting_has_a_meaning() -> None:
    others = read_comments()
    described = [
        path
        for group, paths in list_group_files().items()
        if group not in ("results", "sweep")
        for path in paths
    ]
    blank = [
        setting.key
        for path in [CONF / "config.yaml", *described]
        for setting in read_settings(path)
        if not find_meaning(setting, others)
    ]
    assert not blank, "write a comment beside the key in conf/"


def test_every_group_is_on_the_page() -> None:
    assert {path.name for path in CONF.iterdir() if path.is_dir()} == {*GROUPS, "hydra"}
