"""Read back what loggers wrote: TensorBoard's event files, W&B's offline runs."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from wandb.proto.wandb_internal_pb2 import Record

BLOCK_BYTES, HEADER_BYTES = 32768, 7  # of LevelDB's log format, which W&B uses
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_events(folder: Path) -> EventAccumulator:
    """Return all events of a TensorBoard folder."""
    events = EventAccumulator(str(folder), {"images": 0, "scalars": 0, "tensors": 0})
    return events.Reload()


def read_event_settings(folder: Path) -> dict[str, object]:
    """Return the hyper-parameters of a TensorBoard folder."""
    summaries = read_events(folder).summary_metadata["_hparams_/session_start_info"]
    data = HParamsPluginData.FromString(summaries.plugin_data.content)
    found = data.session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}


def read_offline_run(folder: Path) -> list[Record]:
    """Return the records of the only offline run in a folder of W&B."""
    (path,) = folder.glob("offline-run-*/run-*.wandb")
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    return [Record.FromString(data) for data in _split_records(content)]


def _split_records(content: bytes) -> Iterator[bytes]:
    place, parts = HEADER_BYTES, b""
    while place + HEADER_BYTES <= len(content):
        rest = BLOCK_BYTES - place % BLOCK_BYTES
        if rest < HEADER_BYTES:
            place += rest
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        if not kind:
            return
        place += HEADER_BYTES
        parts += content[place : place + length]
        place += length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def read_history(records: list[Record]) -> list[dict[str, object]]:
    """Return the logged points of an offline run."""
    return [
        {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in r.history.item
        }
        for r in records
        if r.WhichOneof("record_type") == "history"
    ]


def read_run_config(records: list[Record]) -> dict[str, object]:
    """Return the configuration of an offline run."""
    found: dict[str, object] = {}
    for record in records:
        for part in (record.run.config, record.config):
            for item in part.update:
                found[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return found


def read_typed_command(records: list[Record]) -> list[str]:
    """Return the arguments of the command that an offline run stores."""
    return [text for r in records for text in r.environment.args]
