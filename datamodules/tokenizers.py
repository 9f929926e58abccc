"""Text to ids and back: trained pieces, characters, T5's vocabulary, whole phrases."""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import sentencepiece

PAD, EOS, UNKNOWN = 0, 1, 2
T5_PIECES, T5_VOCABULARY = 32_000, 32_128  # the network's table is padded to a multiple of 128


class Tokenizer(ABC):
    """Text in, ids out, and back.

    ``pad`` fills short sequences and is CTC's blank; ``eos`` ends a sequence where the positions
    are decoded in parallel. ``encode`` adds neither, so the same ids serve both.

    Args:
        lower: write everything in lower case.
    """

    kind: ClassVar[str]
    pad: ClassVar[int] = PAD
    eos: ClassVar[int] = EOS

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are, ``pad`` and ``eos`` included: the width of a network's head."""

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """One that is trained on these texts; ``ValueError`` where they hold nothing to learn."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of the normalised text; what is unwritable is left out."""

    @abstractmethod
    def unwritable(self, text: str) -> list[str]:
        """What of the text ``decode(encode(text))`` would lose, in order, each once."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Strings, numbers and lists from which ``tokenizer_from`` builds the same tokenizer."""

    @abstractmethod
    def _join(self, ids: list[int]) -> str:
        """The text of ids that are neither ``pad`` nor ``eos``, some perhaps unknown."""

    def normalise(self, text: str) -> str:
        """The text as it is written: one space between words, lower case if ``lower``."""
        text = " ".join(text.split())
        return text.lower() if self.lower else text

    def decode(self, ids: Sequence[int]) -> str:
        """The normalised text up to the first ``eos``; ids that stand for no text are dropped."""
        kept = []
        for token in map(int, ids):
            if token == self.eos:
                break
            if token != self.pad:
                kept.append(token)
        return self.normalise(self._join(kept))

    def save(self, folder: Path) -> Path:
        """Write ``tokenizer.json`` into the folder, and give its path."""
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(self.plain(), indent=2) + "\n", encoding="utf-8")
        return path


class _Listed(Tokenizer):
    """Every entry of a list is a token; the first has the id after ``eos``."""

    entries_key: ClassVar[str]

    def __init__(self, lower: bool = True, entries: Sequence[str] = ()) -> None:
        super().__init__(lower)
        self.entries = list(entries)
        self._ids = {entry: number for number, entry in enumerate(self.entries, EOS + 1)}

    @abstractmethod
    def _split(self, text: str) -> Iterable[str]:
        """The tokens that a normalised text is made of."""

    @property
    def size(self) -> int:
        assert self.entries, "fit comes first"
        return EOS + 1 + len(self.entries)

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        entries = {entry for text in texts for entry in self._split(self.normalise(text))}
        _check_texts(entries, self.kind)
        return type(self)(self.lower, sorted(entries))

    def encode(self, text: str) -> list[int]:
        assert self.entries, "fit comes first"
        tokens = self._split(self.normalise(text))
        return [self._ids[token] for token in tokens if token in self._ids]

    def unwritable(self, text: str) -> list[str]:
        tokens = dict.fromkeys(self._split(self.normalise(text)))
        return [token for token in tokens if token not in self._ids]

    def plain(self) -> dict[str, Any]:
        assert self.entries, "fit comes first"
        return {"kind": self.kind, "lower": self.lower, self.entries_key: self.entries}

    def _known(self, ids: list[int]) -> list[str]:
        return [self.entries[i - EOS - 1] for i in ids if EOS < i <= EOS + len(self.entries)]


class Characters(_Listed):
    """Every distinct character of the training texts is a token."""

    kind = "char"
    entries_key = "characters"

    def _split(self, text: str) -> Iterable[str]:
        return text

    def _join(self, ids: list[int]) -> str:
        return "".join(self._known(ids))


class Phrases(_Listed):
    """Every distinct training text is one token: a closed vocabulary of words or phrases.

    Of several ids the first one is the text. ``unwritable`` names a whole text that was not
    trained on, and its ids are none.
    """

    kind = "phrase"
    entries_key = "phrases"

    def _split(self, text: str) -> Iterable[str]:
        return [text] if text else []

    def _join(self, ids: list[int]) -> str:
        return next(iter(self._known(ids)), "")  # a text is one token


