"""SentencePiece models: trained on the texts of a set, and T5's vocabulary."""

from __future__ import annotations

import base64
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unvoiced.tokenizers.base import EOS, PAD, UNKNOWN, Tokenizer, check_texts, damaged_error

if TYPE_CHECKING:
    import sentencepiece

T5_PIECES, T5_VOCABULARY = 32_000, 32_128  # the network's table is padded to a multiple of 128


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
        check_texts(sentences, self.kind)
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


def _processor(model: bytes, kind: str) -> sentencepiece.SentencePieceProcessor:
    """A loaded model whose special ids are the ones that every tokenizer here has."""
    import sentencepiece  # not needed by the other kinds

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        processor.id_to_piece(list(range(processor.get_piece_size())))  # each of them is UTF-8
    except (RuntimeError, UnicodeDecodeError) as error:
        raise damaged_error(kind, "model", "a SentencePiece model") from error
    ids = (processor.pad_id(), processor.eos_id(), processor.unk_id())
    if ids != (PAD, EOS, UNKNOWN):
        raise damaged_error(kind, "model", f"pad, eos, unk = {PAD}, {EOS}, {UNKNOWN}, found {ids}")
    return processor


def _with_borders(sentences: list[str]) -> Iterator[str]:
    """Every word three times: before a space twice, and at a text's end.

    The library takes a piece into account only where different characters follow it, so a word
    that few texts always have inside would be spelled letter by letter.
    """
    for sentence in sentences:
        yield f"{sentence} {sentence}"
        yield from sentence.split()


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
