"""Fillers: what Caffe promises of each (limits, moments, sums), determinism, and what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

from netc.kernels.fillers import BAD_FILLER, check, fill


@dataclass
class Filler:
    """A FillerParameter with its defaults."""

    type: str = "constant"
    value: float = 0.0
    min: float = 0.0
    max: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    sparse: int = -1
    variance_norm: str = "FAN_IN"
    source: str = ""
    mean_value: tuple[float, ...] = ()
    scale: float = 1.0

    def span_of(self, field: str) -> None:
        return None


def filled(filler: Filler | float, shape: tuple[int, ...], **at: int) -> np.ndarray:
    array = np.full(shape, np.nan, np.float32)
    fill(array, filler, at.pop("seed", 1), at.pop("stream", 2), **at)
    assert np.isfinite(array).all()
    return array


def test_constants() -> None:
    assert (filled(0.5, (2, 3)) == 0.5).all()
    assert (filled(Filler(value=-2), (2, 3)) == -2).all()


def test_uniform() -> None:
    array = filled(Filler("uniform", min=-3, max=1), (100, 300))
    assert -3 <= array.min() < -2.99
    assert 0.99 < array.max() <= 1
    assert abs(array.mean() + 1) < 0.03


def test_gaussian() -> None:
    array = filled(Filler("gaussian", mean=2, std=0.5), (100, 301)).astype(float)
    assert abs(array.mean() - 2) < 0.02
    assert abs(array.std() - 0.5) < 0.01
    assert len(np.unique(array)) > 29_000


def test_sparse_gaussian_keeps_about_sparse_weights_for_each_input() -> None:
    array = filled(Filler("gaussian", sparse=5), (50, 400))
    assert 4.5 < (array != 0).sum(0).mean() < 5.5


def test_positive_unitball_rows_sum_to_one() -> None:
    array = filled(Filler("positive_unitball"), (4, 3, 5))
    assert (array >= 0).all()
    np.testing.assert_allclose(array.reshape(4, -1).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(("norm", "n"), [("FAN_IN", 300), ("FAN_OUT", 6000 / 10), ("AVERAGE", 450)])
def test_xavier_and_msra(norm: str, n: float) -> None:
    xavier = filled(Filler("xavier", variance_norm=norm), (20, 10, 30))
    assert 0.99 < np.abs(xavier).max() / (3 / n) ** 0.5 <= 1.000001
    assert abs(filled(Filler("msra", variance_norm=norm), (20, 10, 30)).std() / (2 / n) ** 0.5 - 1) < 0.05


def test_one_axis_counts_all_as_fan_out() -> None:
    assert np.abs(filled(Filler("xavier", variance_norm="FAN_OUT"), (1000,))).max() <= (3 / 1000) ** 0.5


def test_bilinear() -> None:
    # Caffe: f = ceil(4 / 2) = 2, c = 3 / 4
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(filled(Filler("bilinear"), (2, 1, 4, 4))[1, 0], np.outer(line, line))
    np.testing.assert_allclose(filled(Filler("bilinear"), (1, 1, 3, 3))[0, 0, 1], [0.5, 1, 0.5])


def test_the_same_place_gives_the_same_numbers_and_another_place_others() -> None:
    gaussian = Filler("gaussian")
    first = filled(gaussian, (7, 3))
    assert (filled(gaussian, (7, 3)) == first).all()
    for other in ({"seed": 2}, {"stream": 3}, {"iteration": 1}, {"part": 1}):
        assert not np.isin(filled(gaussian, (7, 3), **other), first).any()


@pytest.mark.parametrize(
    ("filler", "shape"),
    [
        (Filler("gausian"), (2, 3)),
        (Filler("xavier", sparse=1), (2, 3)),
        (Filler("gaussian", sparse=-2), (2, 3)),
        (Filler("gaussian", sparse=3), (2, 3)),
        (Filler("gaussian", std=-1), (2, 3)),
        (Filler("uniform", min=2), (2, 3)),
        (Filler("bilinear"), (2, 3)),
        (Filler("bilinear"), (2, 1, 3, 4)),
    ],
)
def test_refused(filler: Filler, shape: tuple[int, ...]) -> None:
    problem = check(filler, shape)
    assert problem is not None
    assert problem.code is BAD_FILLER


def test_nothing_against_good_fillers() -> None:
    assert check(0.5, (3,)) is None
    assert check(Filler("gaussian", sparse=2), (2, 3)) is None
