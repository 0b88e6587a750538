"""Philox against the known answers of Random123 (kat_vectors, philox4x32 10) and against numpy's conventions."""

import numpy as np
import pytest

from netc.kernels import philox

KNOWN = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], words: tuple[int, ...]) -> None:
    got = philox.rounds(*map(np.uint64, counter), *map(np.uint64, key))
    assert tuple(int(w) for w in got) == words


def test_block_puts_seed_stream_iteration_and_number_where_it_says() -> None:
    seed, stream, iteration, number = 0x299F31D0A4093822 & (2**63 - 1), 0x03707344, 0x13198A2E, 0x05A308D3243F6A88
    expected = philox.rounds(*map(np.uint64, (0x243F6A88, 0x05A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)))
    assert philox.block(seed, stream, iteration, number) == expected


def test_one_draw_is_the_same_as_all_draws() -> None:
    out = np.empty(11, np.float32)
    philox.fill_uniform(out, 7, 3, 5)
    assert out.tolist() == [philox.uniform(7, 3, 5, i) for i in range(11)]
    assert len(set(out.tolist())) == 11


def test_seed_stream_and_iteration_all_matter() -> None:
    draws = {tuple(philox.block(*at, 0)) for at in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**40, 0, 0)]}
    assert len(draws) == 5


def test_moments() -> None:
    out = np.empty(40_000)
    philox.fill_uniform(out, 1, 2, 3)
    assert 0 <= out.min() < out.max() < 1
    assert abs(out.mean() - 0.5) < 0.01
    assert abs(out.std() - 12**-0.5) < 0.01
