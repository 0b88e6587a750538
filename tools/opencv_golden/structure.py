"""What nets say of themselves: names, numbers, types, shapes, operations, memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.opencv_golden.made import NETS, Arrays, blob, read

SHAPES: dict[str, list[Any]] = {
    "ssd": [(1, 3, 32, 32), (2, 3, 48, 40)],
    "branches": [(1, 3, 12, 12), (2, 3, 16, 13)],
    "colour": [(1, 1, 14, 18)],
    "two": [[(1, 2, 6, 4), (1, 3)]],
    "kinds": [(1, 4, 10, 12)],
}


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


def figures(dnn: Any) -> Arrays:
    """Shapes, operations and memory of each layer for inputs of these shapes, and the graph that is dumped."""
    found: Arrays = {}
    for name, several in SHAPES.items():
        net = read(dnn, name)
        net.enableFusion(False)
        for i, shapes in enumerate(several):
            ids, bottoms, tops = net.getLayersShapes(shapes)
            found[f"{name}_{i}_ids"] = ids
            found[f"{name}_{i}_bottoms"], found[f"{name}_{i}_tops"] = _text(bottoms), _text(tops)
            found[f"{name}_{i}_flops"] = np.array([net.getFLOPS(int(layer), shapes) for layer in ids])
            found[f"{name}_{i}_bytes"] = np.array([net.getMemoryConsumption(int(layer), shapes) for layer in ids])
            found[f"{name}_{i}_sums"] = np.array([net.getFLOPS(shapes), *_memory(net, shapes)])
        given = several[-1] if isinstance(several[-1], list) else several[-1:]
        for input_name, shape in zip(_inputs(name), given, strict=True):
            net.setInput(blob(1, *shape), input_name)
        found[f"{name}_dump"] = np.array(net.dump())
        found[f"{name}_times"] = np.array([len(net.getLayerNames()), net.getPerfProfile()[0]])
    return found


def _inputs(name: str) -> tuple[str, ...]:
    return ("data", "im_info") if name == "two" else ("",)


def _memory(net: Any, shapes: Any) -> Any:
    """Of the whole net, which OpenCV says for one input only."""
    return net.getMemoryConsumption(shapes) if not isinstance(shapes, list) else ()


def _text(shapes: Any) -> Any:
    return np.array([str([array.tolist() for array in arrays]) for arrays in shapes])
