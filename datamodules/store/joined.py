"""Several prepared sets as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.dataset import PreparedSet, SetSource
from datamodules.store.frames import ConcatFrameStore, NpyFrameStore
from datamodules.store.training_record import hash_contents
from unvoiced.metadata import rename_reader_settings
from unvoiced.tasks import get_task
from unvoiced.text import count_noun, normal_form, shorten
from unvoiced.vision.mouth_windows import has_restored_sizes
from unvoiced.vision.skeleton import has_standard_ratio

SAME_FIELDS = ("shape", "dtype", "rate", "meaning")  # of a frame
SHOWN_CLASSES = 5


class JoinedSet(PreparedSet):
    """The rows of several prepared sets; their features are read once.

    Ids, sequences and groups begin with the name of their set, so that two people of one name stay
    two groups. Recordings of the same ``raw_dir`` share groups and sequences. A recording that an
    earlier set holds too is left out.

    Args:
        folders: two or more.
        task: the expected task.
        memory_limit: bytes of all features together up to which they are loaded into memory.
        shared_groups: whether groups of one name in several sets are the same people or sessions.
        has_chosen_classes: whether the classes are chosen, so that sets may have none in common.

    Raises:
        ValueError: sets of other frames, rates or classes, the same set twice, or a set that cannot
            be read.
    """

    def __init__(
        self,
        folders: Sequence[str],
        task: str,
        memory_limit: int = 1 << 30,
        shared_groups: bool = False,
        has_chosen_classes: bool = False,
    ) -> None:
        _refuse_same_folders(folders)
        parts = [PreparedSet(folder, task, memory_limit=-1) for folder in folders]
        for part in parts[1:]:
            _require_same_frames(parts[0], part)
        if not (has_chosen_classes or get_task(task).has_open_text):
            _require_common_classes(parts)
        self.data_dir, self.folders = Path(folders[0]), [Path(folder) for folder in folders]
        self.meta = _join_meta(parts)
        self.has_sequences = all(part.has_sequences for part in parts)
        self._join_rows(parts, shared_groups)
        self._load_features(parts, memory_limit)
        self._drop_copies()

    @property
    def place(self) -> str:
        """The folders, as ``data_dir=`` takes them."""
        return f"[{','.join(map(str, self.folders))}]"

    @property
    def sources(self) -> list[SetSource]:
        """The sets that the rows come from."""
        return self._sources

    def _join_rows(self, parts: list[PreparedSet], shared_groups: bool) -> None:
        origins = [_list_origins(part) for part in parts]
        counts = Counter(raw_dir for known in origins for raw_dir in known if raw_dir)
        tables, self._sources, frames = [], [], 0
        for part, name, known in zip(parts, name_folders(self.folders), origins, strict=True):
            common = {known[raw_dir] for raw_dir in known if counts[raw_dir] > 1}
            group_prefix = "" if "" in common or shared_groups else f"{name}/"
            rows = part.manifest.assign(start=part.starts + frames)
            is_own = rows["sequence"] == rows["id"]  # of an unknown sequence
            sequences = rows["sequence"] if "" in common else f"{name}/" + rows["sequence"]
            groups = rows["group"].where(rows["group"] == "", group_prefix + rows["group"])
            for prefix in common - {""}:  # of recordings that were added to the set
                groups = _cut_prefix(groups, rows, "group", prefix)
                sequences = _cut_prefix(sequences, rows, "sequence", prefix)
            rows["group"] = groups
            rows["id"] = f"{name}/" + rows["id"]
            rows["sequence"] = rows["id"].where(is_own, sequences)
            frames += len(part.features)
            tables.append(rows)
            self._sources.append(SetSource(len(rows), part.meta, f"{name}/", group_prefix))
        self.manifest = pd.concat(tables, ignore_index=True).fillna("")
        self.starts = self.manifest["start"].to_numpy(np.int64)
        self.lengths = self.manifest["length"].to_numpy(np.int64)
        has_words = any(part.word_spans is not None for part in parts)
        spans = [part.fill_spans() for part in parts] if has_words else []
        self.word_spans = np.concatenate(spans) if has_words else None

    def _load_features(self, parts: list[PreparedSet], memory_limit: int) -> None:
        stores = [part.features for part in parts]
        joined = ConcatFrameStore(stores)
        if sum(store.nbytes for store in stores) > memory_limit:
            self.features = joined
            return
        self.features, first = np.empty(joined.shape, joined.dtype), 0
        for part, store in zip(parts, stores, strict=True):
            assert isinstance(store, NpyFrameStore)
            loaded = self.features[first : first + len(store)]
            store.read_all(loaded)
            part.check_finite(loaded)
            first += len(store)

    def _drop_copies(self) -> None:
        """Leave out the recordings that an earlier set holds too."""
        hashes = hash_contents(self, np.arange(len(self)))
        numbers = np.repeat(np.arange(len(self._sources)), [one.num_rows for one in self._sources])
        earliest = pd.Series(numbers).groupby([hashes, self.lengths]).transform("min").to_numpy()
        is_copy = (hashes != 0) & (earliest < numbers)
        if is_copy.any():
            self._keep_rows(np.flatnonzero(~is_copy), numbers)

    def _keep_rows(self, kept: np.ndarray, numbers: np.ndarray) -> None:
        """Keep these rows alone; ``numbers`` (rows,) are those of their sets."""
        counts = np.bincount(numbers[kept], minlength=len(self._sources))
        if not counts.all():
            raise ValueError(
                f"data_dir={self.place}: {self.folders[int(counts.argmin())]} holds nothing but "
                "copies of recordings of the sets before it. Leave it out"
            )
        self.manifest = self.manifest.iloc[kept].reset_index(drop=True)
        self.starts, self.lengths = self.starts[kept], self.lengths[kept]
        self.word_spans = None if self.word_spans is None else self.word_spans[kept]
        self._sources = [
            replace(one, num_rows=int(count))
            for count, one in zip(counts, self._sources, strict=True)
        ]
        dropped = count_noun(len(numbers) - len(kept), "recording")
        self.note = f"{dropped} that an earlier set holds too left out"


def open_set(
    data_dir: str | Path | Sequence[str],
    task: str,
    memory_limit: int = 1 << 30,
    shared_groups: bool = False,
    has_chosen_classes: bool = False,
) -> PreparedSet:
    """Return the set of one folder, or of several.

    Raises:
        ValueError: a set cannot be read, or the sets do not fit each other.
    """
    folders = list_folders(data_dir)
    if len(folders) == 1:
        return PreparedSet(folders[0], task, memory_limit)
    return JoinedSet(folders, task, memory_limit, shared_groups, has_chosen_classes)


def list_folders(data_dir: str | Path | Sequence[str]) -> list[str]:
    """Return the folders that ``data_dir=`` names."""
    return [str(data_dir)] if isinstance(data_dir, str | Path) else list(map(str, data_dir))


def name_folders(folders: Sequence[Path]) -> list[str]:
    """Return a short unique name of each folder: as many of its last parts as that needs."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = [normal_form("/".join(path.parts[-depth:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{number}-{path.name}" for number, path in enumerate(paths, 1)]  # Unicode forms


