"""The allocator: whatever it is given, nothing overlaps; and it is tight where it can be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netc.plan.allocate import ALIGNMENT, Block, aligned, allocate, lower_bound


@st.composite
def blocks(draw: st.DrawFn) -> list[Block]:
    out = []
    for _ in range(draw(st.integers(0, 25))):
        points = sorted(draw(st.sets(st.integers(0, 30), min_size=2, max_size=4)))
        spans = tuple(zip(points[::2], points[1::2], strict=False))
        out.append(Block(ALIGNMENT * draw(st.integers(0, 40)), spans))
    return out


def meet(one: Block, other: Block) -> bool:
    return any(a <= d and c <= b for a, b in one.spans for c, d in other.spans)


@settings(deadline=None, max_examples=50)
@given(blocks(), st.integers(0, 30))
def test_live_blocks_never_overlap(blocks: list[Block], turn: int) -> None:
    offsets, total = allocate(blocks, turn)
    assert lower_bound(blocks) <= total
    for i, (one, at) in enumerate(zip(blocks, offsets, strict=True)):
        assert at >= 0
        assert at + one.size <= total
        assert at % ALIGNMENT == 0
        for other, there in zip(blocks[:i], offsets, strict=False):
            if meet(one, other) and one.size and other.size:
                assert at + one.size <= there or there + other.size <= at


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=12))
def test_brackets_are_stacked_without_a_gap(given: list[tuple[int, int]]) -> None:
    turn = 100
    nested = [Block(64 * size, ((first, 2 * turn - first),)) for first, size in given]
    _, total = allocate(nested, turn)
    assert total == lower_bound(nested) == sum(b.size for b in nested)


def test_the_same_blocks_get_the_same_places() -> None:
    odd = [Block(64 * (1 + i * 7 % 5), ((i, i + 3 + i % 4),)) for i in range(40)]
    assert allocate(odd, 20) == allocate(odd, 20)


def test_sizes_are_rounded_up_to_cache_lines() -> None:
    assert [aligned(n) for n in (0, 1, 64, 65)] == [0, 64, 64, 128]


def test_nothing_needs_nothing() -> None:
    assert allocate([], 0) == ([], 0)
