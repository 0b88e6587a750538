"""What is timed: from the input's array to the outputs' arrays, by each contender, from one folder of files.

    python -m tools.bench.latency.contenders NAME FOLDER THREADS CLOCK

A process of its own, which may run under another Python: OpenCV and ONNX Runtime need nothing of netc.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tools.bench import turns

Outputs = dict[str, Any]
Call = Callable[[], Outputs]
TOLERANCE = 1e-3  # of the largest value, Winograd's


def netc(folder: Path, threads: int, given: Outputs, _names: list[str]) -> Call:
    net = import_module("netc").Net(folder / "net.prototxt", weights=folder / "net.caffemodel", threads=threads)

    def call() -> Outputs:
        for name, array in given.items():
            net.set_input(name, array)
        found: Outputs = net.forward()
        return found

    return call


def opencv(folder: Path, threads: int, given: Outputs, names: list[str]) -> Call:
    cv2: Any = import_module("cv2")
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    layers = net.getUnconnectedOutLayersNames()

    def call() -> Outputs:
        for name, array in given.items():
            net.setInput(array, name)
        return dict(zip(names if len(names) == 1 else layers, net.forward(layers), strict=True))

    return call


def onnxruntime(folder: Path, threads: int, given: Outputs, names: list[str]) -> Call:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(folder / "net.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda: dict(zip(names, session.run(names, given), strict=True))


CONTENDERS = {"netc": netc, "OpenCV": opencv, "ONNX Runtime": onnxruntime}


def main() -> None:
    name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    given, wanted = (dict(np.load(folder / file)) for file in ("input.npz", "outputs.npz"))
    call = CONTENDERS[name](folder, threads, given, list(wanted))
    if (folder / "net.onnx").exists():
        compare(call(), wanted)
    turns.serve(call, getattr(time, sys.argv[4]))


def compare(found: Outputs, wanted: Outputs) -> None:
    """Raise SystemExit unless the outputs are those wanted (OpenCV calls them by their layers)."""
    arrays = {array.size: array for array in found.values()}
    for name, array in wanted.items():
        other = found.get(name, arrays.get(array.size))
        off = np.abs(np.asarray(other).reshape(array.shape) - array).max() / np.abs(array).max()
        if not off <= TOLERANCE:
            raise SystemExit(f"{name} is off by {off}")


if __name__ == "__main__":
    main()
