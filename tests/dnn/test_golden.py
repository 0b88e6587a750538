"""Everything that OpenCV 4.12 computed (tools/opencv_golden.py), computed by netc.dnn."""

import numpy as np
import pytest

from netc import dnn
from tools.opencv_golden import FOLDER, GROUPS


def cases() -> list[tuple[str, str]]:
    return [(group, name) for group in GROUPS for name in np.load(FOLDER / f"{group}.npz")]


@pytest.fixture(scope="module")
def ours() -> dict[str, dict[str, np.ndarray]]:
    return {group: make(dnn) for group, make in GROUPS.items()}


@pytest.mark.parametrize(("group", "name"), cases())
def test_as_opencv(ours: dict[str, dict[str, np.ndarray]], group: str, name: str) -> None:
    wanted, found = np.load(FOLDER / f"{group}.npz")[name], np.asarray(ours[group][name])
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype or not wanted.size
    if wanted.dtype.kind == "f" and (group != "blobs" or name.startswith("float")):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
    else:
        np.testing.assert_array_equal(found, wanted)
