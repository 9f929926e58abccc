"""Keeps MediaPipe from sending usage figures to its maker.

MediaPipe's library reports the task, its latencies and the system about once a minute, and has no
setting that switches this off. The library finds the receiver with ``getaddrinfo``: without an
address there is no connection. Only the library's own reference to that function is replaced, so
that the rest of the program reaches its network as before.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

LOGGER = logging.getLogger(__name__)
LIBRARY = "tasks/c/libmediapipe.so"
RESOLVER = b"getaddrinfo"
# A function of the C library that takes no arguments and returns a number above 0, which
# ``getaddrinfo`` returns for an error. A Python function could not run while Python ends.
REPLACEMENT = "getpid"
DI_LINKMAP = 2  # of dlinfo: the address and the dynamic section
DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_JMPREL = 2, 5, 6, 23  # of the dynamic section
NOT_BLOCKED = (
    "MediaPipe sends usage figures (no images) to its maker about once a minute, and this program "
    "can only prevent it on 64-bit Linux. A firewall can elsewhere: see docs/SECURITY.md."
)


class _LinkMap(ctypes.Structure):
    """The start of ``struct link_map``."""

    _fields_ = (("base", ctypes.c_size_t), ("name", ctypes.c_char_p), ("dynamic", ctypes.c_size_t))


class _Relocation(ctypes.Structure):
    """``Elf64_Rela``: the place of an address that the loader fills in."""

    _fields_ = (
        ("offset", ctypes.c_uint64),
        ("info", ctypes.c_uint64),
        ("addend", ctypes.c_int64),
    )


class _Symbol(ctypes.Structure):
    """``Elf64_Sym``."""

    _fields_ = (
        *(("name", ctypes.c_uint32), ("info", ctypes.c_uint8), ("other", ctypes.c_uint8)),
        *(("section", ctypes.c_uint16), ("value", ctypes.c_uint64), ("size", ctypes.c_uint64)),
    )


@cache
def block_usage_reports() -> bool:
    """Keep MediaPipe's library from finding the receiver; return whether that worked.

    Once per process, with a warning where it does not work.
    """
    is_supported = sys.platform == "linux" and sys.maxsize > 2**32
    try:
        is_blocked = is_supported and _redirect_resolver()
    except OSError:  # a system that keeps such pages from being written
        is_blocked = False
    if not is_blocked:
        LOGGER.warning(NOT_BLOCKED)
    return is_blocked


def find_replaced_calls() -> list[bool]:
    """Return, of each place of the library that leads to ``RESOLVER``, whether it was replaced."""
    library = _load_library()
    if library is None:
        return []
    slots, replacement = _find_slots(library, RESOLVER), _find_replacement()
    return [ctypes.c_size_t.from_address(slot).value == replacement for slot in slots]


def _redirect_resolver() -> bool:
    """Let the library's calls of ``RESOLVER`` fail; return whether it has any."""
    library = _load_library()
    if library is None:
        return False
    for slot in _find_slots(library, RESOLVER):
        _write_address(slot, _find_replacement())
    return any(find_replaced_calls())


def _load_library() -> ctypes.CDLL | None:
    """Return MediaPipe's library, which MediaPipe uses too; None if it is elsewhere."""
    spec = find_spec("mediapipe")
    path = Path(spec.origin or "").parent / LIBRARY if spec else None
    return ctypes.CDLL(str(path)) if path and path.is_file() else None


def _find_replacement() -> int:
    pointer = ctypes.cast(getattr(ctypes.CDLL(None), REPLACEMENT), ctypes.c_void_p)
    assert pointer.value
    return pointer.value


def _find_slots(library: ctypes.CDLL, name: bytes) -> Iterator[int]:
    """Yield where a library keeps the address of an imported function."""
    map_pointer = ctypes.POINTER(_LinkMap)()
    dlinfo = ctypes.CDLL(None).dlinfo
    dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    if dlinfo(library._handle, DI_LINKMAP, ctypes.byref(map_pointer)) != 0:
        return
    link_map = map_pointer.contents
    tags = dict(_read_dynamic_section(link_map.dynamic))
    if DT_JMPREL not in tags:
        return
    count = tags[DT_PLTRELSZ] // ctypes.sizeof(_Relocation)
    for relocation in (_Relocation * count).from_address(tags[DT_JMPREL]):
        if _read_name(tags, relocation.info >> 32) == name:
            yield link_map.base + relocation.offset


def _read_dynamic_section(address: int) -> Iterator[tuple[int, int]]:
    """Yield the tags and values of a dynamic section."""
    while True:
        tag, value = (ctypes.c_uint64 * 2).from_address(address)
        if tag == 0:
            return
        yield tag, value
        address += 16


def _read_name(tags: dict[int, int], number: int) -> bytes:
    symbol = _Symbol.from_address(tags[DT_SYMTAB] + number * ctypes.sizeof(_Symbol))
    return ctypes.string_at(tags[DT_STRTAB] + symbol.name)


def _write_address(slot: int, address: int) -> None:
    """Write an address to a place that may be protected."""
    page = slot - slot % mmap.PAGESIZE
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if mprotect(page, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE) != 0:
        raise OSError(ctypes.get_errno(), "a page of MediaPipe's library cannot be written")
    ctypes.c_size_t.from_address(slot).value = address