def _refuse_same_folders(folders: Sequence[str]) -> None:
    paths = [Path(folder).resolve() for folder in folders]
    for folder, path in zip(folders, paths, strict=True):
        if paths.count(path) > 1:
            raise ValueError(f"data_dir=[{','.join(folders)}] names {folder} twice. Name it once")


def _require_same_frames(first: PreparedSet, second: PreparedSet) -> None:
    pairs = [
        (f"frame {name}", *(_describe_field(part.meta["frame"][name]) for part in (first, second)))
        for name in SAME_FIELDS
    ]
    pairs.append(("simulated", *(str(part.simulated).lower() for part in (first, second))))
    zooms = [_reader_settings(part).get("zoom") for part in (first, second)]
    ratios = [str(has_standard_ratio(_reader_settings(part))).lower() for part in (first, second)]
    pairs.append(("reader.standard_ratio", *ratios))
    sizes = [str(has_restored_sizes(_reader_settings(part))).lower() for part in (first, second)]
    pairs.append(("reader.restore_size", *sizes))
    if None not in zooms:
        pairs.append(("reader.zoom", *map(str, zooms)))
    for name, ours, theirs in pairs:
        if ours != theirs:
            raise ValueError(
                f"data_dir: {first.data_dir} and {second.data_dir} differ in {name} ({ours} and "
                f"{theirs}); expected sets of the same frames. Prepare one of them as the other"
            )


