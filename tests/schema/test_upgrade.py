"""Old forms become today's form, as Caffe's own upgrade makes them, and spans stay."""

from __future__ import annotations

from netc.schema.bvlc.legacy import V1_TYPES
from netc.schema.registry import base_schema
from netc.schema.text import to_text
from netc.schema.upgrade_v0 import V0_TYPES
from tests.schema.common import covered, found, net, solver

V1 = """
name: "v1"
layers {
  name: "data" type: DATA top: "data" top: "label"
  data_param { source: "db" batch_size: 8 crop_size: 24 mirror: true mean_file: "m" scale: 0.5 backend: LMDB }
  include { phase: TRAIN }
}
layers {
  name: "conv" type: CONVOLUTION bottom: "data" top: "conv" param: "w" param: "b" blobs_lr: 1 blobs_lr: 2
  weight_decay: 1 weight_decay: 0 blob_share_mode: PERMISSIVE convolution_param { num_output: 4 kernel_size: 3 }
}
layers { name: "loss" type: SOFTMAX_LOSS bottom: "conv" bottom: "label" loss_weight: 2 exclude { stage: "x" } }
"""

V1_TODAY = """name: "v1"
layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  include {
    phase: TRAIN
  }
  data_param {
    source: "db"
    batch_size: 8
    backend: LMDB
  }
  transform_param {
    scale: 0.5
    mean_file: "m"
    crop_size: 24
    mirror: true
  }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param {
    num_output: 4
    kernel_size: 3
  }
  param {
    name: "w"
    share_mode: PERMISSIVE
    lr_mult: 1
    decay_mult: 1
  }
  param {
    name: "b"
    lr_mult: 2
    decay_mult: 0
  }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "conv"
  bottom: "label"
  exclude {
    stage: "x"
  }
  loss_weight: 2
}
"""


def test_v1() -> None:
    record, report = net(V1)
    assert not report.diagnostics
    assert to_text(record) == V1_TODAY
    conv = record.layer[1]
    assert covered(conv.span_of("type")) == "CONVOLUTION"
    assert covered(conv.span_of("bottom", 0)) == '"data"'
    assert covered(conv.param[1].span_of("lr_mult")) == "2"
    assert covered(record.layer[0].transform_param.span_of("crop_size")) == "24"
    assert covered(record.span_of("layer", 2)) == "layers"
    assert covered(conv.span).startswith("layers {")


V0 = """
name: "v0"
input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9
layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers {
  layer {
    name: "conv" type: "conv" num_output: 4 kernelsize: 3 stride: 2 biasterm: false
    weight_filler { type: "xavier" } blobs_lr: 1. weight_decay: 0
  }
  bottom: "padded" top: "conv"
}
layers { layer { name: "norm" type: "lrn" local_size: 3 alpha: 0.1 k: 2 } bottom: "conv" top: "norm" }
layers { layer { name: "ip" type: "innerproduct" num_output: 5 det_fg_fraction: 0.5 } bottom: "norm" top: "ip" }
"""

V0_TODAY = """name: "v0"
layer {
  name: "input"
  type: "Input"
  top: "data"
  input_param {
    shape {
      dim: 1
      dim: 3
      dim: 9
      dim: 9
    }
  }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param {
    num_output: 4
    kernel_size: 3
    stride: 2
    bias_term: false
    weight_filler {
      type: "xavier"
    }
    pad: 2
  }
  param {
    lr_mult: 1
    decay_mult: 0
  }
}
layer {
  name: "norm"
  type: "LRN"
  bottom: "conv"
  top: "norm"
  lrn_param {
    local_size: 3
    alpha: 0.1
    k: 2
  }
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "norm"
  top: "ip"
  inner_product_param {
    num_output: 5
  }
}
"""


def test_v0() -> None:
    record, report = net(V0)
    assert found(report) == [("SCH021", "0.5")]
    assert not report.failed
    assert to_text(record) == V0_TODAY
    conv = record.layer[1]
    assert covered(conv.convolution_param.span_of("kernel_size", 0)) == "3"
    assert covered(conv.convolution_param.span_of("pad", 0)) == "2"
    assert covered(conv.span_of("name")) == '"conv"'
    assert covered(record.span_of("layer", 0)) == '"data"'


