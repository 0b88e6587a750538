"""Nets whose convolutions go by Winograd, against the reference executor."""

import pytest

from .test_fast import compare, conv, data, ip, layer, make

THREE = "num_output: %d kernel_size: 3 pad: 1 "


def relu(blob):
    return layer("ReLU", blob, blob, name=f"{blob}/relu")


def loss(blob):
    return ip(blob, "ip", 5) + layer("SoftmaxWithLoss", ["ip", "label"], "loss")


CHAIN = (
    data(3, 3, 18, 13)
    + conv("data", "c1", THREE % 32)
    + relu("c1")
    + conv("c1", "c2", THREE % 64 + "group: 2")
    + relu("c2")
    + conv("c2", "c3", THREE % 40)
    + loss("c3")
)
RESIDUAL = (
    data(2, 20, 14, 15)
    + conv("data", "a", THREE % 32 + "bias_term: false")
    + layer("BatchNorm", "a", "a", name="a/norm")
    + relu("a")
    + conv("a", "b", THREE % 32 + "bias_term: false")
    + layer("BatchNorm", "b", "b", name="b/norm")
    + layer("Scale", "b", "b", "scale_param { bias_term: true }", name="b/scale")
    + layer("Eltwise", ["a", "b"], "sum")
    + relu("sum")
    + loss("sum")
)
JOINED = (
    data(2, 20, 12, 12)
    + conv("data", "a", THREE % 32)
    + conv("data", "b", THREE % 48)
    + layer("Concat", ["a", "b"], "both")
    + relu("both")
    + conv("both", "c", THREE % 33)
    + loss("c")
)
IN_PIECES = (
    data(2, 3, 19, 22)
    + conv("data", "a", THREE % 32)
    + conv("a", "a2", THREE % 32)
    + conv("a2", "b", "num_output: 32 kernel_size: 7 pad: 3 group: 2")
    + relu("b")
    + conv("b", "c", "num_output: 37 kernel_size: 7 pad: 2")
    + conv("c", "d", "num_output: 20 kernel_size: 4")
    + loss("d")
)
DILATED = (
    data(2, 3, 19, 22)
    + conv("data", "a", THREE % 32)
    + conv("a", "b", THREE % 32)
    + conv("b", "c", "num_output: 32 kernel_size: 3 pad: 2 dilation: 2")
    + relu("c")
    + conv("c", "d", "num_output: 20 kernel_size: 3 dilation: 6 pad: 6")
    + loss("d")
)
NETS = {"dilated": DILATED, "chain": CHAIN, "residual": RESIDUAL, "joined": JOINED, "in pieces": IN_PIECES}


def passes(net, layer=None):
    """What goes by Winograd, of a layer or of all."""
    program = net.executor.program
    items = (*program.setup, *program.forward, *program.backward)
    layers = [
        i.launch.label for i in items
        if i.launch is not None and layer in (None, net.graph.nodes[i.layer].name)
    ]  # fmt: skip
    return {label for label in layers if label.startswith("Winograd")}


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.delenv("NETC_PRECISION", raising=False)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", NETS)
def test_nets_agree_with_the_reference(name, phase):
    found = passes(compare(NETS[name], phase, tolerance=1e-4))
    kinds = ["convolution", "data gradient", "weight gradient"] if phase == "TRAIN" else ["convolution"]
    assert found == {f"Winograd {kind}" for kind in kinds}


@pytest.mark.parametrize("layer", ["c", "d"])
@pytest.mark.parametrize("net", [IN_PIECES, DILATED])
def test_other_kernels_and_dilated_ones_go_so_but_for_the_gradient_of_their_weights(net, layer):
    assert passes(make(net)[1], layer) == {"Winograd convolution", "Winograd data gradient"}


def test_exact_never_comes_here(monkeypatch):
    monkeypatch.setenv("NETC_PRECISION", "exact")
    assert not passes(make(CHAIN)[1])
