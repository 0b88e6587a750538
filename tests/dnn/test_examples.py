"""`examples/opencv` as processes, each with a small net of the same shape; what they print is computed here again.

They use the OpenCV that is installed, or a stand-in without Caffe reader.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc import dnn
from netc.run import weights_of
from netc.schema.weights_write import dump_weights
from tools.opencv_golden import FOLDER, image
from tools.opencv_golden.own import Centred

ROOT = Path(__file__).parent.parent.parent
SSD = (FOLDER / "ssd.prototxt", FOLDER / "ssd.caffemodel")


def plain(type: str, name: str, *bottoms: str, fields: str = "", top: bool = True) -> str:
    ends = " ".join(f'bottom: "{bottom}"' for bottom in bottoms) + (f' top: "{name}"' if top else "")
    return f'layer {{ name: "{name}" type: "{type}" {ends} {fields} }}\n'


def conv(name: str, bottom: str, count: int, *fields: str) -> str:
    text = f'num_output: {count} weight_filler {{ type: "xavier" }} {" ".join(fields)}'
    return plain("Convolution", name, bottom, fields=f"convolution_param {{ {text} }}")


def given(channels: int, size: int) -> str:
    return f'input: "data" input_shape {{ dim: 1 dim: {channels} dim: {size} dim: {size} }}\n'


COLOURS = (
    given(1, 224)
    + conv("conv1", "data", 4, "kernel_size: 3 pad: 1 stride: 4")
    + conv("conv8_313", "conv1", 313, "kernel_size: 1")
    + plain("Scale", "conv8_313_rh", "conv8_313", fields="scale_param { bias_term: false filler { value: 2.606 } }")
    + plain("Softmax", "class8_313_rh", "conv8_313_rh")
    + conv("class8_ab", "class8_313_rh", 2, "kernel_size: 1")
    + plain("Silence", "Silence", "class8_ab", top=False)
)
JOINTS = (
    given(3, 1) + conv("first", "data", 8, "kernel_size: 3 stride: 8") + conv("maps", "first", 16, "kernel_size: 1")
)
BILINEAR = 'convolution_param { num_output: 1 kernel_size: 4 stride: 2 weight_filler { type: "bilinear" } }'
EDGES = (
    given(3, 500)
    + conv("conv1", "data", 4, "kernel_size: 3 pad: 9 stride: 2")
    + conv("score", "conv1", 1, "kernel_size: 1")
    + plain("Deconvolution", "up", "score", fields=BILINEAR)
    + plain("Crop", "crop", "up", "data")
    + plain("Sigmoid", "sigmoid-fuse", "crop")
)


def classes(count: int) -> str:
    pooled = plain("Pooling", "pool", "conv1", fields="pooling_param { pool: AVE global_pooling: true }")
    end = f'inner_product_param {{ num_output: {count} weight_filler {{ type: "gaussian" std: 0.01 }} }}'
    return (
        given(3, 227)
        + conv("conv1", "data", 4, "kernel_size: 7 stride: 8")
        + pooled
        + plain("InnerProduct", "fc8", "pool", fields=end)
        + plain("Softmax", "prob", "fc8")
    )


def made(folder: Path, name: str, text: str) -> tuple[Path, Path]:
    """The two files of a net."""
    files = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    files[0].write_text(text)
    net = netc.Net(
        files[0], executor="reference", seed=len(name), inputs={"data": (1, 1 if name == "colours" else 3, 64, 64)}
    )
    for array in net.params.get("conv1", ()):
        array[...] = array / 50  # what reads pixels from 0 to 255
    files[1].write_bytes(dump_weights(name, weights_of(net).layers))
    return files


@pytest.fixture
def detector(tmp_path: Path) -> tuple[Path, Path]:
    return made(tmp_path, "faces", SSD[0].read_text())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(image(60, 60, 80, 3)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def blob(photo: Path, *arguments: object) -> np.ndarray:
    return dnn.blobFromImage(np.asarray(Image.open(photo))[..., ::-1].copy(), *arguments)


def run(script: str, *arguments: object) -> list[str]:
    """The lines that an example prints; a picture of the photo's size is written."""
    paths = [str(ROOT), *([] if find_spec("cv2") else [str(ROOT / "tests/dnn/stand_in")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    picture = Path(str(arguments[0])).with_name("found.png")
    command = [
        sys.executable,
        "-m",
        "netc.dnn",
        str(ROOT / "examples/opencv" / script),
        *map(str, arguments),
        "-o",
        picture,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Image.open(picture).size == (80, 60)
    return done.stdout.splitlines()


def numbers(line: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", line)]


def faces(detector: tuple[Path, Path], photo: Path, least: float) -> list[list[float]]:
    """What the face detector finds: confidence, and corners in pixels."""
    net = dnn.readNetFromCaffe(*detector)
    net.setInput(blob(photo, 1.0, (300, 300), (104.0, 177.0, 123.0)))
    rows = net.forward()[0, 0]
    return [[row[2], *(row[3:] * (80, 60, 80, 60)).astype(int)] for row in rows if row[2] > least]


def test_face_detection(photo: Path, detector: tuple[Path, Path]) -> None:
    lines = run("face_detection.py", photo, *detector, "--confidence", 0.7)
    wanted = faces(detector, photo, 0.7)
    assert len(lines) == len(wanted) > 0
    for line, (confidence, *corners) in zip(lines, wanted, strict=True):
        assert numbers(line) == [round(100 * float(confidence), 1), *corners]


def test_object_detection(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("background\ncat\ndog\n")
    lines = run("object_detection.py", photo, *SSD, "--names", tmp_path / "names.txt", "-c", 0.7)
    model = dnn.DetectionModel(*SSD)
    model.setInputParams(1 / 127.5, (300, 300), (127.5, 127.5, 127.5))
    found = zip(*model.detect(np.asarray(Image.open(photo))[..., ::-1].copy(), 0.7), strict=True)
    names = "background", "cat", "dog"
    wanted = [f"{names[kind]} {100 * score:.1f} %: {' '.join(map(str, box))}" for kind, score, box in found]
    assert lines == wanted
    assert lines


def test_colorization(photo: Path, tmp_path: Path) -> None:
    files = made(tmp_path, "colours", COLOURS)
    points = np.random.default_rng(1).normal(0, 50, (313, 2))
    np.save(tmp_path / "points.npy", points)
    low, high = numbers(run("colorization.py", photo, *files, tmp_path / "points.npy")[0])
    assert points.min() < low < high < points.max()


def test_pose(photo: Path, tmp_path: Path) -> None:
    files = made(tmp_path, "p", JOINTS)
    lines = run("pose.py", photo, *files, "--size", 72, "--threshold", 0.3)
    net = dnn.readNetFromCaffe(*files)
    net.setInput(blob(photo, 1 / 255, (72, 72)))
    maps = net.forward()[0]
    best = [np.unravel_index(each.argmax(), each.shape) for each in maps[:15]]
    places = [(y, x) for each, (y, x) in zip(maps, best, strict=False) if each.max() > 0.3]
    assert [numbers(line)[1:] for line in lines] == [[int(x * 80 / 9), int(y * 60 / 9)] for y, x in places]
    assert 0 < len(lines) < 15


def test_edges(photo: Path, tmp_path: Path) -> None:
    files = made(tmp_path, "edges", EDGES)
    lines = run("edges.py", photo, *files)
    dnn.dnn_registerLayer("Crop", Centred)
    net = dnn.readNetFromCaffe(*files)
    net.setInput(blob(photo, 1.0, (80, 60), (104.00698793, 116.66876762, 122.67891434)))
    edges = net.forward()
    dnn.dnn_unregisterLayer("Crop")
    assert lines == [f"edges 80 x 60, {100 * edges.mean():.2f} % on average"]


def test_age_and_gender(photo: Path, tmp_path: Path, detector: tuple[Path, Path]) -> None:
    ages, genders = made(tmp_path, "age", classes(8)), made(tmp_path, "gender", classes(2))
    lines = run("age_gender.py", photo, "--face", *detector, "--age", *ages[::-1], "--gender", *genders)
    wanted = [corners for _, *corners in faces(detector, photo, 0.7)]
    shown = [[max(0, int(value)) for value in corners] for corners in wanted]
    shown = [c for c in shown if c[2] > c[0] and c[3] > c[1]]
    assert [numbers(line)[-4:] for line in lines] == shown
    assert all(re.match(r"(fe)?male \d+ %, \d+-\d+ \d+ %: ", line) for line in lines)
    assert lines
