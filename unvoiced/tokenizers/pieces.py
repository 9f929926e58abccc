"""SentencePiece models: trained on the texts of a set, or T5's vocabulary."""

from __future__ import annotations

import base64
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unvoiced.tokenizers.base import (
    EOS_ID,
    PAD_ID,
    UNKNOWN_ID,
    Tokenizer,
    check_texts,
    damaged_error,
)

if TYPE_CHECKING:
    import sentencepiece

T5_PIECES = 32_000
T5_VOCABULARY = 32_128  # T5 pads its embedding table to a multiple of 128


class _PieceTokenizer(Tokenizer):
    """A tokenizer with a SentencePiece model: Kudo and Richardson, SentencePiece, EMNLP 2018."""

    def __init__(self, lower: bool, model: bytes) -> None:
        super().__init__(lower)
        self.model = model
        self._processor = _load_processor(model, self.kind) if model else None

    @property
    def _pieces(self) -> sentencepiece.SentencePieceProcessor:
        assert self._processor is not None, "not fitted"
        return self._processor

    @property
    def size(self) -> int:
        """Number of ids, with the special ones."""
        return self._pieces.get_piece_size()

    def encode(self, text: str) -> list[int]:
        """Return the ids of the pieces, without unknown ones."""
        return [i for i in self._pieces.encode(self.normalize(text)) if i > UNKNOWN_ID]

    def find_unwritable(self, text: str) -> list[str]:
        """Return the distinct characters that have no ids, in order."""
        characters = dict.fromkeys(self.normalize(text))
        return [c for c in characters if c != " " and self.decode(self.encode(c)) != c]

    def token_texts(self) -> list[str]:
        """Return the text of each id, empty for special ones; a space begins a word."""
        pieces = self._pieces.id_to_piece(list(range(self._pieces.get_piece_size())))
        texts = ["" if i <= UNKNOWN_ID else p.replace("▁", " ") for i, p in enumerate(pieces)]
        return texts + [""] * (self.size - len(texts))  # T5 has ids without a piece

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``build_tokenizer`` for the same tokenizer."""
        assert self.model, "not fitted"
        model = base64.b64encode(self.model).decode("ascii")
        return {"kind": self.kind, "lower": self.lower, "model": model}

    def save(self, folder: Path) -> Path:
        """Write ``tokenizer.model`` for the sentencepiece library and return its path."""
        assert self.model, "not fitted"
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(self.model)
        return path

    def _join_tokens(self, ids: list[int]) -> str:
        count = self._pieces.get_piece_size()
        pieces = self._pieces.id_to_piece([i for i in ids if UNKNOWN_ID < i < count])
        return "".join(pieces).replace("▁", " ")


class SentencePiece(_PieceTokenizer):
    """Unigram pieces of the training texts (Kudo, Subword Regularization, ACL 2018).

    Args:
        vocabulary: largest number of ids, with the special ones; few texts give fewer.
        lower: convert texts to lower case.
        model: a trained SentencePiece model; empty before ``fit``.
    """

    kind = "sentencepiece"

    def __init__(self, vocabulary: int = 1000, lower: bool = True, model: bytes = b"") -> None:
        super().__init__(lower, model)
        self.vocabulary = vocabulary

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """Return a tokenizer that is trained on these texts.

        Raises:
            ValueError: the texts are empty, or the vocabulary is too small for their characters.
        """
        # The library reserves these characters, and treats a <unk> in a text as its own.
        reserved = {0: None, 0x2581: None, 0x2585: None}
        cleaned = (self.normalize(text).translate(reserved) for text in texts)
        sentences = [text.replace("<", "< ") for text in cleaned if text.strip()]
        check_texts(sentences, self.kind)
        self._check_vocabulary(sentences)
        return SentencePiece(self.vocabulary, self.lower, self._train_model(sentences))

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``build_tokenizer`` for the same tokenizer."""
        return super().to_plain() | {"vocabulary": self.vocabulary}

    def _check_vocabulary(self, sentences: list[str]) -> None:
        needed = len(set().union(*sentences) | {" "}) + UNKNOWN_ID + 1
        if self.vocabulary < needed:
            raise ValueError(
                f"tokenizer.vocabulary={self.vocabulary}: the training texts' characters and the "
                f"special ids alone are {needed}. Set it to more than that, or use tokenizer=char"
            )

    def _train_model(self, sentences: list[str]) -> bytes:
        import sentencepiece

        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_repeat_words(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=self.vocabulary,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            byte_fallback=False,
            pad_id=PAD_ID,
            eos_id=EOS_ID,
            unk_id=UNKNOWN_ID,
            bos_id=-1,
            max_sentence_length=2**30,  # longer ones would be skipped silently
            num_threads=1,  # another order of sums may choose other pieces
            minloglevel=2,
        )
        return model.getvalue()


