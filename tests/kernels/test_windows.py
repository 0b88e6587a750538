"""Windows: TensorFlow's SAME and VALID, Caffe's two roundings, and the tables that kernels follow."""

import numpy as np
import pytest

from netc.kernels.im2col import Columns
from netc.kernels.windows import Axis, cells, convolved, outer_table, pooled, spread


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "out", "before", "after"),
    [
        (227, 11, 4, 1, "VALID", 55, 0, 0),
        (227, 11, 4, 1, "SAME", 57, 4, 4),
        (224, 7, 2, 1, "SAME", 112, 2, 3),
        (6, 3, 2, 1, "SAME", 3, 0, 1),
        (5, 3, 2, 1, "SAME", 3, 1, 1),
        (7, 3, 1, 2, "SAME", 7, 2, 2),
        (4, 1, 3, 1, "SAME", 2, 0, 0),
        (10, 3, 1, 2, "VALID", 6, 0, 0),
    ],
)
def test_tensorflow_padding(
    size: int, kernel: int, stride: int, dilation: int, padding: str, out: int, before: int, after: int
) -> None:
    axis = convolved(size, kernel, stride, 0, dilation, padding)
    assert (axis.out, axis.before, axis.after) == (out, before, after)


def test_convolution_rounds_down_and_pooling_up() -> None:
    assert convolved(6, 3, 2).out == 2
    assert pooled(6, 3, 2, 0, rounding="CEIL").out == 3
    assert pooled(6, 3, 2, 0, rounding="FLOOR").out == 2


def test_a_last_window_beyond_the_padding_is_dropped() -> None:
    assert pooled(4, 2, 2, 1, rounding="CEIL", any_pad=True).out == 3
    assert pooled(3, 2, 2, 1, rounding="CEIL", any_pad=True).out == 2
    assert pooled(5, 1, 3, 0, rounding="CEIL").out == 3


def test_a_spread_axis_is_the_adjoint_of_a_convolved_one() -> None:
    top = spread(5, 3, 2, 1).size
    assert top == 9
    assert convolved(top, 3, 2, 1).out == 5


def test_cells_are_cut_at_the_image_and_counted_at_the_padded_end() -> None:
    rows = cells(Axis(size=4, kernel=3, stride=2, dilation=1, before=1, after=1, out=3))
    assert rows.tolist() == [[-1, 1, 3, 3], [1, 0, 3, 3], [3, 0, 1, 2]]
    inside = cells(Axis(size=4, kernel=3, stride=2, dilation=1, before=1, after=1, out=2), count_pad=False)
    assert inside[:, 3].tolist() == [2, 3]


def test_dilated_cells() -> None:
    rows = cells(Axis(size=5, kernel=3, stride=1, dilation=2, before=2, after=2, out=5))
    assert rows[:, :3].tolist() == [[-2, 1, 3], [-1, 1, 3], [0, 0, 3], [1, 0, 2], [2, 0, 2]]


def test_outer_table_of_no_axes_is_one_cell() -> None:
    assert outer_table(()).tolist() == [[0]]
    assert outer_table((convolved(2, 2, 1, 1),)).tolist() == [[-1, 0, 1], [0, 1, -1]]


@pytest.mark.parametrize("sizes", [(5,), (4, 5), (3, 4, 3), (2, 3, 2, 3)])
def test_spread_is_the_adjoint_of_gather(sizes: tuple[int, ...]) -> None:
    columns = Columns(2, tuple(convolved(size, 2, 2, 1, 1 + i % 2) for i, size in enumerate(sizes)))
    rng = np.random.default_rng(0)
    x, c = rng.standard_normal((2, *sizes)), rng.standard_normal(columns.shape)
    back = np.full_like(x, np.nan)
    columns.spread(c, back)
    gathered = columns.gather(x, np.full(columns.shape, np.nan))
    assert np.isclose((gathered * c).sum(), (back * x).sum())
