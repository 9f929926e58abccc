"""Arguments of the command line, as Hydra must read them."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments.launch.overrides import add_num_shards, quote_values


@pytest.mark.parametrize(
    "pattern", ["mouth/{clip}.mp4", "{clip}.mp4", "a b/{clip}'s {take}.mp4", "{a}/{b},{c}.mp4"]
)
def test_patterns_reach_the_configuration_as_typed(pattern: str) -> None:
    (argument,) = quote_values([f"reader.path={pattern}"])
    override = OverridesParser.create().parse_override(argument)
    value = override.value()
    assert getattr(value, "text", value) == pattern


@pytest.mark.parametrize(
    "argument",
    [
        "task=lipread",
        "-m",
        "seed=0,1,2",
        "reader.path='mouth/{clip}.mp4'",
        'reader.path="{clip}.mp4"',
        "data_dir=/tmp/${task}/set",
        "augment={a: 1}",
        "logger=[csv,wandb]",
        "callbacks.periodic=null",
    ],
)
def test_other_arguments_are_unchanged(argument: str) -> None:
    assert quote_values([argument]) == [argument]


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["-m", "prepare.shard=range(0,8)"], ["prepare.num_shards=8"]),
        (["-m", "prepare.shard=range(8)"], ["prepare.num_shards=8"]),
        (["-m", "prepare.shard=range(0, 8)", "prepare.num_shards=9"], []),
        (["-m", "prepare.shard=range(2,8)"], []),
        (["prepare.shard=3/8"], []),
    ],
)
def test_a_range_of_all_shards_states_their_number(arguments: list[str], added: list[str]) -> None:
    assert add_num_shards(arguments) == [*arguments, *added]
