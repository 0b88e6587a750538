"""CaffeNet and GoogLeNet as BVLC published them, written by a few functions: training nets with an Input for data."""

from __future__ import annotations


def _data(batch: int, size: int) -> str:
    shapes = f"shape {{ dim: {batch} dim: 3 dim: {size} dim: {size} }} shape {{ dim: {batch} }}"
    return f'layer {{ name: "data" type: "Input" top: "data" top: "label" input_param {{ {shapes} }} }}\n'


def _layer(kind: str, name: str, bottoms: list[str], top: str, fields: str = "") -> str:
    read = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top}" {fields} }}\n'


def _conv(bottom: str, top: str, outputs: int, kernel: int, stride: int = 1, pad: int = 0, group: int = 1) -> str:
    fields = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} group: {group}"
    text = _layer("Convolution", top, [bottom], top, f"convolution_param {{ {fields} }}")
    return text + _layer("ReLU", f"{top}/relu", [top], top)


def _pool(bottom: str, top: str, kernel: int, stride: int, pad: int = 0, method: str = "MAX") -> str:
    fields = f"pooling_param {{ pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad} }}"
    return _layer("Pooling", top, [bottom], top, fields)


def _norm(bottom: str, top: str) -> str:
    return _layer("LRN", top, [bottom], top, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")


def _ip(bottom: str, top: str, outputs: int) -> str:
    return _layer("InnerProduct", top, [bottom], top, f"inner_product_param {{ num_output: {outputs} }}")


def _drop(blob: str, ratio: float) -> str:
    return _layer("Dropout", f"{blob}/drop", [blob], blob, f"dropout_param {{ dropout_ratio: {ratio} }}")


def _loss(bottom: str, top: str, weight: float = 1.0) -> str:
    return _layer("SoftmaxWithLoss", top, [bottom, "label"], top, f"loss_weight: {weight}")


def caffenet(batch: int = 32) -> str:
    text = _data(batch, 227) + _conv("data", "conv1", 96, 11, 4) + _pool("conv1", "pool1", 3, 2)
    text += _norm("pool1", "norm1") + _conv("norm1", "conv2", 256, 5, 1, 2, 2) + _pool("conv2", "pool2", 3, 2)
    text += _norm("pool2", "norm2") + _conv("norm2", "conv3", 384, 3, 1, 1)
    text += _conv("conv3", "conv4", 384, 3, 1, 1, 2) + _conv("conv4", "conv5", 256, 3, 1, 1, 2)
    text += _pool("conv5", "pool5", 3, 2)
    for bottom, top in (("pool5", "fc6"), ("fc6", "fc7")):
        text += _ip(bottom, top, 4096) + _layer("ReLU", f"{top}/relu", [top], top) + _drop(top, 0.5)
    return text + _ip("fc7", "fc8", 1000) + _loss("fc8", "loss")


INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def _inception(bottom: str, name: str) -> str:
    one, three_reduce, three, five_reduce, five, project = INCEPTION[name]
    text = _conv(bottom, f"{name}/1x1", one, 1)
    text += _conv(bottom, f"{name}/3x3_reduce", three_reduce, 1) + _conv(
        f"{name}/3x3_reduce", f"{name}/3x3", three, 3, 1, 1
    )
    text += _conv(bottom, f"{name}/5x5_reduce", five_reduce, 1) + _conv(
        f"{name}/5x5_reduce", f"{name}/5x5", five, 5, 1, 2
    )
    text += _pool(bottom, f"{name}/pool", 3, 1, 1) + _conv(f"{name}/pool", f"{name}/pool_proj", project, 1)
    parts = [f"{name}/{part}" for part in ("1x1", "3x3", "5x5", "pool_proj")]
    return text + _layer("Concat", f"{name}/output", parts, f"{name}/output")


def _side(bottom: str, name: str) -> str:
    text = _pool(bottom, f"{name}/pool", 5, 3, 0, "AVE") + _conv(f"{name}/pool", f"{name}/conv", 128, 1)
    text += _ip(f"{name}/conv", f"{name}/fc", 1024) + _layer("ReLU", f"{name}/fc/relu", [f"{name}/fc"], f"{name}/fc")
    return (
        text
        + _drop(f"{name}/fc", 0.7)
        + _ip(f"{name}/fc", f"{name}/out", 1000)
        + _loss(f"{name}/out", f"{name}/l", 0.3)
    )


def googlenet(batch: int = 16) -> str:
    text = _data(batch, 224) + _conv("data", "conv1", 64, 7, 2, 3) + _pool("conv1", "pool1", 3, 2)
    text += (
        _norm("pool1", "norm1") + _conv("norm1", "conv2_reduce", 64, 1) + _conv("conv2_reduce", "conv2", 192, 3, 1, 1)
    )
    text += _norm("conv2", "norm2") + _pool("norm2", "pool2", 3, 2)
    bottom = "pool2"
    for name in INCEPTION:
        text += _inception(bottom, name)
        bottom = f"{name}/output"
        if name in {"4a", "4d"}:
            text += _side(bottom, f"loss{name}")
        if name in {"3b", "4e"}:
            text += _pool(bottom, f"pool{name}", 3, 2)
            bottom = f"pool{name}"
    text += _pool(bottom, "pool5", 7, 1, 0, "AVE") + _drop("pool5", 0.4)
    return text + _ip("pool5", "classifier", 1000) + _loss("classifier", "loss3")


def residual(blocks: int) -> str:
    """A chain of bottleneck blocks with BatchNorm and Scale, as in ResNet: 13 layers each."""
    text = _data(1, 56) + _conv("data", "x0", 64, 3, 1, 1)
    for i in range(blocks):
        bottom, last = f"x{i}", f"x{i}"
        for part, outputs, kernel in (("a", 16, 1), ("b", 16, 3), ("c", 64, 1)):
            top = f"b{i}{part}"
            text += _conv(last, top, outputs, kernel, 1, kernel // 2)
            text += _layer("BatchNorm", f"bn{i}{part}", [top], top)
            text += _layer("Scale", f"scale{i}{part}", [top], top, "scale_param { bias_term: true }")
            last = top
        text += _layer("Eltwise", f"x{i + 1}", [bottom, last], f"x{i + 1}")
    return text + _pool(f"x{blocks}", "pool", 56, 1, 0, "AVE") + _ip("pool", "fc", 10) + _loss("fc", "loss")