def test_v0_mistakes() -> None:
    _, report = net('layers { layer { name: "a" type: "convolution" } bottom: "x" top: "y" }')
    assert found(report) == [("SCH021", '"convolution"')]
    _, report = net(
        'layers { layer { type: "padding" pad: 1 } bottom: "x" top: "p" } layers { layer { type: "relu" } bottom: "p" }'
    )
    assert found(report) == [("SCH021", '"p"')]
    _, report = net(
        'layers { layer { type: "padding" pad: 1 } bottom: "x" bottom: "y" top: "p" } '
        'layers { layer { type: "conv" } bottom: "p" }'
    )
    assert [d.code.id for d in report.diagnostics] == ["SCH021"]


def test_every_old_type_has_a_name_today() -> None:
    assert set(V0_TYPES.values()) <= set(V1_TYPES)
    assert V1_TYPES.keys() == base_schema().enum("V1LayerParameter.LayerType").values.keys()


def test_input_shape() -> None:
    record, report = net(
        'input: "a" input: "b" input_shape { dim: 2 dim: 3 } input_shape { dim: 4 } layer { name: "l" }'
    )
    assert not report.diagnostics
    layer = record.layer[0]
    assert (layer.name, layer.type, layer.top) == ("input", "Input", ("a", "b"))
    assert [shape.dim for shape in layer.input_param.shape] == [(2, 3), (4,)]
    assert record.layer[1].name == "l"
    assert covered(record.span_of("layer", 1)) == "layer"
    assert not record.has("input")
    assert not record.has("input_shape")


def test_inputs_without_shape() -> None:
    _, report = net('input: "data"')
    assert found(report) == [("SCH022", '"data"')]
    _, report = net('input: "data" input_dim: 1 input_dim: 3 input_dim: 9')
    assert found(report) == [("SCH022", "9")]
    _, report = net('input: "a" input: "b" input_shape { dim: 1 }')
    assert found(report) == [("SCH022", '"b"')]


def test_mixed_layers() -> None:
    _, report = net('layer { name: "a" type: "Input" } layers { name: "b" type: RELU } layers { name: "c" type: RELU }')
    assert found(report) == [("SCH020", "layer")]
    assert 'layer { type: "ReLU" ... }' in str(report.diagnostics[0].help)


def test_batch_norm_parameters_are_not_learned() -> None:
    text = 'layer { type: "BatchNorm" param { lr_mult: 1 name: "m" } param { } param { lr_mult: 3 } }'
    record, _ = net(text)
    assert [(p.lr_mult, p.decay_mult, p.name) for p in record.layer[0].param] == [(0, 0, "m"), (0, 0, ""), (0, 0, "")]
    record, _ = net('layer { type: "BatchNorm" param { lr_mult: 1 } }')
    assert record.layer[0].param[0].lr_mult == 1


def test_solver_type() -> None:
    record, report = solver("solver_type: ADAGRAD base_lr: 0.1")
    assert not report.diagnostics
    assert record.type == "AdaGrad"
    assert not record.has("solver_type")
    assert covered(record.span_of("type")) == "ADAGRAD"
    _, report = solver("type: 'Adam' solver_type: SGD")
    assert found(report) == [("SCH023", "SGD")]


def test_nets_inside_solvers_and_solvers_inside_nets() -> None:
    record, _ = solver('net_param { layers { type: RELU } } test_net_param { input: "x" input_shape { dim: 1 } }')
    assert record.net_param.layer[0].type == "ReLU"
    assert record.test_net_param[0].layer[0].type == "Input"
    record, _ = net("solver { solver_type: ADAM base_lr: 0.1 }")
    assert (record.solver.type, record.solver.base_lr) == ("Adam", 0.1)


def test_fork_fields() -> None:
    record, report = net(
        "layer { convolution_param { hole: 2 } } layer { convolution_param { hole_h: 3 } }"
        "layer { memory_data_param { dim: [2, 3, 4, 5] } } layer { memory_data_param { dim: [2, 3] } }"
        "layer { pooling_param { ceil_mode: true round_mode: FLOOR } }"
    )
    assert not report.failed
    assert [record.layer[i].convolution_param.dilation for i in (0, 1)] == [(2,), (3, 1)]
    data = record.layer[2].memory_data_param
    assert (data.batch_size, data.channels, data.height, data.width, data.dim) == (2, 3, 4, 5, ())
    assert record.layer[3].memory_data_param.dim == (2, 3)
    assert record.layer[4].pooling_param.round_mode == "FLOOR"


def test_todays_form_stays() -> None:
    text = 'name: "n"\nlayer {\n  name: "a"\n  type: "ReLU"\n}\n'
    record, report = net(text)
    assert not report.diagnostics
    assert to_text(record) == text
