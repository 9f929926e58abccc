"""Metadata of files that the version before wrote are read under the names of this version."""

import pytest

from unvoiced.metadata import rename_facts


@pytest.mark.parametrize(
    ("shape", "old", "new"),
    [
        ([8], {"rate": 250, "low_hz": 0.5}, {"sample_rate": 250, "low_hz": 0.5}),
        ([64, 96], {"rate": 25, "min_found": 0.5}, {"fps": 25, "min_face_share": 0.5}),
        (None, {"zoom": 1.5}, {"zoom": 1.5}),
    ],
    ids=["signals", "images", "no frame"],
)
def test_settings_of_readers_get_their_new_names(shape, old, new):
    assert rename_facts({"frame": {"shape": shape}, "reader": old})["reader"] == new


@pytest.mark.parametrize("facts", [{"reader": 3}, {"reader": {"rate": 1}, "frame": "x"}])
def test_damaged_metadata_is_left_to_its_check(facts):
    assert set(rename_facts(facts)) == set(facts)
