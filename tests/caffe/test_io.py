"""pycaffe's io, Classifier and Detector."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import caffe
from netc.caffe import io
from netc.caffe.proto import caffe_pb2
from netc.caffe.zoom import zoomed
from netc.errors import NetError
from netc.schema.weights import parse_blob

File = Callable[..., str]


# ---------------------------------------------------------------- blobs and datums


def test_blobproto_in_the_old_form() -> None:
    blob = caffe_pb2.BlobProto()
    blob.data.extend(range(100))
    blob.num, blob.channels, blob.height, blob.width = 1, 1, 10, 10
    assert io.blobproto_to_array(blob).shape == (1, 1, 10, 10)


def test_blobproto_in_the_new_form() -> None:
    blob = caffe_pb2.BlobProto()
    blob.data.extend(range(100))
    blob.diff.extend(range(100, 200))
    blob.shape.dim.extend([10, 10])
    assert io.blobproto_to_array(blob).tolist() == np.arange(100).reshape(10, 10).tolist()
    assert io.blobproto_to_array(blob, return_diff=True)[0, 0] == 100


def test_blobproto_without_shape() -> None:
    blob = caffe_pb2.BlobProto()
    blob.data.extend([123])
    assert io.blobproto_to_array(blob) == 123
    blob.data.extend([4])
    with pytest.raises(ValueError, match="reshape"):
        io.blobproto_to_array(blob)


def test_blobproto_of_doubles() -> None:
    assert io.blobproto_to_array(caffe_pb2.BlobProto(double_data=[0.1], shape={"dim": [1]})).tolist() == [0.1]


def test_array_to_blobproto() -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    blob = io.array_to_blobproto(array, -array)
    np.testing.assert_array_equal(io.blobproto_to_array(blob), array)
    np.testing.assert_array_equal(io.blobproto_to_array(blob, True), -array)
    np.testing.assert_array_equal(parse_blob(blob.SerializeToString()), array)


def test_vectors_of_blobs() -> None:
    arrays = [np.ones((2, 3)), np.zeros(4)]
    data = io.arraylist_to_blobprotovector_str(arrays)
    for found, array in zip(io.blobprotovector_str_to_arraylist(data), arrays, strict=True):
        np.testing.assert_array_equal(found, array)
    assert io.arraylist_to_blobprotovecor_str(arrays) == data


def test_datums() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    datum = io.array_to_datum(image, 7)
    assert (datum.channels, datum.height, datum.width, datum.label) == (2, 3, 4, 7)
    assert datum.data == image.tobytes()
    np.testing.assert_array_equal(io.datum_to_array(datum), image)
    floats = io.array_to_datum(image / 8)
    assert not floats.HasField("label")
    assert len(floats.data) == 0
    np.testing.assert_array_equal(io.datum_to_array(floats), image / 8)
    assert len(io.array_to_datum(image, 1).SerializeToString()) > len(io.array_to_datum(image).SerializeToString())
    with pytest.raises(ValueError, match="2 axes"):
        io.array_to_datum(image[0])


# ---------------------------------------------------------------- the Transformer


def test_transformer_applies_everything_in_order() -> None:
    transformer = io.Transformer({"data": (10, 3, 4, 5)})
    image = np.random.default_rng(1).random((4, 5, 3)).astype(np.float32)
    kept = image.copy()
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([104.0, 117.0, 123.0]))
    transformer.set_input_scale("data", 0.5)
    found = transformer.preprocess("data", image)
    expected = (image.transpose(2, 0, 1)[::-1] * 255 - np.array([104, 117, 123])[:, None, None]) * 0.5
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_allclose(transformer.deprocess("data", found), image, atol=1e-5)


def test_transformer_undoes_every_order() -> None:
    transformer = io.Transformer({"data": (1, 3, 4, 4)})
    transformer.set_channel_swap("data", (1, 2, 0))
    transformer.set_transpose("data", (2, 1, 0))
    image = np.random.default_rng(2).random((4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(transformer.deprocess("data", transformer.preprocess("data", image)), image)


def test_transformer_resizes() -> None:
    transformer = io.Transformer({"data": (1, 1, 2, 2)})
    transformer.set_transpose("data", (2, 0, 1))
    image = np.arange(16, dtype=np.float64).reshape(4, 4, 1)
    assert transformer.preprocess("data", image).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


def test_means() -> None:
    transformer = io.Transformer({"data": (1, 1, 2, 2)})
    transformer.set_mean("data", np.ones((1, 2, 2)))
    transformer.set_mean("data", np.arange(16.0).reshape(1, 4, 4))
    assert transformer.mean["data"].tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    transformer.set_mean("data", np.full((2, 2), 3.0))
    assert transformer.mean["data"].shape == (2, 2)


def test_settings_that_do_not_fit() -> None:
    transformer = io.Transformer({"data": (1, 3, 2, 2)})
    for call, complaint in (
        (lambda: transformer.set_transpose("data", (1, 0)), "2 axes"),
        (lambda: transformer.set_channel_swap("data", (1, 0)), "2 channels"),
        (lambda: transformer.set_mean("data", np.ones(4)), "4 channels"),
        (lambda: transformer.set_mean("data", np.ones((1, 3, 2, 2))), "4 axes"),
        (lambda: transformer.set_raw_scale("image", 1), "not one of the net's inputs: data"),
        (lambda: transformer.preprocess("image", np.ones((2, 2, 3))), "not one of"),
    ):
        with pytest.raises(ValueError, match=complaint):
            call()


# ---------------------------------------------------------------- images


def save(path: Path, array: np.ndarray, mode: str | None = None) -> str:
    Image.fromarray(array).convert(mode).save(path) if mode else Image.fromarray(array).save(path)
    return str(path)


def test_load_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 4, 3), np.uint8)
    rgb = io.load_image(save(tmp_path / "a.png", pixels))
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, pixels / 255, rtol=1e-6)
    grey = io.load_image(save(tmp_path / "a.png", pixels), color=False)
    assert grey.shape == (3, 4, 1)
    np.testing.assert_allclose(grey[..., 0], (pixels / 255) @ [0.2125, 0.7154, 0.0721], rtol=1e-5)


def test_load_image_of_other_kinds(tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (3, 4), np.uint8)
    path = save(tmp_path / "g.png", pixels)
    assert io.load_image(path).shape == (3, 4, 3)
    np.testing.assert_allclose(io.load_image(path, False)[..., 0], pixels / 255, rtol=1e-6)
    deep = io.load_image(save(tmp_path / "d.png", pixels.astype(np.uint16) * 257), False)
    np.testing.assert_allclose(deep[..., 0], pixels / 255, rtol=1e-6)
    rgba = np.random.default_rng(5).integers(0, 256, (3, 4, 4), np.uint8)
    np.testing.assert_allclose(io.load_image(save(tmp_path / "t.png", rgba)), rgba[..., :3] / 255, rtol=1e-6)
    assert io.load_image(save(tmp_path / "p.png", rgba[..., :3], "P")).shape == (3, 4, 3)


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("none.jpg", "text.jpg"):
        with pytest.raises(RuntimeError, match=name) as caught:
            io.load_image(tmp_path / name)
        assert caught.value.diagnostics[0].code.id == "RUN064"


def test_resize_image() -> None:
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    assert io.resize_image(image, (2, 2))[..., 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert io.resize_image(image, (4, 4)).tolist() == image.tolist()
    assert io.resize_image(np.repeat(image, 3, 2), (3, 7)).shape == (3, 7, 3)
    assert io.resize_image(np.full((2, 2, 3), 0.5), (3, 4)).tolist() == np.full((3, 4, 3), 0.5).tolist()
    corners = io.resize_image(np.repeat(image, 2, 2), (7, 7))
    assert corners[0, 0].tolist() == [0, 0]
    assert corners[-1, -1].tolist() == [15, 15]
    doubled = np.kron(image[..., 0], np.ones((2, 2)))
    assert io.resize_image(image, (8, 8), interp_order=0)[..., 0].tolist() == doubled.tolist()


def test_oversample() -> None:
    image = np.arange(5 * 6 * 2, dtype=np.float32).reshape(5, 6, 2)
    crops = io.oversample([image, image + 100], (3, 4))
    assert crops.shape == (20, 3, 4, 2)
    np.testing.assert_array_equal(crops[0], image[:3, :4])
    np.testing.assert_array_equal(crops[1], image[:3, 2:])
    np.testing.assert_array_equal(crops[2], image[2:, :4])
    np.testing.assert_array_equal(crops[3], image[2:, 2:])
    np.testing.assert_array_equal(crops[4], image[1:4, 1:5])
    np.testing.assert_array_equal(crops[5:10], crops[:5, :, ::-1])
    np.testing.assert_array_equal(crops[10:], crops[:10] + 100)


# ---------------------------------------------------------------- Classifier and Detector

CLASSES = """
layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: 'pool' type: 'Pooling' bottom: 'data' top: 'pool' pooling_param { pool: AVE global_pooling: true } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'pool' top: 'ip' inner_product_param { num_output: 3 } }
"""


@pytest.fixture
def files(file: File, tmp_path: Path) -> tuple[str, str]:
    """A net whose three classes are the mean blue, green and red of an image."""
    path, weights = file(CLASSES), str(tmp_path / "w.caffemodel")
    net = caffe.Net(path, caffe.TEST)
    net.params["ip"][0].data[...] = np.eye(3)
    net.save(weights)
    return path, weights


def test_classifier(files: tuple[str, str]) -> None:
    images = [np.random.default_rng(i).random((9, 7, 3)).astype(np.float32) for i in range(3)]
    means = np.array([104.0, 117.0, 123.0])
    classifier = caffe.Classifier(*files, image_dims=(8, 8), mean=means, raw_scale=255, channel_swap=(2, 1, 0))
    centre = classifier.predict(images, oversample=False)
    resized = [io.resize_image(image, (8, 8)) for image in images]
    expected = [image[1:7, 1:7].mean((0, 1))[::-1] * 255 - means for image in resized]
    np.testing.assert_allclose(centre, expected, rtol=1e-4, atol=1e-3)
    crops = [io.oversample([image], (6, 6)).mean((0, 1, 2))[::-1] * 255 - means for image in resized]
    np.testing.assert_allclose(classifier.predict(images), crops, rtol=1e-4, atol=1e-3)


def test_classifier_by_default_takes_the_whole_image(files: tuple[str, str]) -> None:
    classifier = caffe.Classifier(*files, input_scale=2)
    image = np.random.default_rng(6).random((6, 6, 3))
    np.testing.assert_allclose(classifier.predict([image], False), [2 * image.mean((0, 1))], rtol=1e-5)
    np.testing.assert_allclose(classifier.predict([image]), [2 * image.mean((0, 1))], rtol=1e-5)


def test_detector(files: tuple[str, str], tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (20, 24, 3), np.uint8)
    name = save(tmp_path / "image.png", pixels)
    windows = [(2, 3, 8, 9), (0, 0, 6, 6), (10, 10, 16, 16)]
    detector = caffe.Detector(*files, raw_scale=255)
    found = detector.detect_windows([(name, windows)])
    assert [d["window"] for d in found] == windows
    assert {d["filename"] for d in found} == {name}
    for one, (top, left, bottom, right) in zip(found, windows, strict=True):
        np.testing.assert_allclose(one["prediction"], pixels[top:bottom, left:right].mean((0, 1)), rtol=1e-4)
    assert detector.detect_windows([]) == []


def test_detector_with_context(files: tuple[str, str]) -> None:
    means = np.array([0.1, 0.2, 0.3])
    detector = caffe.Detector(*files, mean=means, raw_scale=2, channel_swap=(2, 1, 0), context_pad=1)
    image = np.full((40, 40, 3), 0.75, np.float32)
    inside = detector.crop(image, np.array([10, 10, 20, 20]))
    assert inside.shape == (6, 6, 3)
    assert (inside == 0.75).all()
    corner = detector.crop(image, np.array([0, 0, 8, 8]))
    assert (corner[-1, -1] == 0.75).all()
    np.testing.assert_allclose(corner[0, 0], means[::-1] / 2, rtol=1e-6)  # the mean, as an image has it
    plain = caffe.Detector(*files, context_pad=1)
    assert plain.crop(image, np.array([0, 0, 8, 8]))[0, 0].tolist() == [0, 0, 0]


def test_raw_blobs_of_nvcaffe() -> None:
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend([1, 2])
    blob.raw_data_type = 2  # FLOAT16
    blob.raw_data = np.array([0.5, -2], np.float16).tobytes()
    np.testing.assert_array_equal(io.blobproto_to_array(blob), [[0.5, -2]])
    blob.raw_data += b"x"
    with pytest.raises(ValueError, match="5 bytes of FLOAT16"):
        io.blobproto_to_array(blob)


@pytest.mark.parametrize("centres", [True, False])
def test_linear_zoom_is_scipys(centres: bool) -> None:
    scipy = pytest.importorskip("scipy.ndimage", reason="scipy, the extra pycaffe, is not installed")
    how = {"mode": "grid-constant", "cval": 0.0, "grid_mode": True} if centres else {"mode": "nearest"}
    random = np.random.default_rng(0)
    for shape, size in [((7, 9, 3), (14, 5)), ((7, 9, 3), (3, 20)), ((5, 1, 1), (9, 4)), ((100, 70, 2), (227, 33))]:
        image = random.random(shape)
        wanted = scipy.zoom(image, (size[0] / shape[0], size[1] / shape[1], 1), order=1, **how)
        np.testing.assert_allclose(zoomed(image, size, 1, centres=centres), wanted, atol=1e-12)


def test_other_orders_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    with pytest.raises(NetError) as caught:
        zoomed(np.zeros((3, 3, 1)), (5, 5), 3, centres=True)
    (found,) = caught.value.diagnostics
    assert (str(found.code), found.help) == ("DAT004", "pip install 'netc[pycaffe]'")
