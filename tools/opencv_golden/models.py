"""What models make of frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tools.opencv_golden.made import FOLDER, Arrays, image, read

FRAMES = ((40, 60), (32, 32), (90, 31))
"""Heights and widths."""


def models(dnn: Any) -> Arrays:
    """Outputs of the four kinds, for several settings of the input, set in every way."""
    found: Arrays = {}
    for i, size in enumerate(FRAMES):
        frame = image(30 + i, *size, 3)
        for name, run in {"classes": _classes, "detections": _detections, "points": _points, "maps": _maps}.items():
            for j, array in enumerate(run(dnn, frame)):
                found[f"{name}_{i}_{j}"] = np.asarray(array)
    for name, change in SETTINGS.items():
        model = dnn.Model(read(dnn, "branches"))
        change(model)
        for j, array in enumerate(model.predict(image(40, 25, 19, 3))):
            found[f"{name}_{j}"] = array
    grey = dnn.SegmentationModel(read(dnn, "colour"))
    grey.setOutputNames(["probs"]).setInputSize(18, 14).setInputScale(0.01)
    found["grey"] = grey.segment(image(41, 20, 20))
    return found


SETTINGS: dict[str, Callable[[Any], Any]] = {
    "own_size": lambda model: model.setInputScale(0.01),
    "one_scale": lambda model: model.setInputScale((0.01,)).setInputMean(7),
    "scales": lambda model: model.setInputScale((0.01, 0.02, 0.03)).setInputMean((1, 2, 3)).setInputSwapRB(True),
    "larger": lambda model: model.setInputSize((20, 16)).setInputScale(0.02).setInputCrop(True),
    "sizes": lambda model: model.setInputSize(13, 17).setInputScale(0.02),
    "params": lambda model: model.setInputParams(0.01, (14, 12), (10, 20, 30), True, True),
    "named": lambda model: model.setInputParams(scale=0.01, size=(14, 12), mean=9),
    "outputs": lambda model: model.setInputScale(0.01).setOutputNames(["pool", "sig"]),
    "accepted": lambda model: (model.setPreferableBackend(0), model.setPreferableTarget(0), model.enableWinograd(True)),
}


def _classes(dnn: Any, frame: Any) -> Any:
    model = dnn.ClassificationModel(str(FOLDER / "branches.prototxt"), str(FOLDER / "branches.caffemodel"))
    model.setInputParams(0.01, (12, 12), (100, 110, 120))
    model.setOutputNames(["fc"])
    plain = model.classify(frame)
    model.setEnableSoftmaxPostProcessing(True)
    return *plain, *model.classify(frame), model.getEnableSoftmaxPostProcessing()


def _detections(dnn: Any, frame: Any) -> Any:
    model = dnn.DetectionModel(read(dnn, "ssd"))
    model.setInputSize(32, 32).setInputScale(0.02).setInputMean(100)
    return *model.detect(frame), *model.detect(frame, 0.8), *model.detect(frame, confThreshold=2, nmsThreshold=0.1)


def _points(dnn: Any, frame: Any) -> Any:
    model = dnn.KeypointsModel(read(dnn, "ssd"))
    model.setInputParams(scale=0.02, size=(32, 32), mean=(100, 100, 100))
    model.setOutputNames(["conv1"])
    maps = model.estimate(frame), model.estimate(frame, 1.5), model.estimate(frame, thresh=100)
    model.setOutputNames(["conf_rows"])
    return *maps, model.estimate(frame)


def _maps(dnn: Any, frame: Any) -> Any:
    model = dnn.SegmentationModel(read(dnn, "ssd"))
    model.setInputParams(0.02, (48, 40), swapRB=True)
    model.setOutputNames(["loc"])
    return (model.segment(frame),)
