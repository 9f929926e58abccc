"""Tokenizers: encoding and decoding, training, damaged and hostile files."""

import base64
import copy
import io
import json
import pickle
from itertools import product
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments.launch.instantiate import instantiate
from tests.helpers.paths import ROOT, require_shared_data
from unvoiced.tokenizers import (
    T5,
    Characters,
    Phrases,
    SentencePiece,
    Tokenizer,
    build_tokenizer,
)

TEXTS = [
    "I need some water, please.",
    "Yes",
    "no  no\tno",
    "Where is the <unk> nurse?",
    "Ça va, Ὀδυσσεύς",
    "turn it off at 7:30",
]
UNFITTED = {
    "char": Characters(),
    "phrase": Phrases(),
    "sentencepiece": SentencePiece(vocabulary=80),
    "cased": SentencePiece(vocabulary=80, lower=False),
}
FITTED = {name: tokenizer.fit(TEXTS) for name, tokenizer in UNFITTED.items()}
every_kind = pytest.mark.parametrize("name", FITTED)
kinds = st.sampled_from(sorted(FITTED))
LETTERS = sorted(set("".join(TEXTS)) | {"\u2003", "ß", "▁", "\x00"})


def remove_unwritable(tokenizer: Tokenizer, text: str) -> str:
    for part in tokenizer.find_unwritable(text):
        text = tokenizer.normalize(text).replace(part, "")
    return text


@settings(max_examples=200)
@given(kind=kinds, text=st.sampled_from(TEXTS) | st.text(LETTERS, max_size=30) | st.text())
def test_encoded_text_decodes_to_itself(kind: str, text: str) -> None:
    tokenizer = FITTED[kind]
    text = remove_unwritable(tokenizer, text)
    if tokenizer.find_unwritable(text):  # a phrase's rest is another phrase
        return
    for either in (tokenizer, build_tokenizer(json.loads(json.dumps(tokenizer.to_plain())))):
        ids = either.encode(text)
        assert either.decode(ids) == tokenizer.normalize(text)
        assert not {either.pad, either.eos} & set(ids)


@settings(max_examples=200)
@given(kind=kinds, ids=st.lists(st.integers(-(10**20), 10**20) | st.integers(0, 90), max_size=20))
def test_any_ids_decode_to_text(kind: str, ids: list[int]) -> None:
    tokenizer = FITTED[kind]
    text = tokenizer.decode(ids)
    assert text == tokenizer.normalize(text)


@settings(max_examples=100)
@given(kind=kinds, text=st.text())
def test_normalizing_twice_changes_nothing(kind: str, text: str) -> None:
    once = FITTED[kind].normalize(text)
    assert FITTED[kind].normalize(once) == once


@settings(max_examples=40)
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=5))
@example(texts=["</s> <pad>", "<unk>"])
@example(texts=["▁", "\x00", "▅"])
def test_pieces_of_any_texts_can_be_trained(texts: list[str]) -> None:
    try:
        tokenizer = SentencePiece(vocabulary=200).fit(texts)
    except ValueError as error:
        assert "texts are empty" in str(error)
        return
    lost = {part for text in texts for part in tokenizer.find_unwritable(text)}
    assert lost <= {"\x00", "▁", "▅"}


@every_kind
def test_the_ids_of_every_training_text_fit_the_head(name: str) -> None:
    tokenizer = FITTED[name]
    used = {token for text in TEXTS for token in tokenizer.encode(text)}
    assert used and max(used) < tokenizer.size
    assert not any(tokenizer.find_unwritable(text) for text in TEXTS)


@every_kind
def test_the_same_texts_train_the_same_tokenizer(name: str) -> None:
    assert UNFITTED[name].fit(TEXTS).to_plain() == FITTED[name].to_plain()


@every_kind
def test_decoding_drops_pad_and_stops_at_eos(name: str) -> None:
    tokenizer = FITTED[name]
    ids = tokenizer.encode("no no no")
    padded = [tokenizer.pad, *ids, tokenizer.pad, tokenizer.eos, *ids]
    assert tokenizer.decode(padded) == "no no no"