class _Pieces(Tokenizer):
    """A SentencePiece model: Kudo and Richardson, SentencePiece, EMNLP 2018."""

    def __init__(self, lower: bool, model: bytes) -> None:
        super().__init__(lower)
        self.model = model
        self._processor = _processor(model, self.kind) if model else None

    @property
    def _pieces(self) -> sentencepiece.SentencePieceProcessor:
        assert self._processor is not None, "fit comes first"
        return self._processor

    @property
    def size(self) -> int:
        return self._pieces.get_piece_size()

    def encode(self, text: str) -> list[int]:
        return [i for i in self._pieces.encode(self.normalise(text)) if i > UNKNOWN]

    def unwritable(self, text: str) -> list[str]:
        found = dict.fromkeys(self.normalise(text))
        return [c for c in found if c != " " and self.decode(self.encode(c)) != c]

    def plain(self) -> dict[str, Any]:
        assert self.model, "fit comes first"
        model = base64.b64encode(self.model).decode("ascii")
        return {"kind": self.kind, "lower": self.lower, "model": model}

    def save(self, folder: Path) -> Path:
        """Write ``tokenizer.model`` as the sentencepiece library reads it, and give its path."""
        assert self.model, "fit comes first"
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(self.model)
        return path

    def _join(self, ids: list[int]) -> str:
        count = self._pieces.get_piece_size()
        pieces = self._pieces.id_to_piece([i for i in ids if UNKNOWN < i < count])
        return "".join(pieces).replace("▁", " ")


class SentencePiece(_Pieces):
    """Unigram pieces trained on the training texts (Kudo, Subword Regularization, ACL 2018).

    Args:
        vocabulary: ids at most, special ones included; few texts give fewer.
        lower: write everything in lower case.
    """

    kind = "sentencepiece"

    def __init__(self, vocabulary: int = 1000, lower: bool = True, model: bytes = b"") -> None:
        super().__init__(lower, model)
        self.vocabulary = vocabulary

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        # The library keeps these characters to itself, and takes a <unk> in a text for its own.
        kept = (
            self.normalise(text).translate({0: None, 0x2581: None, 0x2585: None}) for text in texts
        )
        sentences = [text.replace("<", "< ") for text in kept if text.strip()]
        _check_texts(sentences, self.kind)
        self._check_vocabulary(sentences)
        return SentencePiece(self.vocabulary, self.lower, self._train(sentences))

    def plain(self) -> dict[str, Any]:
        return super().plain() | {"vocabulary": self.vocabulary}

    def _check_vocabulary(self, sentences: list[str]) -> None:
        needed = len(set().union(*sentences) | {" "}) + UNKNOWN + 1
        if self.vocabulary < needed:
            raise ValueError(
                f"tokenizer.vocabulary={self.vocabulary}: the training texts' characters and the "
                f"special ids alone are {needed}; set it to more than that, or use tokenizer=char"
            )

    def _train(self, sentences: list[str]) -> bytes:
        import sentencepiece

        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_with_borders(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=self.vocabulary,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            byte_fallback=False,
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNKNOWN,
            bos_id=-1,
            max_sentence_length=2**30,  # longer ones would be left out without a word
            num_threads=1,  # sums in another order may choose other pieces
            minloglevel=2,
        )
        return model.getvalue()


class T5(_Pieces):
    """The vocabulary of T5 (Raffel et al., 2020): pad 0, eos 1, unk 2, and 32,128 ids.

    Its SentencePiece model has 32,000 pieces; the ids after them stand for no text.

    Args:
        path: ``spiece.model`` of T5-small, or the folder that it is in; None looks for it in the
            Hugging Face cache (``HF_HUB_CACHE``, ``HF_HOME``).
        lower: write everything in lower case.

    Raises:
        ValueError: no such file, or not T5's.
    """

    kind = "t5"

    def __init__(self, path: str | None = None, lower: bool = True, model: bytes = b"") -> None:
        super().__init__(lower, model or _t5_file(path).read_bytes())
        if self._pieces.get_piece_size() != T5_PIECES:
            raise ValueError(
                f"tokenizer t5: the model has {self._pieces.get_piece_size():,} pieces, and T5's "
                f"has {T5_PIECES:,}; set tokenizer.path to the spiece.model of t5-small"
            )

    @property
    def size(self) -> int:
        return T5_VOCABULARY

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """Itself: T5's vocabulary is given."""
        return self

    def normalise(self, text: str) -> str:
        """One space between words, Unicode NFKC as T5's model does it, lower case if ``lower``."""
        text = self._pieces.normalize(super().normalise(text)).replace("▁", " ")
        # The model's own NFKC leaves some sequences half composed, and would go on next time.
        return super().normalise(unicodedata.normalize("NFKC", text))


