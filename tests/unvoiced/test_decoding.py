"""Decoding: beam search finds the most probable text, independently of the batch."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unvoiced import decoding


def beam_ctc(logits: Tensor, lengths: Tensor, blank: int, width: int) -> list[list[int]]:
    return decoding.beam_ctc(logits.numpy(), lengths.numpy(), blank, width)


def greedy_ctc(logits: Tensor, lengths: Tensor, blank: int) -> list[list[int]]:
    return decoding.greedy_ctc(logits.numpy(), lengths.numpy(), blank)


def ids_until_eos(logits: Tensor, eos: int, pad: int) -> list[list[int]]:
    return decoding.ids_until_eos(logits.numpy(), eos, pad)


shapes = st.tuples(st.integers(1, 4), st.integers(2, 4))  # frames, classes


def draw_logits(*shape: int, seed: int) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def compute_log_probability(logits: Tensor, labels: list[list[int]], blank: int) -> Tensor:
    """Return the (N,) log probability of each label sequence over all alignments."""
    count, frames = len(labels), len(logits)
    spoken = torch.log_softmax(logits.double(), dim=-1)[:, None].expand(-1, count, -1)
    return -torch.nn.functional.ctc_loss(
        spoken,
        torch.tensor([label for row in labels for label in row], dtype=torch.long),
        torch.full((count,), frames),
        torch.tensor([len(row) for row in labels]),
        blank=blank,
        reduction="none",
    )


def list_sequences(frames: int, classes: int, blank: int) -> list[list[int]]:
    labels = [label for label in range(classes) if label != blank]
    return [list(row) for length in range(frames + 1) for row in product(labels, repeat=length)]


def make_peaked_logits(rows: list[list[int]], classes: int) -> tuple[Tensor, Tensor]:
    """Return confident logits (B, T, V) of these classes, and the lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    logits = torch.zeros(len(rows), int(lengths.max()), classes)
    for sample, row in enumerate(rows):
        logits[sample, range(len(row)), row] = 20.0
    return logits, lengths


@settings(max_examples=60)
@given(shape=shapes, blank=st.integers(0, 3), seed=st.integers(0, 10**6))
def test_a_full_beam_finds_the_most_probable_text(shape, blank: int, seed: int) -> None:
    frames, classes = shape
    blank %= classes
    logits = draw_logits(1, frames, classes, seed=seed)
    (result,) = beam_ctc(logits, torch.tensor([frames]), blank, width=1000)
    sequences = list_sequences(frames, classes, blank)
    best = compute_log_probability(logits[0], sequences, blank).max()
    torch.testing.assert_close(compute_log_probability(logits[0], [result], blank)[0], best)


@settings(max_examples=60)
@given(shape=shapes, seed=st.integers(0, 10**6))
def test_a_wide_beam_is_at_least_as_probable_as_greedy(shape, seed: int) -> None:
    frames, classes = shape
    logits, lengths = draw_logits(1, frames, classes, seed=seed), torch.tensor([frames])
    result = beam_ctc(logits, lengths, 0, width=200) + greedy_ctc(logits, lengths, 0)
    beam, greedy = compute_log_probability(logits[0], result, 0)
    assert beam >= greedy - 1e-9


def test_a_narrow_beam_is_likelier_than_greedy_on_the_whole() -> None:
    logits, lengths = draw_logits(40, 12, 6, seed=0), torch.full((40,), 12)
    rows = zip(beam_ctc(logits, lengths, 0, 4), greedy_ctc(logits, lengths, 0), logits, strict=True)
    gains = [compute_log_probability(row, [beam, greedy], 0) for beam, greedy, row in rows]
    gain = torch.stack([beam - greedy for beam, greedy in gains])
    assert gain.mean() > 0.1 and (gain > -1e-9).float().mean() > 0.9


def test_the_beam_sums_over_alignments() -> None:
    """Standard example: the best path is empty, the best labelling is 'a'."""
    logits = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert greedy_ctc(logits, torch.tensor([2]), blank=0) == [[]]
    for width in (2, 8):
        assert beam_ctc(logits, torch.tensor([2]), blank=0, width=width) == [[1]]


@pytest.mark.parametrize("blank", [0, 2])
def test_confident_frames_decode_without_repeats_and_blanks(blank: int) -> None:
    a, b = (label for label in range(3) if label != blank)
    rows = [[a, a, blank, a, b, b], [blank, blank], [b, a, b], [a]]
    logits, lengths = make_peaked_logits(rows, 3)
    expected = [[a, a, b], [], [b, a, b], [a]]
    assert greedy_ctc(logits, lengths, blank) == expected
    for width in (1, 3, 50):
        assert beam_ctc(logits, lengths, blank, width) == expected


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    width=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_neither_the_batch_nor_what_follows_the_end_matters(
    lengths: list[int], width: int, seed: int
) -> None:
    logits, counts = draw_logits(len(lengths), 9, 5, seed=seed), torch.tensor(lengths)
    beams, greedy = beam_ctc(logits, counts, 0, width), greedy_ctc(logits, counts, 0)
    for sample, length in enumerate(lengths):
        alone = logits[sample : sample + 1, : max(length, 1)]
        assert beam_ctc(alone, counts[sample : sample + 1], 0, width) == [beams[sample]]
        assert greedy_ctc(alone, counts[sample : sample + 1], 0) == [greedy[sample]]
        assert len(beams[sample]) <= length and len(greedy[sample]) <= length


def test_a_large_vocabulary_is_searched_as_a_small_one() -> None:
    logits = torch.full((1, 10, 5000), -30.0)
    logits[..., :6] = draw_logits(1, 10, 6, seed=3)
    small = beam_ctc(logits[..., :6], torch.tensor([10]), 0, 8)
    assert beam_ctc(logits, torch.tensor([10]), 0, 8) == small


def test_classes_of_probability_zero_are_never_decoded() -> None:
    logits = torch.full((1, 3, 4), -torch.inf)
    logits[..., 2] = 0.0
    assert beam_ctc(logits, torch.tensor([3]), 0, 5) == [[2]]


def test_a_beam_width_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 0"):
        beam_ctc(torch.zeros(1, 2, 3), torch.tensor([2]), 0, 0)


def test_positions_are_read_up_to_the_end_without_padding() -> None:
    rows = [[4, 4, 3, 1, 2], [0, 2, 0, 1, 1], [1, 2, 3, 4, 4], [2, 3, 4, 2, 3]]
    logits, _ = make_peaked_logits(rows, 5)
    assert ids_until_eos(logits, eos=1, pad=0) == [[4, 4, 3], [2], [], [2, 3, 4, 2, 3]]
