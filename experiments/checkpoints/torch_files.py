"""Read untrusted files of ``torch.save`` in bounded time and memory."""

from __future__ import annotations

import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PICKLE = "/data.pkl"  # the end of the name of the file that describes the tensors
MAX_PICKLE = 1 << 26  # bytes of it
MAX_RECORDS = 200_000  # tensors in a file
KINDS = ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double")
# All that a pickle may name: plain containers and dense tensors. torch.load allows more.
ALLOWED_GLOBALS = frozenset(
    [
        *("collections OrderedDict", "collections Counter", "__builtin__ set"),
        *("torch Size", "torch device", "_codecs encode"),
        *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"),
        *(f"torch {kind}Storage" for kind in KINDS),
    ]
)


class UnsafeFileError(ValueError):
    """A pickle that names other types than containers and tensors."""


def read_torch_file(path: Path, place: str) -> Any:
    """Return the content of a file, read with ``weights_only=True``.

    Args:
        place: name of the file in errors.

    Raises:
        ValueError: no such file, truncated, larger inside than outside, or more in it than
            numbers, text and tensors.
    """
    if path.is_dir():
        inside = path / "checkpoints" / "best.ckpt"
        known = inside if inside.is_file() else "<run folder>/checkpoints/best.ckpt"
        raise ValueError(f"{place} is a folder; expected a file, such as {known}")
    if not path.is_file():
        raise ValueError(f"{place} does not exist")
    try:
        check_archive(path)
        with warnings.catch_warnings():  # torch's, of odd pickles; errors are explained below
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(path, map_location="cpu", weights_only=True)
        _check_tensors(content, path.stat().st_size)
    except (pickle.UnpicklingError, UnsafeFileError):
        raise ValueError(
            f"{place} holds more than numbers and text, or is no checkpoint at all. It "
            "was not loaded: such a file can run commands"
        ) from None
    except Exception as error:  # of torch's and Python's readers, on damaged files of all kinds
        reason = str(error).partition("\n")[0][:200] or "it is empty"
        others = "another checkpoint of the run: last.ckpt, or one of epoch_*.ckpt"
        advice = "Export it again" if path.suffix == ".pth" else f"Take {others}"
        raise ValueError(f"{place} is truncated or damaged ({reason}). {advice}") from None
    return content


def check_archive(path: Path) -> None:
    """Check that an archive unpacks to its own size and names known types.

    Raises:
        ValueError: it is no archive of ``torch.save``, or unpacks to more than its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            check_records(records, path.stat().st_size)
            names = [record.filename for record in records if record.filename.endswith(PICKLE)]
            if len(names) != 1:
                raise ValueError("it is no archive of torch.save")
            pickled = archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error
    _check_pickle(pickled)


def check_records(records: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse an archive that would unpack to more than its size.

    Raises:
        ValueError: with the reason.
    """
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise ValueError("it is compressed, which torch.save never does")
    if len(records) > MAX_RECORDS or sum(record.file_size for record in records) > size:
        raise ValueError("it would unpack to more than its size")
    if any(r.filename.endswith(PICKLE) and r.file_size > MAX_PICKLE for r in records):
        raise ValueError(f"its description takes more than {MAX_PICKLE >> 20} MiB")
    if len({record.filename for record in records}) < len(records):
        raise ValueError("it has two records of one name")


def _check_pickle(pickled: bytes) -> None:
    for operation, argument, _ in pickletools.genops(pickled):
        name = operation.name
        if name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            raise UnsafeFileError(name)
        if name == "GLOBAL" and argument not in ALLOWED_GLOBALS:
            raise UnsafeFileError(argument)


def _check_tensors(content: Any, size: int) -> None:
    """Refuse tensors that are larger than the file's data for them."""
    seen, stored, stack = set(), {}, [content]
    while stack:
        part = stack.pop()
        if isinstance(part, Tensor):
            _check_tensor(part)
            storage = part.untyped_storage()
            stored[storage.data_ptr()] = storage.nbytes()
        elif isinstance(part, dict | list | tuple | set) and id(part) not in seen:
            seen.add(id(part))
            stack += [*part.keys(), *part.values()] if isinstance(part, dict) else part
    if sum(stored.values()) > size:
        raise ValueError("it has tensors that are larger than the file")


def _check_tensor(tensor: Tensor) -> None:
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not dense or tensor.nbytes > tensor.untyped_storage().nbytes():
        raise ValueError("it has a tensor that is larger than its numbers")
