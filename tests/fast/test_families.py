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


def found(layer_type: LayerType, example: Example, executor: str) -> dict[str, Array]:
    """What two passes of an example give; the sum of squares of its first top is the loss, so that gradients flow."""
    text = "force_backward: true\n" + example_text(layer_type, example)
    text += f'layer {{ name: "sum" type: "Reduction" bottom: "{layer_type.name.lower()}" top: "sum" loss_weight: 0.5 '
    text += "reduction_param { operation: SUMSQ } }"
    net = make(text, example.phase, training=True, keep=True, executor=executor, threads=2)
    random = np.random.default_rng(0)
    for array, given in zip(net.inputs.values(), example.inputs, strict=True):
        array[...] = values(given, random)
    for parameter in net.parameters.all:
        parameter.data[...] = random.uniform(0.5, 1.5, parameter.data.shape)
    with np.errstate(over="ignore"):  # examples of infinities
        return run(net)


@pytest.mark.parametrize("layer_type", TYPES.values(), ids=TYPES)
def test_its_examples_give_the_numbers_of_its_own_kernels(layer_type: LayerType) -> None:
    for example in layer_type.examples:
        wanted, given = (found(layer_type, example, executor) for executor in ("reference", "fast"))
        assert wanted.keys() == given.keys()
        for name, array in wanted.items():
            scale = float(np.abs(array).max(initial=1e-3))
            error = max(2e-5 * scale, 1e-7)  # 1 - tanh^2 of what saturates has float32's last digit of 1
            np.testing.assert_allclose(given[name], array, rtol=0, atol=error, err_msg=f"{example}: {name}")
