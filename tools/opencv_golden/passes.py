"""What nets make of blobs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.opencv_golden.made import Arrays, blob, read


def passes(dnn: Any) -> Arrays:
    """Outputs of the nets for blobs of several shapes."""
    found: Arrays = {}
    net = read(dnn, "ssd")
    for batch, size, seed in ((1, 32, 1), (1, 48, 2), (2, 32, 3), (1, 32, 4)):
        net.setInput(blob(seed, batch, 3, size, size) * (0.3 if seed < 4 else 0))
        found[f"ssd_{seed}"] = net.forward()
        found[f"ssd_conf_{seed}"] = net.forward("conf_end")
    net = read(dnn, "branches")
    net.setInput(blob(5, 2, 3, 16, 12))
    found["branches"], found["branches_pool"], found["branches_split"] = (
        net.forward(),
        net.forward("pool"),
        net.forward("split"),
    )
    for i, array in enumerate(net.forward(["extra", "prob", "relu_1", "join"])):
        found[f"branches_several_{i}"] = array
    net.setInput(blob(6, 1, 3, 12, 12), "data", 0.5, (1, 2, 3))
    found["branches_mean"] = net.forward()
    net.setInput(blob(6, 1, 3, 12, 12).astype(np.uint8), "", 0.25, 7)
    found["branches_bytes"] = net.forward(outputName="pool")
    net = read(dnn, "colour")
    net.getLayer(net.getLayerId("class8_ab")).blobs = [blob(7, 2, 7, 1, 1)]
    net.getLayer("rh").blobs = [np.full([1, 7], 2.606, np.float32)]
    net.setInput(blob(8, 1, 1, 14, 18))
    found["colour"] = net.forward()
    net = read(dnn, "branches")
    net.getLayer("conv").blobs = [blob(13, 6, 3, 3, 3) / 10]
    net.setInput(blob(5, 2, 3, 16, 12))
    found["without_bias"] = net.forward("pool")
    net = read(dnn, "two")
    net.setInput(blob(10, 1, 2, 6, 4), "data")
    net.setInput(blob(11, 1, 3), "im_info")
    found["two"] = net.forward("fc")
    found["two_param"] = net.getParam("fc", 0)
    return found
