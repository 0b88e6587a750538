"""Which family of compiled steps a layer type has."""

from dataclasses import replace

import pytest

from netc.fast import relu
from netc.fast.program.families import family_of
from netc.layers.relu import RELU
from netc.layers.silence import SILENCE


def test_a_type_has_the_family_that_names_it_or_none() -> None:
    assert family_of(RELU) is relu.FAMILY
    assert family_of(SILENCE) is None


def test_a_type_of_a_users_file_brings_its_own() -> None:
    assert family_of(replace(SILENCE, fast=relu.FAMILY)) is relu.FAMILY


def test_what_is_no_family_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"fast= of the layer type Silence .* 'relu'"):
        family_of(replace(SILENCE, fast="relu"))
