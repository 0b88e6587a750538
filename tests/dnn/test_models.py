"""What models refuse; what they compute is held to OpenCV's numbers in test_golden."""

from typing import Any

import numpy as np
import pytest

from netc import dnn
from tools.opencv_golden import FOLDER, image, read

FRAME = image(1, 20, 30, 3)


def model(kind: Any, net: str) -> Any:
    return kind(read(dnn, net)).setInputSize(12, 12)


REFUSALS = {
    "no size": ("RUN083", lambda: dnn.Model(read(dnn, "branches")).setInputSize((0, 0)).predict(FRAME)),
    "a negative size": ("RUN083", lambda: model(dnn.Model, "branches").setInputSize(-1, 4).predict(FRAME)),
    "no scale": ("RUN083", lambda: model(dnn.Model, "branches").setInputScale(0).predict(FRAME)),
    "no frame": ("RUN083", lambda: model(dnn.Model, "branches").predict(None)),
    "two outputs": ("RUN090", lambda: model(dnn.ClassificationModel, "branches").classify(FRAME)),
    "no boxes": ("RUN090", lambda: model(dnn.DetectionModel, "branches").detect(FRAME)),
    "no maps": ("RUN090", lambda: model(dnn.SegmentationModel, "branches").setOutputNames(["fc"]).segment(FRAME)),
    "no points": ("RUN090", lambda: model(dnn.KeypointsModel, "branches").setOutputNames(["fc"]).estimate(FRAME)),
    "an empty net": ("RUN082", lambda: dnn.Model(dnn.Net())),
    "another format": ("RUN085", lambda: dnn.Model("yolo.weights", "yolo.cfg")),
    "nothing": ("RUN085", dnn.Model),
}


@pytest.mark.parametrize(("code", "ask"), REFUSALS.values(), ids=REFUSALS)
def test_refuses(code: str, ask: Any) -> None:
    with pytest.raises(dnn.error) as error:
        ask()
    assert [d.code.id for d in error.value.diagnostics] == [code]


def test_takes_paths_and_nets() -> None:
    paths = str(FOLDER / "branches.prototxt"), str(FOLDER / "branches.caffemodel")
    made = [dnn.Model(*paths), dnn.Model(model=paths[1], config=paths[0]), dnn.Model(network=read(dnn, "branches"))]
    first, *others = ([array.tolist() for array in each.predict(FRAME)] for each in made)
    assert all(other == first for other in others)


def test_the_information_of_the_image_goes_to_nets_that_ask_for_it() -> None:
    """Height, width and 1.6, as OpenCV gives them to Faster R-CNN."""
    text = (FOLDER / "two.prototxt").read_text().replace("dim: 2", "dim: 3").split('layer { name: "fc"')[0]
    found = dnn.Model(dnn.readNetFromCaffe(bufferProto=text.encode())).setOutputNames(["both"]).setInputSize(4, 6)
    np.testing.assert_allclose(found.predict(FRAME)[0][0, 3:], [6, 4, 1.6], rtol=1e-6)


def test_settings_are_read_back() -> None:
    classes, boxes = model(dnn.ClassificationModel, "branches"), model(dnn.DetectionModel, "ssd")
    assert not classes.getEnableSoftmaxPostProcessing()
    assert classes.setEnableSoftmaxPostProcessing(True).getEnableSoftmaxPostProcessing()
    assert not boxes.getNmsAcrossClasses()
    assert boxes.setNmsAcrossClasses(True).getNmsAcrossClasses()
