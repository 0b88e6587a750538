"""Several layers that see one blob through different windows, and blobs that must have one halo."""

from __future__ import annotations

from itertools import product

import pytest

from netc.fast.program.verify import verify
from tests.run.test_fast import compare

INPUT = "x = Input() { shape { dim: [2, %d, 9, 8] } }\n"
WINDOWS = ("kernel_size: 3 pad: 1", "kernel_size: 5 pad: 2", "kernel_size: 3", "kernel_h: 1 kernel_w: 5 pad_w: 2",
           "kernel_size: 3 pad: 2 dilation: 2")  # fmt: skip
POINT = "{ num_output: 16 kernel_size: 1 }"


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize(("one", "other"), [p for p in product(WINDOWS, WINDOWS) if p[0] < p[1]])
def test_two_windows_on_one_blob(one: str, other: str, phase: str, channels: int) -> None:
    """Few channels are read from a plain array, more from a blocked one; a third reader has the first one's window."""
    text = INPUT % channels + "".join(
        f"{top} = Convolution(x) {{ num_output: 4 {window} }}\n"
        f"l{top} = Reduction({top}) {{ operation: SUMSQ loss_weight: 0.1 }}\n"
        for top, window in zip("abc", (one, other, one), strict=True)
    )
    verify(compare(text, phase).executor.program)


def test_a_chain_of_sums_has_one_halo() -> None:
    """Each convolution reads the sum so far along with what it writes; only the last sum is seen through a window."""
    blocks = "".join(
        f"d{i} = Convolution(s{i}) {POINT}\nc{i} = Convolution(d{i}) {POINT}\ns{i + 1} = Eltwise(s{i}, c{i})\n"
        for i in range(3)
    )
    end = "w = Convolution(s3) { num_output: 16 kernel_size: 5 pad: 2 }\nf = Eltwise(s0, s1, s2, w)\n"
    for phase in ("TEST", "TRAIN"):
        fast = compare(INPUT % 16 + f"s0 = Convolution(x) {POINT}\n" + blocks + end, phase)
        assert sum(head != 0 for head in fast.executor.program.fused.values()) == 3
        verify(fast.executor.program)
