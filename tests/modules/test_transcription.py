"""Transcription: losses as in torch, scores as counted by hand, nearest phrases."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchmetrics.text import WordErrorRate

from datamodules.loading.sequences import IGNORE_INDEX, pad_tokens
from modules.emg import EMGModule
from modules.metrics import GroupInterval, count_word_errors
from modules.networks.emg_ctc import EMGCTC
from modules.networks.layers.heads import InfoNCEHead
from modules.transcription import TranscriptionModule
from unvoiced.tokenizers import Characters, Tokenizer

TRUE = ["call me", "no", "yes"]
SAID = ["call her", "no", ""]
EOS = Characters.eos
words_drawn = st.lists(st.sampled_from(["no", "yes", "i", "am", "cold"]), max_size=6)


class FixedNetwork(nn.Module):
    """A network that returns fixed logits."""

    def __init__(self, logits: Tensor, lengths: Tensor) -> None:
        super().__init__()
        self.logits, self.lengths = nn.Parameter(logits), lengths

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits, self.lengths


def make_tokenizer() -> Tokenizer:
    return Characters().fit([*TRUE, *SAID])


def make_position_logits(texts: list[str], sure: float = 9.0) -> tuple[Tensor, Tensor]:
    """Return logits of positions for these texts and their end."""
    rows = [[*make_tokenizer().encode(text), EOS] for text in texts]
    ids = pad_tokens(rows).clamp(min=0)  # (B, L)
    return sure * F.one_hot(ids, make_tokenizer().size).float(), torch.full(
        (len(texts),), ids.shape[1]
    )


def make_frame_logits(texts: list[str], sure: float = 9.0) -> tuple[Tensor, Tensor]:
    """Return logits of frames for these texts: every token twice and a blank."""
    rows = [
        [i for token in make_tokenizer().encode(text) for i in (token, token, 0)] for text in texts
    ]
    lengths = torch.tensor([max(1, len(row)) for row in rows])
    frames = pad_tokens(rows).masked_fill(
        pad_tokens(rows) == IGNORE_INDEX, 3
    )  # beyond the end: noise
    frames[lengths == 1] = 0
    return sure * F.one_hot(frames, make_tokenizer().size).float(), lengths


def make_batch(texts: list[str], groups: list[int] | None = None) -> dict[str, object]:
    count = len(texts)
    return {
        "x": torch.zeros(count, 4, 2),
        "length": torch.full((count,), 4),
        "y": pad_tokens([make_tokenizer().encode(text) for text in texts]),
        "text": texts,
        "index": torch.arange(count),
        "group": torch.tensor(groups or [0] * count),
        "sequence": torch.arange(count),
    }


def make_module(net: nn.Module, classes: tuple[str, ...] = (), **more) -> TranscriptionModule:
    settled = {"label_smoothing": 0.0} | more
    return TranscriptionModule(net, list(classes), make_tokenizer(), **settled).eval()


def evaluate_module(net: nn.Module, **more) -> tuple[TranscriptionModule, dict[str, object]]:
    one = make_module(net, **more)
    with torch.no_grad():
        return one, one.test_step(make_batch(TRUE), 0)


# ---- losses


@settings(max_examples=30)
@given(
    rows=st.lists(st.lists(st.integers(2, 8), max_size=5), min_size=1, max_size=4),
    count=st.integers(1, 9),
)
def test_the_end_stands_after_the_tokens_and_what_is_too_long_is_cut(
    rows: list[list[int]], count: int
) -> None:
    predicted = make_module(nn.Identity()).position_targets(pad_tokens(rows), count)
    assert predicted.shape == (len(rows), count)
    for row, tokens in zip(predicted.tolist(), rows, strict=True):
        whole = [*tokens, EOS, *[IGNORE_INDEX] * count]
        assert row == whole[:count]


@pytest.mark.parametrize("objective", ["cross_entropy", "ctc"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_wider_padding_of_the_texts_changes_no_loss(objective: str, smoothing: float) -> None:
    torch.manual_seed(0)
    logits, lengths = torch.randn(3, 30, make_tokenizer().size), torch.tensor([30, 20, 25])
    one = make_module(nn.Identity(), objective=objective, label_smoothing=smoothing)
    y = make_batch(TRUE)["y"]
    wider = F.pad(y, (0, 11), value=IGNORE_INDEX)
    torch.testing.assert_close(
        one.compute_loss(logits, lengths, wider), one.compute_loss(logits, lengths, y)
    )


def test_cross_entropy_is_that_of_the_tokens_and_their_end() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, make_tokenizer().size)
    y = torch.tensor([[4, 5, IGNORE_INDEX], [3, IGNORE_INDEX, IGNORE_INDEX]])
    shares = logits.log_softmax(-1)
    predicted = [
        shares[0, 0, 4],
        shares[0, 1, 5],
        shares[0, 2, EOS],
        shares[1, 0, 3],
        shares[1, 1, EOS],
    ]
    loss = make_module(nn.Identity()).compute_loss(logits, torch.tensor([5, 5]), y)
    torch.testing.assert_close(loss, -torch.stack(predicted).mean())


def test_label_smoothing_agrees_with_torch() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 8, make_tokenizer().size)
    one = make_module(nn.Identity(), label_smoothing=0.3)
    y = make_batch(TRUE)["y"]
    targets = one.position_targets(y, 8)
    kept = targets != IGNORE_INDEX
    expected = F.cross_entropy(logits[kept], targets[kept], label_smoothing=0.3)
    torch.testing.assert_close(one.compute_loss(logits, torch.full((3,), 8), y), expected)


def test_ctc_is_that_of_torch_a_text_at_a_time() -> None:
    torch.manual_seed(0)
    logits, lengths = torch.randn(3, 20, make_tokenizer().size), torch.tensor([20, 12, 9])
    y = make_batch(TRUE)["y"]
    each = []
    for one, length, row in zip(logits, lengths.tolist(), y, strict=True):
        shares, target = one[:length].log_softmax(-1), row[row != IGNORE_INDEX]
        each.append(F.ctc_loss(shares, target, torch.tensor(length), torch.tensor(len(target))))
    loss = make_module(nn.Identity(), objective="ctc").compute_loss(logits, lengths, y)
    torch.testing.assert_close(loss, torch.stack(each).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_text_longer_than_its_frames_counts_nothing_and_stays_finite(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, make_tokenizer().size, requires_grad=True)
    lengths, y = torch.tensor([5, 3]), make_batch(["no", "call me"])["y"]
    one = make_module(nn.Identity(), objective="ctc", label_smoothing=smoothing)
    loss = one.compute_loss(logits, lengths, y)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
    assert bool(logits.grad[1].any()) == bool(smoothing)
    if not smoothing:
        alone = one.compute_loss(logits[:1], lengths[:1], y[:1, :2])
        torch.testing.assert_close(loss, alone / 2)


def test_label_smoothing_counts_valid_frames_only() -> None:
    torch.manual_seed(0)
    logits, lengths = torch.randn(2, 9, make_tokenizer().size), torch.tensor([9, 6])
    y = make_batch(["no", "yes"])["y"]
    plain, half, most = (
        make_module(nn.Identity(), objective="ctc", label_smoothing=share).compute_loss(
            logits, lengths, y
        )
        for share in (0.0, 0.5, 0.999)
    )
    shares = logits.log_softmax(-1)
    even = -torch.cat([shares[0], shares[1, :6]]).mean()
    torch.testing.assert_close(half, (plain + even) / 2)
    torch.testing.assert_close(most, even, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("objective", ["cross_entropy", "ctc"])
def test_the_loss_of_half_precision_is_taken_in_float32(objective: str) -> None:
    logits = torch.randn(3, 25, make_tokenizer().size, generator=torch.Generator().manual_seed(0))
    one, lengths = make_module(nn.Identity(), objective=objective), torch.full((3,), 25)
    y = make_batch(TRUE)["y"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = one.compute_loss(logits.bfloat16(), lengths, y)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, one.compute_loss(logits, lengths, y), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"objective": "mse"}, "objective=mse is unknown; expected cross_entropy or ctc"),
        ({"beam_width": 0, "objective": "ctc"}, "module.beam_width=0"),
        ({"beam_width": 4}, "module.beam_width=4.*objective=ctc"),
    ],
    ids=["objective", "no beam", "beam of positions"],
)
def test_invalid_arguments_are_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make_module(nn.Identity(), **wrong)


# ---- scores


def count_by_hand(**more: float) -> dict[str, float]:
    """Return the scores of SAID against TRUE, counted by hand."""
    rates = {"wer": 2 / 4, "cer": (2 + 0 + 3) / 12, "exact": 1 / 3}
    # "call " and the e stand in their places, "no" and its end, and nothing of "yes".
    return rates | {"token_acc": (6 + 3 + 0) / (8 + 3 + 4)} | more


def assert_scores(one: TranscriptionModule, phase: str, expected: dict[str, float]) -> None:
    scores = {name: float(value) for name, value in one.compute_scores(phase).items()}
    named = {f"{phase}/{name}": value for name, value in expected.items()}
    assert {name: scores[name] for name in named} == pytest.approx(named)
    others = {"test/wer_low", "test/wer_high", "test/n"} if phase == "test" else set()
    assert set(scores) == set(named) | others


@pytest.mark.parametrize("objective", ["cross_entropy", "ctc"])
def test_scores_are_those_counted_by_hand(objective: str) -> None:
    says = FixedNetwork(*(make_frame_logits if objective == "ctc" else make_position_logits)(SAID))
    one, outcome = evaluate_module(says, objective=objective)
    assert outcome["texts"] == SAID and outcome["reference"] == TRUE
    assert outcome["errors"] == [1, 0, 1] and outcome["words"] == [2, 1, 1]
    assert_scores(one, "test", count_by_hand())
    assert one.compute_scores("test")["test/n"] == 3
    with torch.no_grad():
        one.validation_step(make_batch(TRUE), 0)
    assert_scores(one, "val", count_by_hand())


def test_scores_add_up_over_batches_and_start_anew() -> None:
    one, _ = evaluate_module(FixedNetwork(*make_position_logits(SAID)))
    with torch.no_grad():
        one.net = FixedNetwork(*make_position_logits(TRUE))
        one.test_step(make_batch(TRUE), 1)
        assert (
            one.compute_scores("test")["test/wer"] == 2 / 8
            and one.compute_scores("test")["test/n"] == 6
        )
        one.on_test_epoch_start()
        one.test_step(make_batch(TRUE), 0)
    assert_scores(one, "test", {"wer": 0, "cer": 0, "exact": 1, "token_acc": 1})


def test_a_closed_vocabulary_takes_the_nearest_phrase() -> None:
    one, outcome = evaluate_module(FixedNetwork(*make_position_logits(SAID)), classes=tuple(TRUE))
    assert outcome["nearest"] == ["call me", "no", "no"]
    assert_scores(one, "test", count_by_hand(closed_acc=2 / 3))
    assert one.compute_confusion("test").tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_a_phrase_outside_the_vocabulary_is_wrong_and_in_no_row() -> None:
    one = make_module(FixedNetwork(*make_position_logits(["no", "no"])), classes=("no", "yes"))
    with torch.no_grad():
        one.test_step(make_batch(["call me", "no"]), 0)
    assert one.compute_scores("test")["test/closed_acc"] == 0.5
    assert one.compute_confusion("test").tolist() == [[1, 0], [0, 0]]


def test_a_vocabulary_of_one_phrase_has_one_row() -> None:
    one = make_module(FixedNetwork(*make_position_logits(["no"])), classes=("no",))
    with torch.no_grad():
        outcome = one.test_step(make_batch(["no"]), 0)
    assert outcome["nearest"] == ["no"] and one.compute_confusion("test").tolist() == [[1]]


def test_losses_are_means_over_recordings_of_all_batches() -> None:
    one, _ = evaluate_module(FixedNetwork(*make_position_logits(SAID)))
    expected = one.compute_sample_losses(*make_position_logits(SAID), make_batch(TRUE)["y"])
    torch.testing.assert_close(one.losses["test"].compute(), expected.mean().detach())
    alone = [
        one.compute_loss(*make_position_logits([predicted]), make_batch([true])["y"])
        for predicted, true in zip(SAID, TRUE, strict=True)
    ]
    torch.testing.assert_close(expected, torch.stack(alone))


def test_training_accuracy_counts_positions_and_ends() -> None:
    one = make_module(nn.Identity())
    hits, count = one.count_correct(make_position_logits(SAID)[0], make_batch(TRUE))
    assert (hits.item(), count.item()) == (6 + 3 + 0, 8 + 3 + 4)
    ctc = make_module(nn.Identity(), objective="ctc")
    assert [
        int(part) for part in ctc.count_correct(make_frame_logits(SAID)[0], make_batch(TRUE))
    ] == [0, 0]


def test_prediction_needs_no_targets() -> None:
    one = make_module(FixedNetwork(*make_position_logits(SAID)), classes=tuple(TRUE))
    batch = make_batch(["", "", ""])
    with torch.no_grad():
        table = one.prediction_table([one.predict_step(batch, 0)])
    assert list(table) == ["prediction", "probability"]
    assert table["prediction"].tolist() == SAID


@pytest.mark.parametrize("objective", ["cross_entropy", "ctc"])
def test_the_probability_is_that_of_the_decoded_text(objective: str) -> None:
    says = make_frame_logits if objective == "ctc" else make_position_logits
    for sure, low, high in (
        (0.0, 0.0, 2 / make_tokenizer().size),
        (3.0, 0.3, 0.9),
        (20.0, 0.999, 1.0),
    ):
        _, outcome = evaluate_module(FixedNetwork(*says(SAID, sure)), objective=objective)
        assert (outcome["probability"] >= low).all() and (outcome["probability"] <= high).all()
        assert outcome["probability"].shape == (3,)


def test_beam_and_greedy_agree_on_confident_logits() -> None:
    _, best = evaluate_module(FixedNetwork(*make_frame_logits(SAID)), objective="ctc")
    _, beam = evaluate_module(FixedNetwork(*make_frame_logits(SAID)), objective="ctc", beam_width=4)
    assert beam["texts"] == best["texts"] == SAID


def test_the_prediction_table_has_one_row_per_recording() -> None:
    one, outcome = evaluate_module(FixedNetwork(*make_position_logits(SAID)), classes=tuple(TRUE))
    table = one.prediction_table([outcome, outcome])
    assert len(table) == 6
    assert table["reference"].tolist() == TRUE * 2 and table["errors"].tolist() == [1, 0, 1] * 2
    assert table["nearest"].tolist() == ["call me", "no", "no"] * 2


@settings(max_examples=40)
@given(st.lists(st.tuples(words_drawn, words_drawn), min_size=1, max_size=5))
def test_word_errors_agree_with_torchmetrics(pairs: list[tuple[list[str], list[str]]]) -> None:
    predicted, true = ([" ".join(words) for words in side] for side in zip(*pairs, strict=True))
    errors = sum(count_word_errors(*pair) for pair in zip(predicted, true, strict=True))
    count = sum(len(text.split()) for text in true)
    if count:
        assert errors / count == pytest.approx(WordErrorRate()(predicted, true).item())
    else:
        assert errors == sum(len(text.split()) for text in predicted)


@settings(max_examples=40)
@given(st.text(max_size=12), st.text(max_size=12))
def test_word_errors_are_a_distance_between_any_texts(first: str, second: str) -> None:
    assert count_word_errors(first, first) == 0
    assert count_word_errors(first, second) == count_word_errors(second, first)
    assert count_word_errors(first, "") == len(first.split())
    longer = max(len(first.split()), len(second.split()))
    assert (
        abs(len(first.split()) - len(second.split())) <= count_word_errors(first, second) <= longer
    )


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("yes", "yes"), ("yess", "yes"), ("ca me", "call me"), ("nn", "no"), ("call you", "call me")],
)
def test_the_nearest_phrase_has_the_fewest_characters_to_change(text: str, phrase: str) -> None:
    assert (
        make_module(nn.Identity(), classes=("no", "yes", "call me")).find_nearest_phrase(text)
        == phrase
    )


# ---- the interval


def compute_interval(
    counted: list[int], group: list[int], out_of: list[int]
) -> tuple[float, float]:
    metric = GroupInterval(draws=200)
    parts = (counted, group, range(len(group)), out_of)
    metric.update(*(torch.tensor(part) for part in parts))
    low, high = metric.compute().tolist()
    return low, high


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), groups=st.integers(1, 6), each=st.integers(8, 20))
def test_the_interval_brackets_the_rate(seed: int, groups: int, each: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    words = torch.randint(1, 9, (groups * each,), generator=rng)
    errors = (words * torch.rand(len(words), generator=rng)).round().int()
    group = torch.arange(len(words)) % groups
    low, high = compute_interval(errors.tolist(), group.tolist(), words.tolist())
    rate = (errors.sum() / words.sum()).item()
    assert 0 <= low <= rate + 1e-6 and rate - 1e-6 <= high <= 1


def test_a_long_text_weighs_more_than_a_short_one() -> None:
    """Every session has one error in four words, in texts of different lengths."""
    low, high = compute_interval([1, 0, 2, 0, 1], [0, 0, 1, 1, 2], [1, 3, 6, 2, 4])
    assert (low, high) == pytest.approx((0.25, 0.25))
    low, high = compute_interval([1] * 40 + [0] * 40, [3] * 80, [9] * 40 + [1] * 40)
    assert low < 0.1 < high < 0.11  # and with one session the texts are drawn: 40 of 400 words


def test_a_default_of_none_weighs_recordings_equally() -> None:
    given, default = GroupInterval(draws=100), GroupInterval(draws=100)
    hits, group = torch.tensor([True, False, True, True]), torch.tensor([0, 0, 1, 2])
    given.update(hits, group, torch.arange(4), torch.ones(4, dtype=torch.int64))
    default.update(hits, group, torch.arange(4))
    assert given.compute().tolist() == default.compute().tolist()


def test_more_errors_than_words_give_a_rate_above_one() -> None:
    low, high = compute_interval([4, 6], [0, 1], [2, 2])
    assert (low, high) == (2.0, 3.0)


def test_a_session_without_words_gives_finite_scores() -> None:
    low, high = compute_interval([0, 1, 0], [0, 1, 2], [0, 2, 2])
    assert 0 <= low <= 0.25 <= high <= 0.5


def test_the_interval_of_the_word_error_rate_brackets_it() -> None:
    texts = ["no", "yes", "call me", "no", "call her", "yes"] * 4
    predicted = [*texts[:6], *["no"] * 6, *texts[12:]]
    one = make_module(FixedNetwork(*make_position_logits(predicted)))
    with torch.no_grad():
        one.test_step(make_batch(texts, [n // 6 for n in range(24)]), 0)
    scores = {name: float(value) for name, value in one.compute_scores("test").items()}
    assert 0 <= scores["test/wer_low"] < scores["test/wer"] < scores["test/wer_high"] <= 1


# ---- what recordings and texts share


def make_matching(
    texts: list[list[int]], seed: int = 0
) -> tuple[InfoNCEHead, Tensor, Tensor, Tensor]:
    """Return a head that maps recordings and their texts to equal embeddings."""
    torch.manual_seed(seed)
    space = InfoNCEHead(width=8, vocab_size=8, embedding_dim=8, temperature=0.1)
    with torch.no_grad():
        for layer in (space.recording, space.text):
            layer.weight.copy_(torch.eye(8))
            layer.bias.zero_()
        space.token.weight.copy_(torch.eye(8))
    y = pad_tokens(texts)
    frames = F.one_hot(y.clamp(min=0), 8).float()
    frames[y == IGNORE_INDEX] = 7.0  # beyond the end of a recording anything may stand
    return space, frames, (y != IGNORE_INDEX).sum(1), y


def test_matching_pairs_lose_less_than_mismatched_ones() -> None:
    space, frames, lengths, y = make_matching([[2, 3], [4, 5, 6], [2, 6, 5, 5], [3]])
    matched = space(frames, lengths, y)
    assert 0 <= matched < 0.1
    for order in ([1, 0, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0]):
        assert space(frames[order], lengths[order], y) > matched + 0.5


def test_recordings_of_equal_texts_are_positives() -> None:
    space, frames, lengths, y = make_matching([[2, 3], [2, 3], [4, 5]])
    frames = frames + 0.3 * torch.rand(frames.shape)  # two ways of saying the same
    loss = space(frames, lengths, y)
    exchanged = [1, 0, 2]
    torch.testing.assert_close(space(frames[exchanged], lengths[exchanged], y), loss)
    assert space(frames[[2, 1, 0]], lengths[[2, 1, 0]], y) > loss + 0.5


def test_equal_texts_share_their_loss() -> None:
    torch.manual_seed(0)
    space = InfoNCEHead(6, 5, 4, 0.1)
    frames, y = torch.randn(4, 1, 6), torch.tensor([[2], [2], [3], [3]])
    optimizer = torch.optim.Adam(space.parameters(), 0.05)
    for _ in range(60):
        loss = space(frames, torch.ones(4), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Two recordings of equal texts are no negatives of each other.
    assert loss < math.log(2) + 0.05
    exchanged = space(frames[[1, 0, 3, 2]], torch.ones(4), y)
    assert exchanged < math.log(2) + 0.05 < space(frames[[2, 3, 0, 1]], torch.ones(4), y)


def test_padding_does_not_change_the_embedding() -> None:
    space, frames, lengths, y = make_matching([[2, 3], [4, 5, 6], [3]])
    frames = frames + torch.rand(frames.shape)
    wider = space(
        F.pad(frames, (0, 0, 0, 4), value=5.0), lengths, F.pad(y, (0, 2), value=IGNORE_INDEX)
    )
    torch.testing.assert_close(wider, space(frames, lengths, y))


def make_emg_module(**more) -> EMGModule:
    torch.manual_seed(0)
    net = EMGCTC(2, make_tokenizer().size, None, 250.0, hidden_size=4, num_layers=1, dropout=0.0)
    return EMGModule(net, [], make_tokenizer(), objective="ctc", label_smoothing=0.0, **more).eval()


def test_the_contrastive_loss_is_added_in_training() -> None:
    batch = make_batch(TRUE) | {"x": torch.randn(3, 200, 2), "length": torch.tensor([200, 150, 90])}
    plain, mixed = make_emg_module(), make_emg_module(contrastive_weight=0.5)
    mixed.net.load_state_dict(plain.net.state_dict())
    logits, loss = plain.forward_and_loss(batch)
    same, more = mixed.forward_and_loss(batch)
    torch.testing.assert_close(same, logits)
    assert more > loss
    more.backward()
    for name, parameter in mixed.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    expected, lengths = plain(batch["x"], batch["length"])
    torch.testing.assert_close(loss, plain.compute_loss(expected, lengths, batch["y"]))


@pytest.mark.parametrize(
    "wrong", [{"contrastive_weight": -0.1}, {"contrastive_temperature": 0.0}], ids=str
)
def test_invalid_contrastive_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(
        ValueError, match=r"module.contrastive_weight=.* module.contrastive_temperature="
    ):
        make_emg_module(**wrong)
