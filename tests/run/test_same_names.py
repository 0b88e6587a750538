"""Two layers of one name: parameters belong to layers, names are labels; loading by name is Caffe's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc import caffe
from netc.convert import files
from netc.errors import NetError
from netc.run import load_weights, weights_of
from netc.run.weights import load_own
from netc.schema.names import Keys, paired
from netc.schema.weights import LayerWeights, Weights
from netc.schema.weights_write import dump_weights
from netc.solve import read_weights
from tests.run.common import make

CONV = "convolution_param { num_output: 1 kernel_size: 1 bias_term: false weight_filler { type: 'xavier' } }"
NET = f"""
layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 1 dim: 1 dim: 1 }} }} }}
layer {{ name: "c" type: "Convolution" bottom: "x" top: "y" {CONV} }}
layer {{ name: "c" type: "Convolution" bottom: "y" top: "z" {CONV} }}
"""


def filled(first: float = 10, second: float = 20) -> netc.run.Net:
    net = make(NET, "TEST", training=True)
    for layer, value in ((1, first), (2, second)):
        net.parameters.of_layer(layer)[0].data[...] = value
    return net


def values(net: netc.run.Net) -> list[float]:
    return [float(net.parameters.of_layer(layer)[0].data.reshape(-1)[0]) for layer in (1, 2)]


def stored(*numbers: float) -> Weights:
    return Weights(
        "", tuple(LayerWeights("c", "Convolution", (np.full((1, 1, 1, 1), n, np.float32),)) for n in numbers)
    )


def codes(error: pytest.ExceptionInfo[NetError]) -> list[str]:
    return [d.code.id for d in error.value.diagnostics]


def test_keys_are_unique_and_the_first_is_the_name() -> None:
    keys = Keys(["c", "c", "c#2", "c", "c#2"])
    assert [keys.key(name) for name in ("c", "c", "c#2", "c", "c#2")] == ["c", "c#3", "c#2", "c#4", "c#2#2"]


def test_which_layer_belongs_to_which() -> None:
    assert paired(["a", "c", "c"], ["c", "c", "b"]) == {1: 0, 2: 1}
    assert paired(["c", "c"], ["c"]) == {0: 0}
    assert paired(["c"], ["c", "c"]) == {0: 1}
    assert paired(["c", "c"], ["c"] * 3) == {0: 2}


def test_both_are_there_and_both_are_written() -> None:
    net = filled()
    assert [float(net.params[key][0].reshape(-1)[0]) for key in ("c", "c#2")] == [10, 20]
    assert [p.param.name for p in net.parameters.all] == ["c/weights", "c#2/weights"]
    found = [(w.name, w.blobs[0].item()) for w in weights_of(net).layers if w.blobs]
    assert found == [("c", 10), ("c", 20)]


def test_fillers_draw_other_numbers_for_each() -> None:
    first, second = values(make(NET, "TEST"))
    assert first != second


def test_loading_is_caffes() -> None:
    """Net::CopyTrainedLayersFrom: each layer of the file, in order, goes to the net's first layer of its name."""
    net = filled(1, 2)
    found = load_weights(net, stored(10, 20), source="w")
    assert values(net) == [20, 2]
    assert (found.loaded, found.fresh) == (("c",), ("c#2",))
    assert [d.code.id for d in found.warnings] == ["SNP014"]
    assert "the net has 2 layers with parameters of that name, w 2" in found.warnings[0].message
    assert not load_weights(make(NET.replace('"c" type', '"d" type', 1), "TEST"), stored(5)).warnings


def test_a_file_of_the_nets_own_keeps_both() -> None:
    net = filled(1, 2)
    load_own(net, stored(10, 20), "w")
    assert values(net) == [10, 20]
    load_own(net, stored(30), "w")  # another file: by name
    assert values(net) == [30, 20]


def test_a_test_net_has_both_of_the_train_nets() -> None:
    train = filled()
    assert values(make(NET, "TEST", params=train)) == [10, 20]
    one = make(NET.rpartition("layer")[0], "TEST", params=train)  # Caffe: the last goes to the first
    assert float(one.params["c"][0].reshape(-1)[0]) == 20


def test_resuming_keeps_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "z" bottom: "x" top: "l" }'
    Path("net.prototxt").write_text(NET.replace("Input", "DummyData").replace("input_param", "dummy_data_param") + loss)
    Path("s.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 snapshot_prefix: "s"'
    )
    solver = netc.Solver("s.prototxt")
    solver.step(2)
    solver.snapshot()
    again = netc.Solver("s.prototxt", lock=False)
    again.restore("s_iter_2.solverstate")
    assert [p.data.tobytes() for p in again.net.parameters.all] == [p.data.tobytes() for p in solver.net.parameters.all]


def convert(tmp_path: Path, ending: str) -> bytes:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "w.caffemodel").write_bytes(dump_weights("", stored(10, 20).layers))
    model = files.with_weights(files.read(tmp_path / "net.prototxt"), [tmp_path / "w.caffemodel"])
    return files.dump(model, ending).content


def test_a_caffemodel_holds_both(tmp_path: Path) -> None:
    (tmp_path / "both.caffemodel").write_bytes(convert(tmp_path, ".caffemodel"))
    weights = read_weights(tmp_path / "both.caffemodel")
    assert [w.blobs[0].item() for w in weights.layers if w.blobs] == [10, 20]
    model = files.read(tmp_path / "both.caffemodel")
    assert model.definition is not None
    assert [layer.bottom for layer in model.definition.record.layer if layer.name == "c"] == [("x",), ("y",)]


@pytest.mark.parametrize(("ending", "code"), [(".h5", "SNP028"), (".safetensors", "CNV007")])
def test_formats_that_cannot_hold_both_say_so(tmp_path: Path, ending: str, code: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    with pytest.raises(NetError) as caught:
        convert(tmp_path, ending)
    assert codes(caught) == [code]


def test_onnx_has_an_array_for_each() -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from netc.convert.onnx import export  # noqa: PLC0415 - needs the extra
    from netc.convert.predicting import Predicting  # noqa: PLC0415

    arrays = {
        a.name: onnx.numpy_helper.to_array(a).item()
        for a in export(Predicting.of(filled())).message().graph.initializer
    }
    assert arrays == {"c/weights": 10, "c#2/weights": 20}


def test_pycaffe_sees_both(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    net = caffe.Net(str(path), caffe.TEST)
    layers = [layer for layer in net.layers if layer.type == "Convolution"]
    for layer, value in zip(layers, (10, 20), strict=True):
        layer.blobs[0].data[...] = value
    net.save(str(tmp_path / "w.caffemodel"))
    assert [w.blobs[0].item() for w in read_weights(tmp_path / "w.caffemodel").layers if w.blobs] == [10, 20]
    net.blobs["x"].data[...] = 1
    assert net.forward()["z"].item() == 200
    assert [net._top_ids(i) for i in (1, 2)] == [[1], [2]]
    assert net.params["c"][0].data.item() == 20  # as in pycaffe: the last of a name