def _describe_field(value: Any) -> str:
    """Return a field of a frame in words; older sets say picture."""
    return str(value).replace("picture", "image")


def _require_common_classes(parts: list[PreparedSet]) -> None:
    """Refuse sets without a common class, and classes spelled in two ways."""
    spellings: dict[str, tuple[str, Path]] = {}
    for number, part in enumerate(parts):
        present = part.meta["classes_present"]
        shared = [name for name in present if name.casefold() in spellings]
        if number and not shared:
            known = list(spellings.values())
            raise ValueError(
                f"data_dir: {part.data_dir} and the sets before it have no class in common "
                f"({_list_names(present)}; {_list_names([name for name, _ in known])}): a model "
                "would distinguish the sets. Choose the classes with classes=[…] if that is meant"
            )
        for name in present:
            other, folder = spellings.setdefault(name.casefold(), (name, part.data_dir))
            if other != name and folder != part.data_dir:
                raise ValueError(
                    f"data_dir: {folder} spells a class {other!r} and {part.data_dir} spells it "
                    f"{name!r}; expected one spelling. Prepare one of them again"
                )


def _list_names(names: Sequence[str]) -> str:
    more = ["…"] * (len(names) > SHOWN_CLASSES)
    return ", ".join([*(shorten(name, 40) for name in names[:SHOWN_CLASSES]), *more])


def _join_meta(parts: list[PreparedSet]) -> dict[str, Any]:
    """Return the content of a ``meta.json`` of all parts; settings on which they agree."""
    present = list(dict.fromkeys(_iterate_classes(parts, "classes_present")))
    has_vocabulary = any(part.meta["classes"] for part in parts)
    ordered = list(dict.fromkeys(name for part in parts for name in part.classes))
    readers = [_reader_settings(part) for part in parts]
    agreed = {
        key: value
        for key, value in readers[0].items()
        if all(key in other and other[key] == value for other in readers[1:])
    }
    return parts[0].meta | {
        "classes": ordered if has_vocabulary else [],
        "classes_present": present if has_vocabulary else sorted(present),
        "settings": {"reader": agreed} if agreed else {},
    }


def _iterate_classes(parts: list[PreparedSet], key: str) -> Iterator[str]:
    for part in parts:
        yield from part.meta[key]


def _reader_settings(part: PreparedSet) -> dict[str, Any]:
    settings = part.meta["settings"].get("reader")
    has_images = len(part.meta["frame"]["shape"]) > 1
    settings = rename_reader_settings(settings, has_images) if isinstance(settings, dict) else {}
    return settings | ({"standard_ratio": True} if has_standard_ratio(settings) else {})


def _list_origins(part: PreparedSet) -> dict[str, str]:
    """Return the folders of the recordings of a set, with the prefixes of their names."""
    added = {source["raw_dir"]: source["prefix"] for source in part.meta.get("appended", [])}
    return added | {str(_reader_settings(part).get("raw_dir") or ""): ""}


def _cut_prefix(names: pd.Series, rows: pd.DataFrame, column: str, prefix: str) -> pd.Series:
    """Replace the names of the rows of an added source by those without its prefix."""
    is_added = rows["id"].str.startswith(prefix) & rows[column].str.startswith(prefix)
    return names.mask(is_added, rows[column].str.slice(len(prefix)))