@every_kind
def test_empty_text_has_no_ids(name: str) -> None:
    assert FITTED[name].encode(" \n ") == []
    assert FITTED[name].decode([]) == ""


@every_kind
def test_copies_and_other_processes_get_the_same_tokenizer(name: str) -> None:
    tokenizer = FITTED[name]
    for twin in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert twin.to_plain() == tokenizer.to_plain()
        assert twin.encode("yes, please") == tokenizer.encode("yes, please")


@pytest.mark.parametrize("name", UNFITTED)
@pytest.mark.parametrize("texts", [[], ["", " \t"]], ids=["none", "blank"])
def test_fitting_without_texts_is_refused(name: str, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="texts are empty"):
        UNFITTED[name].fit(texts)


def test_lower_case_is_optional() -> None:
    assert FITTED["sentencepiece"].normalize("  I  Need\nit ") == "i need it"
    assert FITTED["cased"].normalize("  I  Need\nit ") == "I Need it"
    assert FITTED["cased"].decode(FITTED["cased"].encode("Yes")) == "Yes"


def test_unwritable_characters_are_named_once_and_left_out() -> None:
    for name in ("char", "sentencepiece"):
        tokenizer = FITTED[name]
        assert tokenizer.find_unwritable("yes ☂ no ☃☂") == ["☂", "☃"]
        assert tokenizer.decode(tokenizer.encode("yes ☂ no ☃☂")) == "yes no"


def test_an_unknown_phrase_is_unwritable_as_a_whole() -> None:
    phrases = FITTED["phrase"]
    assert phrases.find_unwritable("Yes please") == ["yes please"]
    assert phrases.encode("Yes please") == [] and len(phrases.encode("YES")) == 1
    assert phrases.size == 2 + len(TEXTS)


def test_characters_are_two_ids_and_the_distinct_characters() -> None:
    tokenizer = Characters().fit(["ab", "Ba c"])
    assert tokenizer.size == 2 + len("abc ")
    assert tokenizer.encode("cab") == [5, 3, 4]


def test_frequent_words_become_pieces() -> None:
    """Even if each is at the same position in a few texts."""
    verbs, things = ("dim", "fix", "find", "see"), ("light", "door", "lamp", "window")
    texts = [f"please {verb} the {thing} now" for verb, thing in product(verbs, things)]
    tokenizer = SentencePiece(vocabulary=80).fit(texts)
    assert len(tokenizer.encode("please see the light now")) == 5


def test_a_vocabulary_below_the_characters_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"vocabulary=10: .* alone are \d+"):
        SentencePiece(vocabulary=10).fit(TEXTS)
    SentencePiece(vocabulary=80).fit(TEXTS)
    assert capfd.readouterr() == ("", "")  # the library would tell of every step


@every_kind
def test_a_saved_tokenizer_is_a_file_of_its_own_kind(name: str, tmp_path: Path) -> None:
    tokenizer = FITTED[name]
    path = tokenizer.save(tmp_path)
    if isinstance(tokenizer, SentencePiece):
        assert path == tmp_path / "tokenizer.model"
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        assert model.get_piece_size() == tokenizer.size
    else:
        assert path == tmp_path / "tokenizer.json"
        assert build_tokenizer(json.loads(path.read_text())).to_plain() == tokenizer.to_plain()


