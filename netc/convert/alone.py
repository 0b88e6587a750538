"""A layer of a net run by itself, by its own kernels, on any values for its bottoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.graph import Node
from netc.layer import Array, Call, Setup, Site
from netc.run.net import Net

_DTYPES = {"float": np.float32, "int32": np.int32, "int64": np.int64, "uint8": np.uint8}


def run_alone(net: Net, node: Node, bottoms: Sequence[Array]) -> tuple[Array, ...]:
    """The tops of a layer for these bottoms, in their true shapes; what it keeps between runs is zero.

    Raises NetError as the layer does, for shapes and for values that it does not take.
    """
    values = tuple(np.array(bottom, np.float32, order="C") for bottom in bottoms)  # numbers without axes stay so
    site = Site(node.record, node.type, tuple(v.shape for v in values), node.record.phase)
    setup: Setup = node.type.setup(site)
    tops = tuple(np.zeros(shape, np.float32) for shape in setup.tops)
    buffers = {b.name: np.zeros(b.shape, _DTYPES[b.dtype]) for b in setup.buffers}
    call = Call(
        node.record,
        site.p,
        setup,
        node.record.phase,
        values,
        tops,
        net.params.get(node.key, ()),
        buffers,
        seed=net.seed,
    )
    assert node.type.forward is not None
    if setup.dynamic or any(top.size for top in tops):  # no kernel is asked to make nothing
        node.type.forward(call)
    return tuple(
        top.reshape(-1)[: int(np.prod(call.resized[i]))].reshape(call.resized[i]) if i in call.resized else top
        for i, top in enumerate(tops)
    )