def tokenizer_from(plain: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a ``plain()``, which may come from a stranger's checkpoint.

    Raises:
        ValueError: an unknown kind, or damaged data.
    """
    kind = plain.get("kind") if isinstance(plain, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"tokenizer kind {kind!r}: expected one of {', '.join(_KINDS)}")
    lower = plain.get("lower")
    if not isinstance(lower, bool):
        raise _damaged(kind, "lower", "true or false")
    build = _KINDS[kind]
    if issubclass(build, _Listed):
        return build(lower, _entries(plain, build))
    model = _model(plain, kind)
    if build is T5:
        return T5(lower=lower, model=model)
    vocabulary = plain.get("vocabulary")
    if not isinstance(vocabulary, int):
        raise _damaged(kind, "vocabulary", "a whole number")
    return SentencePiece(vocabulary, lower, model)


_KINDS: dict[str, type[Tokenizer]] = {
    kind.kind: kind for kind in (SentencePiece, Characters, T5, Phrases)
}


def _damaged(kind: str, key: str, expected: str) -> ValueError:
    return ValueError(
        f"the {kind} tokenizer's {key} is damaged: expected {expected}; train again, or take a "
        "checkpoint that is whole"
    )


def _entries(plain: dict[str, Any], build: type[_Listed]) -> list[str]:
    entries = plain.get(build.entries_key)
    expected = "distinct texts in a list, at least one"
    if not isinstance(entries, list) or not entries:
        raise _damaged(build.kind, build.entries_key, expected)
    texts = all(isinstance(entry, str) and entry for entry in entries)
    if not texts or len(set(entries)) < len(entries):
        raise _damaged(build.kind, build.entries_key, expected)
    return entries


def _model(plain: dict[str, Any], kind: str) -> bytes:
    text = plain.get("model")
    try:
        model = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        model = b""
    if not model:
        raise _damaged(kind, "model", "a SentencePiece model as base64 text")
    return model


def _processor(model: bytes, kind: str) -> sentencepiece.SentencePieceProcessor:
    """A loaded model whose special ids are the ones that every tokenizer here has."""
    import sentencepiece  # not needed by the other kinds

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        processor.id_to_piece(list(range(processor.get_piece_size())))  # each of them is UTF-8
    except (RuntimeError, UnicodeDecodeError) as error:
        raise _damaged(kind, "model", "a SentencePiece model") from error
    ids = (processor.pad_id(), processor.eos_id(), processor.unk_id())
    if ids != (PAD, EOS, UNKNOWN):
        raise _damaged(kind, "model", f"pad, eos, unk = {PAD}, {EOS}, {UNKNOWN}, found {ids}")
    return processor


def _with_borders(sentences: list[str]) -> Iterator[str]:
    """Every word three times: before a space twice, and at a text's end.

    The library takes a piece into account only where different characters follow it, so a word
    that few texts always have inside would be spelled letter by letter.
    """
    for sentence in sentences:
        yield f"{sentence} {sentence}"
        yield from sentence.split()


def _check_texts(texts: Sequence[str] | set[str], kind: str) -> None:
    if not texts:
        raise ValueError(
            f"tokenizer {kind}: the training texts are empty; it needs at least one that is not"
        )


def _t5_file(path: str | None) -> Path:
    if path is None:
        return _t5_in_cache()
    file = Path(path).expanduser()
    file = file / "spiece.model" if file.is_dir() else file
    if not file.is_file():
        raise ValueError(f"tokenizer.path={path}: there is no such file; expected a spiece.model")
    return file


def _t5_in_cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    home = Path(os.environ.get("HF_HOME") or home)
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    for name in ("models--t5-small", "models--google-t5--t5-small"):
        found = sorted(hub.glob(f"{name}/snapshots/*/spiece.model"))
        if found:
            return found[-1]
    raise ValueError(
        f"tokenizer=t5 found no spiece.model of t5-small in {hub}; get it with 'hf download "
        "google-t5/t5-small spiece.model', or set tokenizer.path to the file, or use "
        "tokenizer=sentencepiece"
    )