def train_foreign_model() -> str:
    """Return a valid SentencePiece model with other special ids."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return base64.b64encode(model.getvalue()).decode()


good = FITTED["sentencepiece"].to_plain()


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ([], "kind None: expected one of sentencepiece, char, t5, phrase"),
        ({"kind": "os.system"}, "kind 'os.system'"),
        ({"kind": ["char"]}, r"kind \['char'\]"),
        ({"kind": "char", "characters": ["a"]}, "char tokenizer's lower is damaged"),
        ({"kind": "char", "lower": True}, "characters is damaged: expected distinct"),
        ({"kind": "char", "lower": True, "characters": "abc"}, "characters is damaged"),
        ({"kind": "char", "lower": True, "characters": ["a", "a"]}, "characters is damaged"),
        ({"kind": "phrase", "lower": True, "phrases": []}, "phrases is damaged"),
        ({"kind": "phrase", "lower": True, "phrases": ["a", {}]}, "phrases is damaged"),
        ({"kind": "phrase", "lower": True, "phrases": [""]}, "phrases is damaged"),
        (good | {"vocabulary": "80"}, "vocabulary is damaged: expected a whole number"),
        (good | {"model": None}, "expected a SentencePiece model as base64"),
        (good | {"model": "é"}, "expected a SentencePiece model as base64"),
        (good | {"model": "!" + good["model"]}, "expected a SentencePiece model as base64"),
        (good | {"model": good["model"][:-8]}, r"expected a SentencePiece model\."),
        (good | {"model": base64.b64encode(b"junk").decode()}, r"expected a SentencePiece model\."),
        (good | {"model": train_foreign_model()}, r"pad, eos, unk = 0, 1, 2, found \(-1, 2, 0\)"),
        (good | {"kind": "t5"}, "pieces; expected T5's 32,000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_data_is_refused(plain: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_tokenizer(plain)


@pytest.mark.parametrize("name", ["char", "phrase", "sentencepiece"])
def test_the_configurations_build_them(name: str) -> None:
    config = OmegaConf.load(ROOT / "conf" / "tokenizer" / f"{name}.yaml")
    tokenizer = instantiate(config).fit(TEXTS)
    assert tokenizer.kind == name and tokenizer.decode(tokenizer.encode("YES")) == "yes"


def test_a_missing_t5_file_names_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"found no spiece.model .*hf download"):
        T5()
    with pytest.raises(ValueError, match="no such file"):
        T5(str(tmp_path / "spiece.model"))


@pytest.fixture(scope="module")
def t5_file() -> Path:
    return require_shared_data("models") / "t5_spiece.model"


@pytest.fixture(scope="module")
def t5(t5_file: Path) -> T5:
    return T5(str(t5_file))


@pytest.mark.shared_data
@pytest.mark.parametrize("owner", ["t5-small", "google-t5--t5-small"])
@pytest.mark.parametrize(("variable", "below"), [("HF_HOME", "hub"), ("HF_HUB_CACHE", ".")])
def test_t5_is_found_in_the_hugging_face_cache(
    t5_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner, variable, below
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    snapshot = tmp_path / below / f"models--{owner}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "spiece.model").symlink_to(t5_file)
    assert T5().encode("hello") == T5(str(snapshot)).encode("hello")


@pytest.mark.shared_data
def test_t5_has_the_ids_of_its_paper(t5: T5) -> None:
    assert (t5.size, t5.pad, t5.eos) == (32_128, 0, 1)
    assert t5.encode("Hello, I need water.") == [21820, 6, 3, 23, 174, 387, 5]
    assert t5.decode([21820, 6, 3, 23, 174, 387, 5, 1, 9]) == "hello, i need water."
    assert t5.find_unwritable("a~b {c}") == ["~", "{", "}"]
    assert t5.decode([2, 32_127, 32_000, 21820]) == "hello"


@pytest.mark.shared_data
@settings(max_examples=300)
@given(text=st.text() | st.text("aÀﬁ℡ ́̈\x7f▁Σ㎯", max_size=12))
@example(text="\u0344\x7f\u0331a")
def test_t5_decodes_encodable_text(t5: T5, text: str) -> None:
    text = remove_unwritable(t5, text)
    if not t5.find_unwritable(text):
        assert t5.decode(t5.encode(text)) == t5.normalize(text) == t5.normalize(t5.normalize(text))


@pytest.mark.shared_data
def test_t5_comes_back_from_plain_data_and_a_saved_file(t5: T5, tmp_path: Path) -> None:
    assert build_tokenizer(t5.to_plain()).encode("Hello") == t5.encode("Hello")
    assert T5(str(t5.save(tmp_path))).to_plain() == t5.to_plain()
    assert t5.fit(["anything"]) is t5


def test_a_phrase_is_the_whole_text() -> None:
    phrases = Phrases().fit(["call me", "yes"])
    assert phrases.decode(phrases.encode("yes") + phrases.encode("call me")) == "yes"
