"""Everything that OpenCV 4.12 computed (tools/opencv_golden), computed by netc.dnn."""

from functools import cache

import numpy as np
import pytest

from netc import dnn
from tools.opencv_golden import FOLDER, GROUPS

EXACT = {"blobs", "floats"}
"""Compared bit by bit; but for floats that OpenCV has resized by IPP (`float_...`)."""


def cases() -> list[tuple[str, str]]:
    return [(group, name) for group in GROUPS for name in np.load(FOLDER / f"{group}.npz")]


@cache
def ours(group: str) -> dict[str, np.ndarray]:
    return GROUPS[group](dnn)


@pytest.mark.parametrize(("group", "name"), cases())
def test_as_opencv(group: str, name: str) -> None:
    wanted, found = np.load(FOLDER / f"{group}.npz")[name], np.asarray(ours(group)[name])
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype or found.dtype.kind == wanted.dtype.kind == "U" or not wanted.size
    if wanted.dtype.kind == "f" and (group not in EXACT or name.startswith("float_")):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("group", GROUPS)
def test_all_of_it_is_kept(group: str) -> None:
    assert set(np.load(FOLDER / f"{group}.npz")) == set(ours(group))
