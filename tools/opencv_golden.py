"""Golden numbers of OpenCV's dnn module for tests/dnn, in tests/golden/opencv/dnn.

    python tools/opencv_golden.py weights     with netc: a .caffemodel for each prototxt there, from its fillers
    python tools/opencv_golden.py values      with opencv-python-headless==4.12.0.88: what OpenCV makes of everything

Inputs are made by `image` and `blob`, which the tests use too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "tests/golden/opencv/dnn"
NETS = ("ssd", "branches", "colour", "two")
Arrays = dict[str, Any]


def blob(seed: int, *shape: int) -> Any:
    """A blob of random values of about the size of pixels without their mean."""
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


def weights() -> None:
    """Write the .caffemodel files."""
    netc, dump = import_module("netc"), import_module("netc.schema.weights_write").dump_weights
    weights_of = import_module("netc.run").weights_of
    for seed, name in enumerate(NETS):
        net = netc.Net(FOLDER / f"{name}.prototxt", seed=seed, executor="reference")
        if "norm1" in net.params:
            for array, value in zip(net.params["norm1"], (0.2, 1.5, 1.0), strict=True):
                array[...] = value
        (FOLDER / f"{name}.caffemodel").write_bytes(dump(name, weights_of(net).layers))


def image(seed: int, *shape: int) -> Any:
    """An image of random bytes."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def read(dnn: Any, name: str) -> Any:
    """A net by any module that has readNetFromCaffe."""
    return dnn.readNetFromCaffe(str(FOLDER / f"{name}.prototxt"), str(FOLDER / f"{name}.caffemodel"))


def structure(dnn: Any) -> Arrays:
    """Names, numbers, types and shapes of blobs."""
    found: Arrays = {}
    for name in NETS:
        net = read(dnn, name)
        layers = [net.getLayer(net.getLayerId(layer)) for layer in net.getLayerNames()]
        found[f"{name}_names"] = np.array(net.getLayerNames())
        found[f"{name}_ids"] = np.array([net.getLayerId(layer) for layer in net.getLayerNames()])
        found[f"{name}_types"] = np.array([layer.type for layer in layers])
        found[f"{name}_blobs"] = np.array([sum(b.size for b in layer.blobs) for layer in layers])
        found[f"{name}_ends"] = net.getUnconnectedOutLayers()
        found[f"{name}_end_names"] = np.array(net.getUnconnectedOutLayersNames())
        found[f"{name}_all_types"] = np.array(net.getLayerTypes())
        found[f"{name}_empty"] = np.array([net.empty(), dnn.Net().empty(), net.getLayerId("nope") == -1])
    return found


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
    net = read(dnn, "two")
    net.setInput(blob(10, 1, 2, 6, 4), "data")
    net.setInput(blob(11, 1, 3), "im_info")
    found["two"] = net.forward("fc")
    found["two_param"] = net.getParam("fc", 0)
    return found


MEAN = (104.3, 177.1, 123.7)
SIZES = (
    ((37, 53), (30, 31)),
    ((17, 23), (46, 34)),
    ((40, 60), (30, 20)),
    ((41, 61), (30, 20)),
    ((1, 1), (5, 7)),
    ((2, 3), (40, 30)),
    ((40, 60), (60, 20)),
    ((64, 48), (12, 16)),
    ((9, 11), (11, 9)),
    ((30, 20), (20, 30)),
)


def blobs(dnn: Any) -> Arrays:
    """Blobs of images of several sizes (height, width), resized to others (width, height), and images of blobs."""
    found: Arrays = {}
    for i, (shape, size) in enumerate(SIZES):
        colours, grey = image(i, *shape, 3), image(i, *shape)
        found[f"plain_{i}"] = dnn.blobFromImage(colours, 1, size, ddepth=0)
        found[f"crop_{i}"] = dnn.blobFromImage(colours, size=size, crop=True, ddepth=0)
        found[f"grey_{i}"] = dnn.blobFromImage(grey, 1, size, ddepth=0)
        found[f"means_{i}"] = dnn.blobFromImage(colours, 0.007843, size, MEAN, swapRB=bool(i % 2))
        found[f"float_{i}"] = dnn.blobFromImage(colours.astype(np.float32) / 255, 2.5, size, 0.5, True, bool(i % 2))
    own = image(20, 11, 13, 4)
    found["own_size"] = dnn.blobFromImage(own, mean=(1, 2, 3, 4), swapRB=True)
    found["one_mean"] = dnn.blobFromImage(own[..., :3], 0.5, mean=7)
    found["grey_mean"] = dnn.blobFromImage(own[..., 0], mean=(7, 8, 9), swapRB=True)
    found["several"] = dnn.blobFromImages([own, image(21, 20, 7, 4)], 1 / 255, swapRB=True, crop=True)
    found["int32"] = dnn.blobFromImage(own.astype(np.int32) - 300, 0.1)
    for i, array in enumerate(dnn.imagesFromBlob(blob(22, 2, 3, 5, 4))):
        found[f"image_{i}"] = array
    found["image_grey"] = dnn.imagesFromBlob(blob(22, 1, 1, 5, 4))[0]
    return found


def boxes(dnn: Any) -> Arrays:
    """What suppression keeps of random boxes."""
    found: Arrays = {}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rects = np.concatenate([rng.integers(0, 60, (40, 2)), rng.integers(0, 30, (40, 2))], axis=1).tolist()
        scores = rng.integers(0, 40, 40).astype(np.float32) / np.float32(40)
        classes = rng.integers(0, 3, 40).tolist()
        marks = scores.tolist()
        found[f"nms_{seed}"] = dnn.NMSBoxes(rects, marks, 0.3, 0.1 * (seed % 5))
        found[f"eta_{seed}"] = dnn.NMSBoxes(rects, marks, 0.1, 0.8, 0.9, 20)
        found[f"batched_{seed}"] = dnn.NMSBoxesBatched(rects, marks, classes, 0.3, 0.3)
        for method in (1, 2):
            soft = dnn.softNMSBoxes(rects, marks, 0.2, 0.3, 0 if seed % 2 else 10, 0.5, method)
            found[f"soft_{method}_scores_{seed}"], found[f"soft_{method}_{seed}"] = map(np.asarray, soft)
    found["none"] = np.asarray(dnn.NMSBoxes(rects, marks, 2.0, 0.5))
    return found


GROUPS: dict[str, Callable[[Any], Arrays]] = {"structure": structure, "passes": passes, "blobs": blobs, "boxes": boxes}


def values() -> None:
    """Write what OpenCV computes."""
    dnn = import_module("cv2").dnn
    for name, group in GROUPS.items():
        np.savez_compressed(FOLDER / f"{name}.npz", **group(dnn))


if __name__ == "__main__":
    {"weights": weights, "values": values}[sys.argv[1]]()
