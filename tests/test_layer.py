"""The contract between a layer type and the rest: what `Setup` gives to others."""

import pytest

from netc.kernels.geometry import Along, LogGeometry
from netc.layer import Setup


def test_geometry_is_given_by_its_type() -> None:
    assert Setup(tops=(), geometry=Along(2)).known(Along) == Along(2)


@pytest.mark.parametrize("geometry", [LogGeometry(2.0), None, 2])
def test_geometry_of_another_type_is_refused_with_both_named(geometry: object) -> None:
    with pytest.raises(TypeError, match="Along") as refused:
        Setup(tops=(), geometry=geometry).known(Along)
    assert repr(geometry) in str(refused.value)
