"""`netc deploy`, `netc predict` and `netc gradcheck` as a person types them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import caffe
from netc.data.digits import split
from tests.cli.conftest import COMMAND, SMALL, Run, environment


@pytest.fixture
def digits(tmp_path: Path) -> list[str]:
    """Five digits as image files in a folder."""
    images, labels = split("test")
    (tmp_path / "photos").mkdir()
    names = [f"photos/{i}_is_{int(labels[i])}.png" for i in range(5)]
    for name, image in zip(names, images, strict=False):
        Image.fromarray(np.round(image[0] * 255 / 16).astype(np.uint8)).save(tmp_path / name)
    return names


def test_from_training_to_predictions(run: Run, small: Path, tmp_path: Path, digits: list[str]) -> None:
    run("train", small)
    made = run("deploy", small, "-o", "deploy.prototxt")
    assert "inputs: data; outputs: prob" in made.err
    assert (tmp_path / "deploy.prototxt").read_text().startswith("# Derived by `netc deploy` from small.net.\n")
    (tmp_path / "names.txt").write_text("\n".join([f"digit {i}" for i in range(10)]))
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG")
    weights = ("--weights", "small_iter_40.caffemodel")
    done = run("predict", "deploy.prototxt", *weights, "photos", "--json", "--labels", "names.txt", "-o", "all.npz")
    assert done.code == 1
    assert "error[DAT002]: photos/broken.png" in done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [line["path"] for line in found] == digits
    best = [line["outputs"]["prob"][0] for line in found]
    assert sum(f"is_{b['class']}." in name for b, name in zip(best, digits, strict=True)) >= 4
    assert best[0]["label"] == "digit 2"
    assert np.load(tmp_path / "all.npz")["prob"].shape == (5, 10)
    piped = subprocess.run(
        [*COMMAND, "predict", "small.net", *weights, "-", "--top", "1"],
        input="\n".join(digits),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = piped.stdout.splitlines()
    assert lines[::2] == digits
    assert lines[1].split() == [f"{best[0]['score']:.4f}", str(best[0]["class"])]
    (tmp_path / "names.txt").write_text("zero\n")
    assert "error[CLI010]" in run("predict", "small.net", *weights, digits[0], "--labels", "names.txt").err


def test_gradcheck_prints_a_table(run: Run, small: Path) -> None:
    done = run("gradcheck", small, "--values", "3")
    assert done.code == 0
    assert "ip/weights" in done.out
    assert "2 of 2 blobs within 0.0001" in done.err
    small.write_text(SMALL.replace('top: "ip"\n', 'top: "ip" param { lr_mult: 0 } param { lr_mult: 0 }\n'))
    assert "error[RUN054]" in run("gradcheck", small).err


def test_features_of_blobs_inside_the_net(run: Run, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra data is not installed")
    (tmp_path / "net.prototxt").write_text("""
    layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [1, 3] } } }
    layer { name: "double" type: "Power" bottom: "data" top: "fc7" power_param { scale: 2 } }
    layer { name: "relu" type: "ReLU" bottom: "fc7" top: "fc7" }
    layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 2 } }
    """)
    caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST).save(str(tmp_path / "zero.caffemodel"))
    values = np.arange(15, dtype=np.float32).reshape(5, 3) - 4
    np.savez(tmp_path / "a.npz", values)
    call = ("predict", "net.prototxt", "--weights", "zero.caffemodel", "a.npz", "--batch", "2", "--blobs")
    done = run(*call, "fc7,data", "-o", "features.h5")
    assert done.code == 0, done.err
    with h5py.File(tmp_path / "features.h5") as file:
        np.testing.assert_array_equal(file["fc7"][...], np.maximum(2 * values, 0))
        np.testing.assert_array_equal(file["data"][...], values)
        assert [path.decode() for path in file["paths"][...]] == [f"a.npz[{i}]" for i in range(5)]
        assert sorted(file) == ["data", "fc7", "paths"]
    wrong = run(*call, "fc6", "-o", "other.h5")
    assert (wrong.code, (tmp_path / "other.h5").exists()) == (1, False)
    assert 'no blob "fc6"' in wrong.err
    assert 'did you mean "fc7"' in wrong.err or 'did you mean "fc8"' in wrong.err
