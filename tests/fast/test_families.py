"""Which family of compiled steps a layer type has, and that each gives the numbers of the type's own kernels."""

from dataclasses import replace

import numpy as np
import pytest

from netc.catalogue import catalogue
from netc.fast import relu
from netc.fast.program.families import family_of
from netc.layer import Array, Example, LayerType
from netc.layers.relu import RELU
from netc.layers.silence import SILENCE
from netc.report.explain import example_text
from tests.run.common import make, run
from tools.attack._wide_nets import values


def test_a_type_has_the_family_that_names_it_or_none() -> None:
    assert family_of(RELU) is relu.FAMILY
    assert family_of(SILENCE) is None


def test_a_type_of_a_users_file_brings_its_own() -> None:
    assert family_of(replace(SILENCE, fast=relu.FAMILY)) is relu.FAMILY


def test_what_is_no_family_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"fast= of the layer type Silence .* 'relu'"):
        family_of(replace(SILENCE, fast="relu"))


# ---------------------------------------------------------------- the numbers of the layers' own kernels

TYPES = {t.name: t for t in catalogue().types.values() if family_of(t) is not None}


def found(layer_type: LayerType, example: Example, executor: str, dtype: type = np.float32) -> dict[str, Array]:
    """What two passes of an example give; the sum of squares of its first top is the loss, so that gradients flow."""
    text = "force_backward: true\n" + example_text(layer_type, example)
    text += f'layer {{ name: "sum" type: "Reduction" bottom: "{layer_type.name.lower()}" top: "sum" loss_weight: 0.5 '
    text += "reduction_param { operation: SUMSQ } }"
    net = make(text, example.phase, training=True, keep=True, executor=executor, threads=2, dtype=dtype)
    random = np.random.default_rng(0)
    for array, given in zip(net.inputs.values(), example.inputs, strict=True):
        array[...] = values(given, random).astype(np.float32)  # the same numbers for float64
    for parameter in net.parameters.all:
        parameter.data[...] = random.uniform(0.5, 1.5, parameter.data.shape).astype(np.float32)
    with np.errstate(over="ignore"):  # examples of infinities
        return run(net)


@pytest.mark.parametrize("layer_type", TYPES.values(), ids=TYPES)
def test_its_examples_give_the_numbers_of_its_own_kernels(layer_type: LayerType) -> None:
    """Or, where float32 cancels (1 - tanh^2 of what saturates), numbers no farther from float64's than theirs are."""
    for example in layer_type.examples:
        wanted, given = (found(layer_type, example, executor) for executor in ("reference", "fast"))
        assert wanted.keys() == given.keys()
        far = [name for name, array in wanted.items() if off(given[name], array) > 2e-5 * scale_of(array)]
        exact = found(layer_type, example, "reference", np.float64) if far else {}
        for name in far:
            own = off(wanted[name], exact[name])
            assert off(given[name], exact[name]) <= 2 * own, (
                f"{example}: {name}: off by {off(given[name], wanted[name])}"
            )


def scale_of(array: Array) -> float:
    return float(np.abs(array).max(initial=1e-3))


def off(array: Array, other: Array) -> float:
    """The largest difference; what is the same infinity, or no number in both, does not differ."""
    assert array.shape == other.shape
    same = (array == other) | (np.isnan(array) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0, np.abs(array - other))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0))
