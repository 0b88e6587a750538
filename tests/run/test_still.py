"""Scale, Bias and BatchNorm with stored statistics in training: compiled, with the numbers of their own kernels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.test_fast import compare, conv, data, layer, loss, make, relu, run

FROZEN = layer("BatchNorm", "c", "c", "batch_norm_param { use_global_stats: true eps: 0.01 }", name="bn")
WITH_BIAS = "scale_param { bias_term: true }"
STILL = "param { lr_mult: 0 } param { lr_mult: 0 }"
NETS = {
    "Scale": layer("Scale", "c", "d", "scale_param { bias_term: false }"),
    "Scale with bias": layer("Scale", "c", "d", WITH_BIAS),
    "in place": layer("Scale", "c", "c", WITH_BIAS, name="s") + relu("c") + layer("Scale", "c", "d"),
    "only the bias learns": layer("Scale", "c", "d", f"{WITH_BIAS} param {{ lr_mult: 0 }}"),
    "nothing learns": layer("Scale", "c", "d", f"{WITH_BIAS} {STILL}"),
    "Bias": layer("Bias", "c", "d"),
    "Bias in place": layer("Bias", "c", "c", name="b") + relu("c") + layer("Scale", "c", "d"),
    "BatchNorm": FROZEN + layer("ReLU", "c", "d"),
    "BatchNorm and Scale": FROZEN + layer("Scale", "c", "d"),
    "BatchNorm, Scale, ReLU": FROZEN + layer("Scale", "c", "c", WITH_BIAS, name="s") + layer("ReLU", "c", "d"),
    "fine-tuned": FROZEN + layer("Scale", "c", "c", f"{WITH_BIAS} {STILL}", name="s") + layer("ReLU", "c", "d"),
    "two readers": layer("BatchNorm", "c", "n", "batch_norm_param { use_global_stats: true }")
    + layer("Scale", "n", "s", WITH_BIAS)
    + layer("Eltwise", ["n", "s"], "d"),
    "of the batch, two readers": layer("BatchNorm", "c", "n")
    + layer("Scale", "n", "s", WITH_BIAS)
    + layer("Eltwise", ["n", "s"], "d"),
}


def net(middle: str) -> str:
    before = data(3, 5, 7, 6) + conv("data", "c", "num_output: 20 kernel_size: 3 pad: 1 bias_term: false")
    return before + middle + conv("d", "out", "num_output: 6 kernel_size: 3") + loss("out")


@pytest.mark.parametrize("middle", NETS.values(), ids=NETS)
@pytest.mark.parametrize("precision", ["fast", "exact"])
def test_the_numbers_are_those_of_the_layers_own_kernels(
    middle: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETC_PRECISION", precision)
    fast = compare(net(middle)).executor
    steps = [item.step for item in (*fast.program.forward, *fast.program.backward) if item.step is not None]
    assert not {fast.plan.graph.nodes[step.layer].type.name for step in steps} & {"Scale", "Bias", "BatchNorm"}


@pytest.mark.parametrize("middle", NETS.values(), ids=NETS)
def test_blobs_that_are_kept(middle: str) -> None:
    compare(net(middle), keep=True)


@pytest.mark.parametrize("statistics", ["", "batch_norm_param { use_global_stats: true }"])
def test_a_scale_learns_behind_statistics_of_the_data(statistics: str) -> None:
    """No backward is BatchNorm's there, but there is one of Scale's."""
    text = data(3, 20, 7, 6) + layer("Pooling", "data", "c", "pooling_param { kernel_size: 2 }")
    text += layer("BatchNorm", "c", "c", statistics, name="bn") + layer("Scale", "c", "d", WITH_BIAS)
    compare(text + loss("d"))


@pytest.mark.parametrize("middle", ["Scale with bias", "BatchNorm, Scale, ReLU"])
def test_any_number_of_threads_gives_the_same_bits(middle: str) -> None:
    one, *others = (run(make(net(NETS[middle]), threads=threads)[1]) for threads in (1, 2, 3))
    for other in others:
        assert all(np.array_equal(array, other[name]) for name, array in one.items())
