"""Predictions: images and arrays, prepared as in training."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc.api.planning import load
from netc.api.predict import Predictor
from netc.api.preprocess import Preprocessing, of_layer, of_model, read
from netc.api.session import Solver
from netc.data.bad import BadRecordError
from netc.data.digits import split
from netc.errors import NetError
from netc.layer import Array
from netc.run import weights_of
from netc.schema.weights_write import dump_weights, write_blob
from tests.cli.conftest import SMALL


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with small.net, trained for 40 iterations."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.net").write_text(SMALL.replace('prefix: "small"', f'prefix: "{folder}/small"'))
    Solver(folder / "small.net").solve()
    return folder


def predictor(folder: Path, **options: object) -> Predictor:
    return Predictor(load(folder / "small.net"), [folder / "small_iter_40.caffemodel"], **options)  # type: ignore[arg-type]


def digit_files(folder: Path, count: int) -> list[Path]:
    images = split("test")[0]
    paths = [folder / f"{i}.png" for i in range(count)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(np.round(image[0] * 255 / 16).astype(np.uint8)).save(path)
    return paths


def test_images_are_prepared_as_in_training(trained: Path, tmp_path: Path) -> None:
    images, labels = split("test")
    found = list(predictor(trained, batch=4)([str(p) for p in digit_files(tmp_path, 10)]))
    best = [p.top("prob", 1) for p in found]
    assert sum(b is not None and b[0][0] == label for b, label in zip(best, labels, strict=False)) >= 8
    assert all(p.outputs["prob"].sum() == pytest.approx(1, abs=1e-5) for p in found)
    np.savez(tmp_path / "a.npz", data=images[:10] / 16)
    again = list(predictor(trained)([tmp_path / "a.npz"]))
    assert again[3].source.endswith("a.npz[3]")
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one.outputs["prob"], other.outputs["prob"], atol=2e-2)


def test_the_batch_does_not_change_what_is_predicted(trained: Path, tmp_path: Path) -> None:
    digit_files(tmp_path, 7)
    one, four = (list(predictor(trained, batch=size)([tmp_path])) for size in (1, 4))
    assert [p.source for p in one] == [p.source for p in four] == sorted(str(p) for p in tmp_path.glob("*.png"))
    for a, b in zip(one, four, strict=True):
        np.testing.assert_allclose(a.outputs["prob"], b.outputs["prob"], rtol=1e-5, atol=1e-7)


def test_bad_images_are_named_and_the_others_predicted(trained: Path, tmp_path: Path) -> None:
    (good,) = digit_files(tmp_path, 1)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(tmp_path / "b.npz", np.zeros((3, 5)))
    found = list(
        predictor(trained, batch=4)([tmp_path / "no.png", good, tmp_path / "empty.png", *tmp_path.glob("*.npz")])
    )
    problems = [p.problem.code.id if p.problem else "" for p in found]
    assert problems == ["DAT002", "", "DAT002", "DAT014", "DAT014"]
    assert "empty.png: it is empty" in str(found[2].problem)


def test_integers_in_an_archive_are_images(trained: Path, tmp_path: Path) -> None:
    pixels = np.round(split("test")[0][:2] * 255 / 16).astype(np.uint8)
    np.savez(tmp_path / "a.npz", pixels)
    digit_files(tmp_path, 2)
    found = list(predictor(trained)([tmp_path / "a.npz", tmp_path / "0.png", tmp_path / "1.png"]))
    np.testing.assert_array_equal(found[0].outputs["prob"], found[2].outputs["prob"])
    np.testing.assert_array_equal(found[1].outputs["prob"], found[3].outputs["prob"])


def test_parts_of_the_preprocessing_can_be_replaced(trained: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.full((1, 8, 8), 7, np.float32))
    made = predictor(trained, mean=str(tmp_path / "mean.npy"), scale=0.5, size=(9, 9))
    assert (made.preprocessing.scale, made.preprocessing.size) == (0.5, (9, 9))
    assert made.preprocessing.mean is not None
    assert made.preprocessing.mean.shape == (1, 8, 8)
    for bad in ("1,2", "x", str(tmp_path / "no.npy")):
        with pytest.raises(NetError) as caught:
            predictor(trained, mean=bad)
        assert caught.value.diagnostics[0].code.id == "RUN052"


def test_several_inputs_take_no_image(tmp_path: Path) -> None:
    (tmp_path / "two.prototxt").write_text("""
    layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param { num_output: 2 } }
    """)
    made = Predictor(load(tmp_path / "two.prototxt"), [])
    with pytest.raises(NetError) as caught:
        list(made(["x.png"]))
    assert caught.value.diagnostics[0].code.id == "RUN051"
    np.savez(tmp_path / "both.npz", a=np.zeros((2, 3, 4, 4)), b=np.zeros((2, 3, 4, 4)))
    assert [p.outputs["fc"].shape for p in made([tmp_path / "both.npz"])] == [(2,), (2,)]


def test_nets_without_inputs_make_samples(tmp_path: Path) -> None:
    """Three in a pass, drawn anew for each pass; what they are follows from the seed."""
    (tmp_path / "g.prototxt").write_text("""
    layer { name: "z" type: "DummyData" top: "z"
      dummy_data_param { shape { dim: 3 dim: 2 dim: 1 dim: 1 } data_filler { type: "gaussian" } } }
    layer { name: "up" type: "Deconvolution" bottom: "z" top: "up"
      convolution_param { num_output: 1 kernel_size: 4 weight_filler { type: "xavier" } } }
    layer { name: "image" type: "Sigmoid" bottom: "up" top: "image" }
    """)
    definition, weights = load(tmp_path / "g.prototxt"), [tmp_path / "w.caffemodel"]
    weights[0].write_bytes(dump_weights("g", weights_of(netc.Net(definition)).layers))
    made = list(Predictor(definition, weights).made(5))
    assert [p.source for p in made] == [f"sample_{n}" for n in range(1, 6)]
    assert {p.outputs["image"].shape for p in made} == {(1, 4, 4)}
    assert {p.kinds["image"].kind for p in made} == {"map"}
    images = np.stack([p.outputs["image"] for p in made])
    assert len(np.unique(images.reshape(5, -1), axis=0)) == 5
    again = np.stack([p.outputs["image"] for p in netc.predict(definition, weights=weights, count=5)])
    np.testing.assert_array_equal(images, again)
    other = next(Predictor(definition, weights, seed=1).made(1)).outputs["image"]
    assert abs(other - images[0]).max() > 1e-3
    with pytest.raises(NetError) as caught:
        list(Predictor(definition, weights)(["x.png"]))
    assert caught.value.diagnostics[0].code.id == "RUN057"


# ---------------------------------------------------------------- preprocessing


def test_the_model_carries_the_preprocessing_with_its_mean_image(tmp_path: Path) -> None:
    mean = np.arange(3 * 6 * 6, dtype=np.float32).reshape(3, 6, 6)
    with (tmp_path / "mean.binaryproto").open("wb") as file:
        write_blob(file, mean[None])
    for i in range(4):
        Image.fromarray(np.full((6, 6, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{tmp_path}/{i}.png {i % 2}\n" for i in range(4)))
    (tmp_path / "images.net").write_text(f"""
    layer {{
      name: "in" type: "ImageData" top: "data" top: "label"
      transform_param {{ crop_size: 4 mean_file: "{tmp_path}/mean.binaryproto" scale: 0.25 mirror: true }}
      image_data_param {{ source: "{tmp_path}/list.txt" batch_size: 2 }}
    }}
    layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 2 }} }}
    layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
    solver {{ base_lr: 0.001 max_iter: 1 snapshot_prefix: "{tmp_path}/images" }}
    """)
    solver = Solver(tmp_path / "images.net")
    solver.solve()
    model = tmp_path / "images_iter_1.caffemodel"
    (tmp_path / "mean.binaryproto").unlink()
    stored = of_model(model)["data"]
    assert (stored.channels, stored.size, stored.crop, stored.scale) == (3, (6, 6), 4, 0.25)
    np.testing.assert_array_equal(stored.mean, mean)
    made = Predictor(load(tmp_path / "images.net"), [model])
    (prediction,) = made([tmp_path / "2.png"])
    expected = (80 - mean[:, 1:5, 1:5]) * 0.25
    weight, bias = solver.net.params["fc"]
    np.testing.assert_allclose(made.net.inputs["data"][0], expected)
    scores = weight @ expected.reshape(-1) + bias
    np.testing.assert_allclose(prediction.outputs["prob"], np.exp(scores) / np.exp(scores).sum(), rtol=1e-4)


def test_images_that_are_cropped_are_resized_to_the_size_of_the_training_images(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 10), np.uint8)).save(tmp_path / "0.png")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/0.png 0\n")
    text = """
    layer {{
      name: "in" type: "ImageData" top: "data" top: "label" transform_param {{ crop_size: 4 }}
      image_data_param {{ source: "{0}/list.txt" batch_size: 1 is_color: false }}
    }}"""
    (tmp_path / "n.prototxt").write_text(text.format(tmp_path))
    layer = load(tmp_path / "n.prototxt").record.layer[0]
    found = of_layer(layer, (1, 1, 4, 4))
    assert found is not None
    assert (found.size, found.crop) == ((20, 10), 4)
    (tmp_path / "list.txt").unlink()
    gone = of_layer(layer, (1, 1, 4, 4))
    assert gone is not None
    assert gone.size is None


def test_resize_mean_crop_and_scale() -> None:
    image = np.full((10, 20, 3), 50, np.uint8)
    mean = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    found = Preprocessing(3, (8, 8), 4, mean, 2.0)(image, (3, 4, 4))
    np.testing.assert_array_equal(found[:, 0, 0], [98, 96, 94])
    assert found.shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("how", "shape"),
    [
        (Preprocessing(3), (64,)),
        (Preprocessing(3), (4, 8, 8)),
        (Preprocessing(3, (4, 4)), (3, 8, 8)),
        (Preprocessing(3, None, 0, np.zeros((3, 9, 9), np.float32)), (3, 8, 8)),
    ],
    ids=["no image", "channels", "too small", "mean"],
)
def test_an_image_that_does_not_fit(how: Preprocessing, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRecordError):
        how(np.zeros((8, 8, 3), np.uint8), shape)


def test_gray_inputs_read_colour_images_as_gray(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), (10, 10, 10), np.uint8)).save(data, "PNG")
    (tmp_path / "x.png").write_bytes(data.getvalue())
    values: Array = read(tmp_path / "x.png", Preprocessing(1), (1, 4, 4))
    np.testing.assert_array_equal(values, np.full((1, 4, 4), 10, np.float32))


def test_a_missing_mean_file_is_said(tmp_path: Path) -> None:
    text = 'layer { name: "d" type: "Data" top: "d" transform_param { mean_file: "no.binaryproto" } }'
    (tmp_path / "n.prototxt").write_text(text)
    with pytest.raises(NetError) as caught:
        of_layer(load(tmp_path / "n.prototxt").record.layer[0], (1, 3, 4, 4))
    assert caught.value.diagnostics[0].code.id == "DAT007"
