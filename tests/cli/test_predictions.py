"""How predictions are shown and written."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc import caffe
from netc.api.outputs import Output
from netc.api.predict import Prediction
from netc.cli import cli
from netc.cli._predictions import MapFiles, as_data, lines, picture_of, together

BOXES = Output("rows", "rows", 1, ("image", "class", "confidence", "xmin", "ymin", "xmax", "ymax"))
MAP = Output("map", "sample", meaning="probabilities")
NAMES = ["background", "dog"]


def boxes(source: str, count: int) -> Prediction:
    rows = np.array([[0, 1, 0.5 + i / 1000, 0.125, 0.25, 0.5, 1] for i in range(count)]).reshape(-1, 7)
    return Prediction(source, {"found": rows}, kinds={"found": BOXES})


def segmented(source: str) -> Prediction:
    values = np.stack([np.full((2, 4), 0.4), [[0.6, 0.6, 0.6, 0.1], [0.1] * 4]])
    return Prediction(source, {"prob": values}, kinds={"prob": MAP})


def test_boxes() -> None:
    (box,) = as_data(boxes("a.png", 1), 5, NAMES, {})["found"]
    assert box == {"class": 1, "label": "dog", "confidence": 0.5, "xmin": 0.125, "ymin": 0.25, "xmax": 0.5, "ymax": 1}
    assert len(as_data(boxes("a.png", 200), 5, None, {})["found"]) == 200
    shown = list(lines(boxes("a.png", 22), 5, NAMES, {}))
    assert shown[1].split() == ["class", "confidence", "xmin", "ymin", "xmax", "ymax"]
    assert shown[2].split() == ["1", "0.5210", "0.1250", "0.2500", "0.5000", "1.0000", "dog"]
    assert shown[-1] == "  and 2 more"
    assert list(lines(boxes("a.png", 0), 5, None, {})) == ["a.png", "  nothing found"]
    assert as_data(boxes("a.png", 0), 5, None, {}) == {"found": []}


def test_rows_of_several_images_in_one_file() -> None:
    found = together([boxes("a", 2), boxes("b", 0), boxes("c", 1)])["found"]
    np.testing.assert_array_equal(found[:, 0], [0, 0, 2])
    kinds = {"x": Output()}
    mixed = together([Prediction(n, {"x": np.ones((count, 3))}, kinds=kinds) for n, count in (("a", 2), ("b", 1))])
    assert mixed["x"].shape == (3, 3)
    np.testing.assert_array_equal(mixed["x/path"], [0, 0, 1])


def test_maps_are_files(tmp_path: Path) -> None:
    files = MapFiles(tmp_path / "maps")
    one, two = files.write(segmented("x/a.png")), files.write(segmented("y/a.png"))
    assert [p.name for p in one["prob"]] == ["a.prob.npy", "a.prob.png"]
    assert [p.name for p in two["prob"]] == ["a_2.prob.npy", "a_2.prob.png"]
    picture = np.asarray(Image.open(one["prob"][1]))
    np.testing.assert_array_equal(picture, [[1, 1, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(np.load(one["prob"][0]), segmented("").outputs["prob"])
    shown = list(lines(segmented("a.png"), 5, NAMES, one))
    assert shown[1] == "  map 2x2x4, values 0.1 to 0.6"
    assert shown[2:4] == ["   62.50% of it is class 0  background", "   37.50% of it is class 1  dog"]
    assert as_data(segmented("a.png"), 5, None, one)["prob"]["files"] == [str(p) for p in one["prob"]]


def test_maps_of_one_channel_or_three_are_pictures(tmp_path: Path) -> None:
    files, kind = MapFiles(tmp_path), Output("map", "sample")
    values = np.array([[[-2.0, 0.0]], [[-1.0, 0.0]], [[3.0, 2.0]]])
    made = Prediction(
        "a.png",
        {"fake": values, "grey": values[:1], "two": values[:2]},
        kinds=dict.fromkeys(("fake", "grey", "two"), kind),
    )
    found = files.write(made)
    assert [len(found[name]) for name in ("fake", "grey", "two")] == [2, 2, 1]
    np.testing.assert_array_equal(np.asarray(Image.open(found["fake"][1])), [[[255, 51, 0], [204, 102, 102]]])
    np.testing.assert_array_equal(np.asarray(Image.open(found["grey"][1])), [[0, 255]])
    assert picture_of(kind, np.full((1, 2, 2), np.inf)) is None
    assert picture_of(kind, np.full((1, 2, 2), 7.0)).max() == 0


def test_a_vector_is_scores_if_its_values_have_names() -> None:
    made = Prediction("a", {"fc": np.array([1.0, 3.0])}, kinds={"fc": Output("values", "sample")})
    assert as_data(made, 1, NAMES, {}) == {"fc": [{"class": 1, "label": "dog", "score": 3.0}]}
    assert as_data(made, 1, None, {}) == {"fc": {"shape": [2], "values": [1.0, 3.0]}}
    assert list(lines(made, 5, None, {})) == ["a", "  2: [1. 3.]"]


FCN = """
input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 6 }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


def test_the_command_writes_the_maps_of_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fcn.prototxt").write_text(FCN)
    caffe.Net("fcn.prototxt", caffe.TEST).save("w.caffemodel")
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), np.uint8)
    for name, image in zip(("a.png", "b.png", "sub/a.png"), images, strict=True):
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(name)
    line = "predict fcn.prototxt --weights w.caffemodel a.png b.png sub/a.png --maps out --json"
    assert not cli(line.split(), standalone_mode=False)
    found = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["outputs"]["prob"]["files"] for each in found] == [
        [f"out/{stem}.prob.npy", f"out/{stem}.prob.png"] for stem in ("a", "b", "a_2")
    ]
    net = netc.Net("fcn.prototxt", weights="w.caffemodel")
    for each, image in zip(found, images, strict=True):
        array, picture = (Path(name) for name in each["outputs"]["prob"]["files"])
        wanted = net.forward(data=image[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))["prob"][0]
        np.testing.assert_allclose(np.load(array), wanted, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(Image.open(picture)), np.load(array).argmax(0))
