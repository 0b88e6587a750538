"""Parameters that start as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.data.images import encode_image, read_image
from netc.data.paths import beside, samples
from netc.data.resize import resize
from netc.errors import Diagnostic, NetError

NET = """
image = Parameter() {{ shape {{ dim: {dims} }} filler {{ type: "image" {fields} }} }}
score = InnerProduct(image) {{ num_output: 2 weight_filler {{ type: "xavier" }} }}
"""


@pytest.fixture
def pixels(tmp_path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_image(pixels, "png"))
    return pixels


def started(folder: Path, dims: list[int], fields: str) -> np.ndarray:
    """What the parameter starts with, in a net that is read from a file beside its image."""
    (folder / "x.net").write_text(NET.format(dims=dims, fields=fields))
    net = netc.Net(folder / "x.net", "TRAIN", executor="reference")
    (value,) = net.params["image"]
    net.forward()
    np.testing.assert_array_equal(net.blobs["image"], value)
    return np.array(value)


def test_pixels_are_blue_first_less_the_mean_times_the_scale(tmp_path: Path, pixels: np.ndarray) -> None:
    found = started(tmp_path, [2, 3, 6, 4], 'source: "a.png" mean_value: [1, 2, 3] scale: 0.5')
    wanted = (pixels.transpose(2, 0, 1) - np.array([1.0, 2, 3])[:, None, None]) * 0.5
    np.testing.assert_allclose(found, np.stack([wanted, wanted]), rtol=1e-6)


def test_the_image_is_resized_to_the_blob_and_made_grey_for_one_channel(tmp_path: Path, pixels: np.ndarray) -> None:
    found = started(tmp_path, [3, 3, 5], 'source: "a.png"')
    np.testing.assert_array_equal(found, resize(pixels, 3, 5).transpose(2, 0, 1))
    grey = started(tmp_path, [1, 1, 6, 4], 'source: "a.png" mean_value: 7')
    np.testing.assert_array_equal(grey[0], read_image(tmp_path / "a.png", "gray").transpose(2, 0, 1) - 7.0)


def test_sample_images_of_scikit_learn_have_names_of_their_own(tmp_path: Path) -> None:
    folder = samples()
    assert folder is not None
    wanted = resize(read_image(folder / "flower.jpg", "color"), 8, 8).transpose(2, 0, 1)
    np.testing.assert_array_equal(started(tmp_path, [1, 3, 8, 8], 'source: "sklearn:flower.jpg"')[0], wanted)


def test_lists_of_images_name_sample_images_too(tmp_path: Path) -> None:
    folder = samples()
    assert folder is not None
    assert beside("sklearn:china.jpg", tmp_path) == folder / "china.jpg"
    assert beside("sklearn:b.png", tmp_path) == Path("sklearn:b.png")


@pytest.mark.parametrize(
    ("dims", "fields", "code", "marked"),
    [
        ([1, 3, 4, 4], "", "LAY110", 'filler { type: "image"  }'),
        ([1, 2, 4, 4], 'source: "a.png"', "LAY110", '"image"'),
        ([3, 4], 'source: "a.png"', "LAY110", '"image"'),
        ([1, 3, 4, 4], 'source: "a.png" mean_value: [1, 2]', "LAY110", "1"),
        ([1, 3, 4, 4], 'source: "b.png"', "DAT016", '"b.png"'),
        ([1, 3, 4, 4], 'source: "sklearn:b.png"', "DAT016", '"sklearn:b.png"'),
        ([1, 3, 4, 4], 'source: "x.net"', "DAT002", '"x.net"'),
    ],
)
def test_what_cannot_fill(
    tmp_path: Path, pixels: np.ndarray, dims: list[int], fields: str, code: str, marked: str
) -> None:
    with pytest.raises(NetError) as caught:
        started(tmp_path, dims, fields)
    (found,) = caught.value.diagnostics
    assert found.code.id == code
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == marked


@pytest.mark.parametrize(
    ("filler", "marked"),
    [('type: "xavier" source: "a.png"', '"a.png"'), ("scale: 2", "2"), ('type: "msra" mean_value: 3', "3")],
)
def test_fields_of_images_belong_to_image_fillers(filler: str, marked: str) -> None:
    text = f"x = Parameter() {{ shape {{ dim: [1, 3, 4, 4] }} filler {{ {filler} }} }}\ny = ReLU(x)"
    (found,) = _problems(text)
    assert found.code.id == "LAY110"
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == marked


def _problems(text: str) -> list[Diagnostic]:
    with pytest.raises(NetError) as caught:
        netc.plan(netc.loads(text, "x.net"))
    return list(caught.value.diagnostics)


def test_blobs_that_are_no_parameters_are_not_filled_from_files() -> None:
    text = 'x = DummyData() { shape { dim: [1, 3, 4, 4] } data_filler { type: "image" source: "a.png" } }'
    (found,) = _problems(text + "\ny = ReLU(x)")
    assert found.code.id == "LAY110"
    assert "ImageData" in found.message
