"""Blobs of images, and which of many boxes are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.opencv_golden.made import Arrays, blob, image

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


def floats(dnn: Any) -> Arrays:
    """Blobs of images of float32; OpenCV makes them without IPP."""
    found: Arrays = {}
    for i, (shape, size) in enumerate(SIZES):
        halved = shape[0] == 2 * size[1]
        for channels in (1, 3, 4) if halved else ((1, 3, 4)[i % 3],):
            pixels = blob(30 + i, *shape, channels)
            for crop in (False, True):
                found[f"floats_{i}_{channels}_{crop:d}"] = dnn.blobFromImage(pixels, 1, size, crop=crop)
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
