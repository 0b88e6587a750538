"""Parameters in FP16, as OpenCV's shrinkCaffeModel writes them; weights beside a net that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.convert import files
from netc.convert.model import Options
from netc.errors import NetError
from netc.schema.scan import encode_bytes, encode_key, scan
from netc.schema.weights import LayerWeights
from netc.schema.weights_write import dump_weights
from netc.solve import read_weights

GOLDEN = Path(__file__).parent.parent / "golden"
HALF, FULL = GOLDEN / "opencv" / "half.caffemodel", GOLDEN / "interop" / "sgd_fixed_iter_5.caffemodel"


def converted(source: Path, target: Path, *, half: bool = False) -> tuple[Path, tuple[str, ...]]:
    made = files.dump(files.read(source), target.suffix, Options(half=half))
    target.write_bytes(made.content)
    return target, made.notes


def test_bytes_are_those_that_opencv_writes(tmp_path: Path) -> None:
    """tests/golden/opencv/half.caffemodel is what cv2.dnn.shrinkCaffeModel (4.12) made of the other file."""
    assert converted(FULL, tmp_path / "half.caffemodel", half=True)[0].read_bytes() == HALF.read_bytes()


def test_files_of_opencv_give_opencvs_numbers(tmp_path: Path) -> None:
    golden = np.load(GOLDEN / "opencv" / "half.npz")
    for weights in (HALF, converted(HALF, tmp_path / "full.caffemodel")[0]):
        net = netc.Net(GOLDEN / "opencv" / "half.prototxt", weights=weights)
        net.set_input("data", golden["x"])
        net.forward()
        np.testing.assert_allclose(net.blobs["prob"], golden["prob"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending", [".caffemodel", ".h5", ".safetensors"])
def test_every_format_of_parameters_holds_half(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    path, _ = converted(FULL, tmp_path / f"half{ending}", half=True)
    again, _ = converted(path, tmp_path / "again.caffemodel")
    expected = {layer.name: layer.blobs for layer in read_weights(HALF).layers}
    for layer in read_weights(again).layers:
        for blob, half in zip(layer.blobs, expected[layer.name], strict=True):
            assert blob.dtype == np.float32  # without --half every Caffe reads the file
            np.testing.assert_array_equal(blob, half.astype(np.float32))


def test_only_convolutions_and_inner_products_are_halved(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    large = LayerWeights("bn", "BatchNorm", (np.full(2, 1e6, np.float32),) * 2 + (np.ones(1, np.float32),))
    path.write_bytes(dump_weights("n", [large, LayerWeights("ip", "InnerProduct", (np.ones((2, 2), np.float64),))]))
    found = read_weights(converted(path, tmp_path / "half.caffemodel", half=True)[0])
    assert [[b.dtype.name for b in layer.blobs] for layer in found.layers] == [["float32"] * 3, ["float16"]]


@pytest.mark.parametrize(
    ("value", "ending", "code"),
    [(65520.0, ".caffemodel", "CNV009"), (1.0, ".net", "CNV008"), (1.0, ".prototxt", "CNV008")],
)
def test_what_cannot_be_half(tmp_path: Path, value: float, ending: str, code: str) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(dump_weights("n", [LayerWeights("ip", "InnerProduct", (np.array([value, np.inf], np.float32),))]))
    with pytest.raises(NetError) as caught:
        files.dump(files.read(path), ending, Options(half=True))
    assert [d.code.id for d in caught.value.diagnostics] == [code]


def with_fields(data: bytes, extra: bytes) -> bytes:
    """A weight file with more fields in each layer."""
    return b"".join(
        encode_bytes(number, data[first:last] + (extra if number == 100 else b""))
        for number, _, first, last in scan(data)
    )


def test_fields_of_nvcaffe_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "nv.caffemodel"
    types = b"".join(encode_key(tag, 0) + b"\x02" for tag in range(145, 149))
    path.write_bytes(with_fields(FULL.read_bytes(), types))
    made, notes = converted(path, tmp_path / "plain.caffemodel")
    assert made.read_bytes() == FULL.read_bytes()
    assert not notes


def test_weights_need_no_valid_net(tmp_path: Path) -> None:
    """Field 106 is convolution_param: here it is cut, so the net cannot be read; the parameters can."""
    path = tmp_path / "odd.caffemodel"
    path.write_bytes(with_fields(FULL.read_bytes(), encode_bytes(106, b"\x08")))
    expected = [(w.name, w.type, [b.tolist() for b in w.blobs]) for w in read_weights(FULL).layers]
    made, notes = converted(path, tmp_path / "plain.caffemodel")
    assert [(w.name, w.type, [b.tolist() for b in w.blobs]) for w in read_weights(made).layers] == expected
    assert len(notes) == 1
    assert notes[0].startswith("left out: the net, as ")
    with pytest.raises(NetError) as caught:
        files.dump(files.read(path), ".prototxt")
    assert [d.code.id for d in caught.value.diagnostics] == ["SNP001"]
