"""Rules that many settings share."""

from __future__ import annotations

from re import fullmatch

from unvoiced.validation import Rule, integer_rule, list_of, number_rule, text_rule

MOST_EPOCHS = 1_000_000
FOLDER = text_rule("the path of a folder")
FILE = text_rule("the path of a file")
FILES = FILE | list_of(FILE, 1, 100, "a list of checkpoints, such as [a.ckpt,b.ckpt]")
FOLDERS = FOLDER | list_of(FOLDER, 1, 1_000, "a list of folders, such as [set_a,set_b]")
NAME = text_rule("a text")
NAMES = list_of(NAME | integer_rule(-(10**18), 10**18), meaning="a list of texts, such as [yes,no]")
TAGS = list_of(NAME, 0, meaning="a list of texts, such as [asl,first_try]")
SHARD = Rule(
    lambda value: isinstance(value, str) and bool(fullmatch(r"\d{1,6}(/\d{1,6})?", value)),
    "a shard of a number of shards, such as 3/8",
)
SHARE = number_rule(0, 1, "a share")
SHARE_BELOW_ONE = number_rule(0, 1, "a share", below=True)
SEED = integer_rule(0, 2**32 - 1)
COUNT = integer_rule(1, MOST_EPOCHS)
LAYERS = integer_rule(1, 64)
FEATURES = integer_rule(1, 8192, "features")
SECONDS = number_rule(0, 86_400, "seconds")
SECONDS_ABOVE_ZERO = number_rule(0, 86_400, "seconds", above=True)
RATE = number_rule(0, 100_000, "Hz", above=True)
SIDE = integer_rule(8, 1024, "pixels")
CHOICE = Rule(
    lambda value: isinstance(value, dict) and "_target_" in value,
    "settings with a _target_, as the files of its group have",
)
DEVIATION = number_rule(0, 10, "a standard deviation")
PRECISIONS = ("64-true", "32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "ddp_spawn")
DURATION = Rule(
    lambda value: isinstance(value, str) and bool(fullmatch(r"\d+(:\d\d?){3}", value)),
    "a duration as dd:hh:mm:ss",
    is_text=True,
)
DEVICES = Rule(
    lambda value: isinstance(value, str) and bool(fullmatch(r"\d+(,\d+)*", value)),
    'numbers of devices, such as "0,1"',
)
BATCH_LIMIT = integer_rule(0, 10**9, "batches") | number_rule(0, 1, "a share")
BATCHES = integer_rule(1, 10**9, "batches") | number_rule(0, 1, "a share", above=True)
