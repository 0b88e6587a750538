"""What the tests of PyTorch models share: a net around an example, and the model that is written of it."""

from __future__ import annotations

import numpy as np

import netc
from netc.api.planning import plan_state
from netc.catalogue import catalogue
from netc.convert.predicting import Predicting
from netc.convert.torch import TorchModel, View, export
from netc.graph import State
from netc.layer import Example, LayerType
from netc.report.explain import example_text
from netc.run.net import Net
from tests.layers.harness import values_of

TYPES = {t.name: t for t in catalogue().types.values()}
CASES = [(t, e) for t in TYPES.values() for e in t.examples if e.tops and not (t.source and t.forward is None)]


def build(layer_type: LayerType, example: Example) -> Net:
    """A net around the example in its phase, with inputs and parameters that show mistakes."""
    definition = netc.loads("force_backward: true\n" + example_text(layer_type, example), "example.net")
    net = Net(plan_state(definition, State(example.phase), training=True))
    for index, array in enumerate(net.inputs.values()):
        array[...] = values_of(example.inputs[index], index)
    rng = np.random.default_rng(1)
    for blobs in net.params.values():
        for position, blob in enumerate(blobs):
            noise = rng.standard_normal(blob.shape)
            variance = layer_type.name in ("BatchNorm", "BN") and position in (1, 2, 3)
            blob[...] += 0.3 * np.abs(noise) + 1 if variance else 0.3 * noise
    return net


def written(net: Net) -> TorchModel:
    """The model that gives every top of the net's last layer."""
    return export([View("forward", Predicting.of(net), net.graph.nodes[-1].tops)], "example.net")