class T5(_PieceTokenizer):
    """The vocabulary of T5 (Raffel et al., 2020): pad 0, eos 1, unk 2, and 32,128 ids.

    Its SentencePiece model has 32,000 pieces; the ids after them have no text.

    Args:
        path: ``spiece.model`` of T5-small, or its folder; None searches the Hugging Face cache
            (``HF_HUB_CACHE``, ``HF_HOME``).
        lower: convert texts to lower case.
        model: the content of ``spiece.model``, in place of a path.

    Raises:
        ValueError: no such file, or not T5's.
    """

    kind = "t5"

    def __init__(self, path: str | None = None, lower: bool = True, model: bytes = b"") -> None:
        super().__init__(lower, model or _locate_t5(path).read_bytes())
        if self._pieces.get_piece_size() != T5_PIECES:
            raise ValueError(
                f"tokenizer t5: the model has {self._pieces.get_piece_size():,} pieces; "
                f"expected T5's {T5_PIECES:,}. Set tokenizer.path to the spiece.model of t5-small"
            )

    @property
    def size(self) -> int:
        """Number of ids, with those that have no piece."""
        return T5_VOCABULARY

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """Return the tokenizer itself: T5's vocabulary is fixed."""
        return self

    def normalize(self, text: str) -> str:
        """Return the text with single spaces, in NFKC like T5, in lower case if ``lower``."""
        text = self._pieces.normalize(super().normalize(text)).replace("▁", " ")
        # The model's own NFKC composes some sequences only partly, and would continue next time.
        return super().normalize(unicodedata.normalize("NFKC", text))


def _load_processor(model: bytes, kind: str) -> sentencepiece.SentencePieceProcessor:
    """Load a model, and check that its special ids are those of all tokenizers."""
    import sentencepiece  # only pieces need it

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        processor.id_to_piece(list(range(processor.get_piece_size())))  # each of them is UTF-8
    except (RuntimeError, UnicodeDecodeError) as error:
        raise damaged_error(kind, "model", "a SentencePiece model") from error
    ids = (processor.pad_id(), processor.eos_id(), processor.unk_id())
    if ids != (PAD_ID, EOS_ID, UNKNOWN_ID):
        expected = f"pad, eos, unk = {PAD_ID}, {EOS_ID}, {UNKNOWN_ID}, found {ids}"
        raise damaged_error(kind, "model", expected)
    return processor


def _repeat_words(sentences: list[str]) -> Iterator[str]:
    """Yield every word three times: twice before a space, and once at the end of a text.

    The library only considers pieces that different characters follow; a word that is always
    followed by a space would be spelled letter by letter.
    """
    for sentence in sentences:
        yield f"{sentence} {sentence}"
        yield from sentence.split()


def _locate_t5(path: str | None) -> Path:
    if path is None:
        return _search_t5_cache()
    file = Path(path).expanduser()
    file = file / "spiece.model" if file.is_dir() else file
    if not file.is_file():
        raise ValueError(f"tokenizer.path={path}: no such file; expected a spiece.model")
    return file


def _search_t5_cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    home = Path(os.environ.get("HF_HOME") or home)
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    for name in ("models--t5-small", "models--google-t5--t5-small"):
        files = sorted(hub.glob(f"{name}/snapshots/*/spiece.model"))
        if files:
            return files[-1]
    raise ValueError(
        f"tokenizer=t5 found no spiece.model of t5-small in {hub}. Get it with 'hf download "
        "google-t5/t5-small spiece.model', or set tokenizer.path to the file, or use "
        "tokenizer=sentencepiece"
    )
