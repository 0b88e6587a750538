# ruff: noqa: C408, N812 - written as pycaffe's users write: L, P, dict(...)
"""pycaffe's NetSpec, layers, params, to_proto; and coord_map and draw, which work on what they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from netc import caffe
from netc.caffe import coord_map, draw
from netc.caffe import layers as L
from netc.caffe import params as P
from netc.caffe.net_spec import assign_proto, param_name_dict
from netc.caffe.proto import caffe_pb2

File = Callable[..., str]


def lenet(batch: int) -> Any:
    n = caffe.NetSpec()
    shapes = [dict(dim=[batch, 1, 28, 28]), dict(dim=[batch, 1, 1, 1])]
    n.data, n.label = L.DummyData(shape=shapes, transform_param=dict(scale=1.0 / 255), ntop=2)
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=50, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.to_proto()


def anonymous(batch: int) -> Any:
    data, label = L.DummyData(shape=[dict(dim=[batch, 1, 8, 8]), dict(dim=[batch, 1, 1, 1])], ntop=2)
    conv = L.Convolution(data, kernel_size=5, num_output=2)
    ip = L.InnerProduct(L.ReLU(conv, in_place=True), num_output=10)
    ip = L.InnerProduct(ip, num_output=10)
    return L.SoftmaxWithLoss(ip, label).to_proto()


def load(file: File, proto: Any) -> caffe.Net:
    return caffe.Net(file(str(proto)), caffe.TEST)


def test_lenet(file: File) -> None:
    proto = lenet(5)
    assert [layer.name for layer in proto.layer] == ["data", "conv1", "pool1", "ip1", "relu1", "ip2", "loss"]
    assert list(proto.layer[0].top) == ["data", "label"]
    assert list(proto.layer[4].bottom) == list(proto.layer[4].top) == ["ip1"]
    assert list(proto.layer[5].bottom) == ["ip1"]
    assert proto.layer[0].transform_param.scale == pytest.approx(1 / 255)
    assert proto.layer[1].convolution_param.weight_filler.type == "xavier"
    assert list(proto.layer[1].convolution_param.kernel_size) == [5]
    net = load(file, proto)
    assert len(net.layers) == 7
    assert net.forward()["loss"] == pytest.approx(np.log(10), rel=0.3)


def test_automatic_names(file: File) -> None:
    proto = anonymous(2)
    names = ["DummyData1", "Convolution1", "ReLU1", "InnerProduct1", "InnerProduct2", "SoftmaxWithLoss1"]
    assert [layer.name for layer in proto.layer] == names
    assert list(proto.layer[0].top) == ["DummyData1", "DummyData2"]
    assert list(proto.layer[2].top) == ["Convolution1"]
    assert len(load(file, proto).layers) == 6


def test_layers_without_tops(file: File) -> None:
    n = caffe.NetSpec()
    n.data, n.data2 = L.DummyData(shape=dict(dim=3), ntop=2)
    n.silence = L.Silence(n.data, ntop=0)
    n.silence2 = L.Silence(n.data2, ntop=0)
    proto = n.to_proto()
    assert [(layer.name, list(layer.top)) for layer in proto.layer[1:]] == [("silence", []), ("silence2", [])]
    assert load(file, proto).forward() == {}


def test_an_input_must_be_a_top() -> None:
    data = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(data, ntop=0)
    assert L.Silence(*data, ntop=0).type_name == "Silence"


def test_fields_of_the_layer_itself() -> None:
    n = caffe.NetSpec()
    n["data"] = L.Input(shape=dict(dim=[1, 3]), include=dict(phase=caffe.TEST))
    fixed = [dict(lr_mult=0, decay_mult=0), dict(lr_mult=2)]
    n["ip"] = L.InnerProduct(n["data"], num_output=2, param=fixed, name="fc", loss_weight=3, bias_term=False)
    n.py = L.Python(n.ip, module="m", layer="C", param_str="{'a': 1}")
    n.up = L.Deconvolution(n.data, convolution_param=dict(num_output=2, kernel_size=4, stride=2))
    n.up2 = L.Deconvolution(n.data, num_output=2, kernel_size=[4, 3])
    data, ip, py, up, up2 = n.to_proto().layer
    assert [rule.phase for rule in data.include] == [caffe_pb2.TEST]
    assert ([spec.lr_mult for spec in ip.param], ip.name, list(ip.loss_weight)) == ([0, 2], "fc", [3])
    assert list(ip.top) == ["ip"]
    assert not ip.inner_product_param.bias_term
    assert (py.python_param.module, py.python_param.param_str) == ("m", "{'a': 1}")
    assert list(up.convolution_param.kernel_size) == [4]
    assert list(up2.convolution_param.kernel_size) == [4, 3]
    with pytest.raises(AttributeError, match="has no field num_outputs"):
        L.InnerProduct(n.ip, num_outputs=2).to_proto()


def test_a_spec_is_a_mapping() -> None:
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3]))
    n.a, n.b = L.ReLU(n.data), L.TanH(n.data)
    n.update("a", {"negative_slope": 0.5})
    assert n.keys() == ["data", "a", "b"]
    assert n.vals() == [n.data, n.a, n.b]
    del n.b
    del n["data"]
    assert [layer.name for layer in n.to_proto().layer] == ["Input1", "a"]
    assert n.to_proto().layer[1].relu_param.negative_slope == 0.5
    with pytest.raises(KeyError):
        _ = n.c


def test_to_proto_of_several_tops() -> None:
    data = L.Input(shape=dict(dim=[1, 3]))
    proto = caffe.to_proto(L.ReLU(data), L.ReLU(data))
    assert [layer.name for layer in proto.layer] == ["Input1", "ReLU1", "ReLU2"]


def test_values_of_enums() -> None:
    assert (P.Pooling.MAX, P.Pooling.AVE) == (0, 1)
    assert P.Data.LMDB == caffe_pb2.DataParameter.LMDB == 1
    assert P.Eltwise.SUM == 1
    assert param_name_dict()["Convolution"] == "convolution"
    assert param_name_dict()["ReLU"] == "relu"


def test_assign_proto() -> None:
    layer = caffe_pb2.LayerParameter()
    assign_proto(layer, "bottom", "x")
    assign_proto(layer, "blobs", [caffe_pb2.BlobProto(data=[1])])
    assign_proto(layer, "pooling_param", caffe_pb2.PoolingParameter(stride=3))
    assign_proto(layer, "lrn_param", {})
    assign_proto(layer, "top", [])
    assert (list(layer.bottom), layer.blobs[0].data[0], layer.pooling_param.stride) == (["x"], 1, 3)
    assert layer.HasField("lrn_param")


# ---------------------------------------------------------------- coordinates


def spec(ks: Any = 3, stride: Any = 1, pad: Any = 0, pool: Any = 2, dstride: Any = 2, dpad: Any = 0) -> caffe.NetSpec:
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 1, 100, 100]))
    n.aux = L.Input(shape=dict(dim=[2, 1, 20, 20]))
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=ks, stride=stride, pad=pad)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    kernel = [2 * s for s in dstride] if isinstance(dstride, list) else 2 * dstride
    n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=kernel, stride=dstride, pad=dpad)
    return n


def related(n: caffe.NetSpec, name: str = "deconv", to: str = "data") -> tuple[Any, Any, Any]:
    return coord_map.coord_map_from_to(n[name], n[to])


def test_maps_of_convolution_pooling_deconvolution() -> None:
    assert related(spec()) == (1, 1, 0)
    assert related(spec(pool=4, dstride=4)) == (1, 1, -1)
    assert related(spec(pad=3))[2] == -3
    assert related(spec(dpad=3))[2] == 3
    assert related(spec(pad=3, dpad=3))[2] == 0


def test_layers_that_pass_coordinates_through() -> None:
    n = spec()
    n.relu = L.ReLU(n.deconv)
    n.conv1x1 = L.Convolution(n.relu, num_output=10, kernel_size=1, stride=1, pad=0)
    assert related(n, "relu") == related(n, "conv1x1") == related(n)


def test_several_tops_map_alike() -> None:
    n = spec()
    n.one, n.two = L.Convolution(n.data, n.aux, ntop=2, num_output=10, kernel_size=5, stride=2, pad=0)
    assert related(n, "one") == related(n, "two", "aux")


def test_each_axis_has_its_own_map() -> None:
    _, scale3, shift3 = related(spec(ks=3, stride=1, pad=0))
    _, scale5, shift5 = related(spec(ks=5, stride=2, pad=10))
    _, scale, shift = related(spec(ks=[3, 5], stride=[1, 2], pad=[0, 10]))
    assert scale.tolist() == [scale3, scale5]
    assert shift.tolist() == [shift3, shift5]


def test_crops() -> None:
    n = spec()
    n.crop = L.Crop(n.deconv, n.data, axis=2, offset=7)
    axis, _, shift = related(n)
    assert related(n, "crop") == (axis, 1, shift + 7)
    assert coord_map.crop(n.deconv, n.data).fn.params == {"crop_param": {"axis": 2, "offset": [0]}}
    n = spec(pool=4, dstride=4)
    assert coord_map.crop(n.deconv, n.data).fn.params == {"crop_param": {"axis": 2, "offset": [1]}}


def test_crops_that_cannot_be() -> None:
    for bad, complaint in (
        (spec(pool=3, dstride=2), "scales differ"),
        (spec(dpad=10), "negative width"),
        (spec(ks=4), "a part of a cell|negative"),
    ):
        with pytest.raises(AssertionError, match=complaint):
            coord_map.crop(bad.deconv, bad.data)
    n = spec()
    n.ip = L.InnerProduct(n.deconv, num_output=10)
    with pytest.raises(RuntimeError, match="not connected"):
        related(n, "ip")
    n.old = L.Convolution(n.data, num_output=1, kernel_h=3, kernel_w=1)
    with pytest.raises(AssertionError, match="kernel_h, kernel_w"):
        related(n, "old")
    with pytest.raises(coord_map.AxisMismatchException):
        coord_map.compose((1, 1, 0), (2, 1, 0))


# ---------------------------------------------------------------- drawings


@pytest.mark.parametrize("rankdir", ["LR", "TB", "BT"])
def test_draw_net(rankdir: str) -> None:
    proto = lenet(5)
    assert draw.draw_net(proto, rankdir)[:8] == b"\x89PNG\r\n\x1a\n"
    text = draw.get_pydot_graph(proto, rankdir).source
    assert "kernel size: 5" in text
    assert "MAX" in text


def test_draw_net_to_file(tmp_path: Path) -> None:
    net = caffe_pb2.NetParameter()
    text_format.Merge(
        """layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } data_param { batch_size: 8 } }
        layer { name: "input" type: "Input" top: "data" exclude { phase: TRAIN } }
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 }
          param { lr_mult: 2 } }""",
        net,
    )
    draw.draw_net_to_file(net, tmp_path / "net.dot", "TB", phase=caffe.TRAIN, display_lrm=True)
    text = (tmp_path / "net.dot").read_text()
    assert "Batch 8" in text
    assert "lr mult: 2.0" in text
    assert "input_Input" not in text
    draw.draw_net_to_file(net, str(tmp_path / "net.svg"))
    assert "input" in (tmp_path / "net.svg").read_text()
