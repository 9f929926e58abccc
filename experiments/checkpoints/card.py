"""The model card of a checkpoint, as one validated object."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Self

from experiments.launch.allowed import MAX_PACKAGES, is_allowable
from experiments.launch.names.renaming import (
    Renamed,
    rename_card_fields,
    rename_card_settings,
    warn_renamed,
)
from unvoiced.metadata import check_metadata
from unvoiced.plain_data import (
    check_identifier,
    check_names,
    check_number,
    check_plain,
    require_fact,
)

NEEDED_FIELDS = ("task", "module", "net", "input", "classes", "trained_classes", "simulated")
TARGET = "_target_"
# Arguments of networks and modules that time and memory grow with, whatever weights there are.
ARGUMENT_LIMITS = {"beam_width": 1_000, "rate": 100_000, "positions": 10_000, "frames": 10_000}
LARGEST_ARGUMENT = 100_000


@dataclass(frozen=True)
class ModelCard:
    """The metadata that a checkpoint stores with its weights.

    A further fact is one more field with a default; give it a check in ``unvoiced.metadata.FACTS``
    where plain data of any kind is not enough.

    Attributes:
        task: such as asl.
        classes: the labels of the network; empty for open text.
        trained_classes: those with training samples.
        module, net: the exact class of each (``_target_``) and its arguments.
        input: the datamodule's settings that the network depends on.
        simulated: whether all training data was simulated.
        tokenizer: of text; None for classes.
        language_model: of the words of text, as plain data; None for none.
        frame: shape, dtype, meaning and rate of a stored frame; empty in older checkpoints.
        reader: numeric settings of the reader of the training set.
        clip_s: seconds of the median training recording.
        split: the split in words.
        leaks: whether the split has leakage.
        data_dir: the set or sets that were trained on; None for the simulator.
        record: hashes of the samples and groups that were trained on (``TrainingRecord``); empty
            where they are unknown or simulated.
        allow: the packages outside this project that the run was allowed to build (``allow=``), for
            people; loading never trusts it.
        confusions: (classes, classes) counts of the test of the model, true classes in rows; empty
            where they are unknown or not needed.
        num_members: networks in the average of probabilities.
        confidence: how often answers are wrong, a ``ConfidenceTable`` as plain data; empty where it
            was not measured.
        false_activations: how often silence is answered, a ``FalseActivations`` as plain data;
            empty where it was not measured.
        config: the run's configuration, for people and comparisons; nothing is built from it.
    """

    task: str
    classes: list[str]
    trained_classes: list[str]
    module: dict[str, Any]
    net: dict[str, Any]
    input: dict[str, Any]
    simulated: bool
    tokenizer: dict[str, Any] | None = None
    language_model: dict[str, Any] | None = None
    frame: dict[str, Any] = field(default_factory=dict)
    reader: dict[str, Any] = field(default_factory=dict)
    clip_s: float | None = None
    split: str = ""
    leaks: bool = False
    data_dir: str | list[str] | None = None
    record: dict[str, Any] = field(default_factory=dict)
    allow: list[str] = field(default_factory=list)
    confusions: list[list[int]] = field(default_factory=list)
    num_members: int = 1
    confidence: dict[str, Any] = field(default_factory=dict)
    false_activations: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, plain: Any, place: str = "card") -> Self:
        """Return the card of an untrusted dict; fields that older cards lack get defaults.

        Raises:
            ValueError: a field is missing, or has another type, range or size than any model.
        """
        plain = _with_new_names(plain, place)
        check_metadata(plain, NEEDED_FIELDS, place)
        _check_class(f"{place}.net", plain["net"])
        _check_class(f"{place}.module", plain["module"])
        config = plain.get("config", {})
        require_fact(f"{place}.config", config, isinstance(config, dict), "a dict")
        check_names(f"{place}.allow", plain.get("allow", []), MAX_PACKAGES)
        for name in plain.get("allow", []):
            require_fact(f"{place}.allow", name, is_allowable(name), "names of packages")
        names = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in plain.items() if key in names})

    def to_plain(self) -> dict[str, Any]:
        """Return the dict to store; only models of text have a tokenizer or language model."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("tokenizer", "language_model"):
            if plain[name] is None:
                del plain[name]
        return plain

    @property
    def net_name(self) -> str:
        """Return the class name of the network."""
        return self.net[TARGET].rpartition(".")[-1]

    @property
    def simulated_share(self) -> float:
        """Return the share of simulated samples among recorded training data."""
        datamodule = self.config.get("datamodule")
        share = datamodule.get("simulated_share") if isinstance(datamodule, dict) else 0
        return share if isinstance(share, int | float) else 0


def _with_new_names(plain: Any, place: str) -> dict[str, Any]:
    """Return the plain data of a card under the names of this version."""
    require_fact(place, plain, isinstance(plain, dict), "a dict")
    renamed: Renamed = {}
    plain = rename_card_fields(plain, renamed)
    check_plain(place, plain)
    plain = rename_card_settings(plain, renamed)
    warn_renamed(place.removesuffix(": card").removesuffix(": config"), renamed)
    return plain


def _check_class(place: str, node: Any) -> None:
    """Check the name of a class and its arguments, which are plain values."""
    require_fact(place, node, isinstance(node, dict), "a dict")
    target = node.get(TARGET)
    named = isinstance(target, str) and all(map(str.isidentifier, target.split(".")))
    require_fact(f"{place}.{TARGET}", target, named, "the name of a class")
    for key, value in node.items():
        if key != TARGET:
            check_identifier(f"a key of {place}", key)
            _check_argument(f"{place}.{key}", value, ARGUMENT_LIMITS.get(key, LARGEST_ARGUMENT))


def _check_argument(place: str, value: Any, largest: float) -> None:
    values = value if isinstance(value, list | tuple) else [value]
    for one in values:
        single = one is None or isinstance(one, bool | int | float | str)
        require_fact(place, one, single, "a number, a text, null, or a list of them")
        if isinstance(one, int | float) and not isinstance(one, bool):
            check_number(place, one, -largest, largest)
