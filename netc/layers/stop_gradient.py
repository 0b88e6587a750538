"""StopGradient: hands its bottom on, and no gradient back.

Computes:
    y = x.

Shapes:
    The top has the bottom's shape.

Gradient:
    None: what lies before the layer does not learn from what comes after it, and does not run backward for it.

Caffe notes:
    Caffe has no such layer. `propagate_down: false` in the layer that reads a blob does the same for this layer alone.
"""

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role
from netc.setups.renamed import forward


def setup(site: Site) -> Setup:
    return Setup(tops=site.bottoms, reads=(), shares=True, own_gradient="StopGradient gives none")


def backward(call: Call) -> None:
    """Nothing: no bottom is ever asked for."""


STOP_GRADIENT = LayerType(
    "StopGradient",
    __doc__,
    setup,
    forward,
    backward,
    differentiable=False,
    origin="netc",
    role=Role("shape", space="same"),
    examples=(Example(), Example(inputs=(Input((3,)),))),
)
