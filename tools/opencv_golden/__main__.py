"""python -m tools.opencv_golden weights|values"""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np

from tools.opencv_golden import FOLDER, GROUPS, NETS
from tools.opencv_golden.own import write_weights


def weights() -> None:
    """Write the .caffemodel files."""
    netc, dump = import_module("netc"), import_module("netc.schema.weights_write").dump_weights
    weights_of = import_module("netc.run").weights_of
    for seed, name in enumerate(NETS):
        net = netc.Net(FOLDER / f"{name}.prototxt", seed=seed, executor="reference")
        for layer in {"norm1", "bn"} & set(net.params):
            for array, value in zip(net.params[layer], (0.2, 1.5, 1.0), strict=True):
                array[...] = value
        (FOLDER / f"{name}.caffemodel").write_bytes(dump(name, weights_of(net).layers))
    write_weights()


def values() -> None:
    """Write what OpenCV computes."""
    cv2 = import_module("cv2")
    for name, group in GROUPS.items():
        cv2.ipp.setUseIPP(name != "floats")
        np.savez_compressed(FOLDER / f"{name}.npz", **group(cv2.dnn))


if __name__ == "__main__":
    {"weights": weights, "values": values}[sys.argv[1]]()
