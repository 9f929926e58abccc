"""Models of words that a setting names, from files of any content."""

from pathlib import Path

import pytest

from unvoiced.writing.sentences import make_word_model
from unvoiced.writing.word_models import check_word_model

ARPA = "\\data\\\nngram 1=2\n\\1-grams:\n-1.0\t<s>\t-0.3\n-1.0\thello\n\\end\\\n"


@pytest.mark.parametrize(
    "text",
    ["<s> hello", ARPA, "hello " + "x" * 2000, "hello \x00", "hello \u202eweb", "hello ${x}"],
)
def test_sentences_that_no_checkpoint_can_hold_are_refused_before_training(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "sentences.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="language_model=.*that no checkpoint can hold"):
        make_word_model(str(path), ["hello web"], str)


def test_other_sentences_can_be_held(tmp_path: Path) -> None:
    path = tmp_path / "sentences.txt"
    path.write_text("\ufeffhello\u00a0web\n\nhello </s> web\n", encoding="utf-8")
    model = make_word_model(str(path), ["hello web"], str)
    assert model is not None
    check_word_model("model", model.to_plain())
