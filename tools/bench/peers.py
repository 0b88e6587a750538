"""The same nets in PyTorch, built from netc's graph with netc's weights, and exported from there to ONNX Runtime."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from netc.kernels import recurrent
from netc.kernels.gemm_convolution import ConvolutionGeometry
from netc.kernels.geometry import BatchNormGeometry, CropGeometry, InnerProductGeometry
from netc.kernels.pooling import Planes
from netc.run import Net
from tools.bench.cases import Case

torch: Any = import_module("torch")
functional: Any = import_module("torch.nn.functional")
SKIPPED = {"Input", "Accuracy", "Silence", "Data", "ImageData"}


class Module(torch.nn.Module):  # type: ignore[misc]
    """Takes the net's image and label tensors; gives the loss in training, else the last blob before it."""

    def __init__(self, net: Net, train: bool) -> None:
        super().__init__()
        self.net = net
        self.parts = torch.nn.ModuleDict()
        self.steps = [n for n in net.graph.nodes if n.type.name not in SKIPPED and not n.type.source]
        self.fed = [v for n in net.graph.nodes if n.type.source for v in n.tops]
        for node in self.steps:
            part = _part(net, node)
            if part is not None:
                self.parts[_key(node)] = part
        self.train(train)

    def forward(self, image: Any, label: Any = None) -> Any:
        values = dict.fromkeys(self.fed, label) | {self.fed[0]: image}
        loss, last = 0.0, image
        for node in self.steps:
            if node.type.name == "SoftmaxWithLoss" and label is None:
                continue
            key, x = _key(node), [values[v] for v in node.bottoms]
            found = self.parts[key](x[0]) if key in self.parts else _function(self.net, node, x, label)
            if node.type.name == "SoftmaxWithLoss":
                loss = loss + node.loss_weights[0] * found
                continue
            last = found
            values.update(dict.fromkeys(node.tops, found))
        return loss if self.training else last


def _key(node: Any) -> str:
    return str(node.name).replace(".", "_").replace("/", "_")


def _part(net: Net, node: Any) -> Any:
    """A layer with parameters or settings, as a torch module."""
    blobs = [torch.from_numpy(b.copy()) for b in net.params.get(node.name, ())]
    setup = net.plan.layers[node.index].setup
    kind = node.type.name
    if kind in ("Convolution", "DepthwiseConvolution"):
        g = setup.known(ConvolutionGeometry)
        h, w = g.columns.axes
        part: Any = torch.nn.Conv2d(
            g.columns.channels, g.filters, (h.kernel, w.kernel), (h.stride, w.stride), (h.before, w.before),
            (h.dilation, w.dilation), g.groups, bias=len(blobs) > 1,
        )  # fmt: skip
    elif kind == "Deconvolution":
        g = setup.known(ConvolutionGeometry)
        h, w = g.columns.axes
        ins, outs = blobs[0].shape[0], blobs[0].shape[1] * g.groups
        part = torch.nn.ConvTranspose2d(
            ins, outs, (h.kernel, w.kernel), (h.stride, w.stride), (h.before, w.before), 0, g.groups,
            bias=len(blobs) > 1,
        )  # fmt: skip
    elif kind == "InnerProduct":
        sizes = setup.known(InnerProductGeometry)
        linear = torch.nn.Linear(sizes.inputs, sizes.outputs, bias=len(blobs) > 1)
        part = torch.nn.Sequential(torch.nn.Flatten(node.record.inner_product_param.axis), linear)
        part[1].weight.data, part[1].bias.data = blobs[0], blobs[1]
        return part
    elif kind == "BatchNorm":
        part = torch.nn.BatchNorm2d(setup.known(BatchNormGeometry).view.middle, affine=False)
        part.running_mean, part.running_var = blobs[0], blobs[1]
        return part
    elif kind == "Scale":
        return Scale(blobs)
    elif kind == "LRN":
        p = node.record.lrn_param
        return torch.nn.LocalResponseNorm(p.local_size, p.alpha, p.beta, p.k)
    elif kind == "Dropout":
        return torch.nn.Dropout(node.record.dropout_param.dropout_ratio)
    elif kind == "Embed":
        return Words(blobs[0])
    elif kind in ("LSTM", "GRU"):
        return Steps(kind, setup.known(recurrent.Layout))
    elif kind == "Pooling":
        return _pooling(node, setup.known(Planes))
    else:
        return None
    part.weight.data = blobs[0]
    if len(blobs) > 1:
        part.bias.data = blobs[1]
    return part


class Words(torch.nn.Module):  # type: ignore[misc]
    """Embed without a bias."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.table = torch.nn.Embedding.from_pretrained(table, freeze=False)

    def forward(self, x: Any) -> Any:
        return self.table(x.long())


class Steps(torch.nn.Module):  # type: ignore[misc]
    """A recurrent layer of torch's, with weights of its own (its GRU is another one)."""

    def __init__(self, kind: str, at: recurrent.Layout) -> None:
        super().__init__()
        self.layer = getattr(torch.nn, kind)(at.inputs, at.outputs)

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0]


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """`nets/encoder.net` as torch has it, with weights of its own: queries, keys and values are one product there."""

    def __init__(self, net: Net, train: bool) -> None:
        super().__init__()
        tokens, width = net.params["e"][0].shape
        hidden = net.params["a/h"][0].shape[0]
        layer = torch.nn.TransformerEncoderLayer(width, 4, hidden, dropout=0.0, batch_first=True)
        self.words = torch.nn.Embedding(tokens, width)
        self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = torch.nn.Linear(width, tokens)
        self.train(train)

    def forward(self, x: Any, label: Any) -> Any:
        scores = self.last(self.layers(self.words(x.long())))
        return functional.cross_entropy(scores.flatten(0, 1), label.long().flatten())


WHOLE = {"Encoder": Encoder}  # nets that are not made layer by layer


class Scale(torch.nn.Module):  # type: ignore[misc]
    """Caffe's Scale: a factor and perhaps a bias for each channel."""

    def __init__(self, blobs: list[Any]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(blobs[0].view(1, -1, 1, 1))
        self.bias = torch.nn.Parameter(blobs[1].view(1, -1, 1, 1)) if len(blobs) > 1 else None

    def forward(self, x: Any) -> Any:
        return x * self.weight if self.bias is None else x * self.weight + self.bias


def _pooling(node: Any, planes: Planes) -> Any:
    h, w = planes.height, planes.width
    kernel, stride, pad = (h.kernel, w.kernel), (h.stride, w.stride), (h.before, w.before)
    kind = torch.nn.AvgPool2d if node.record.pooling_param.pool == "AVE" else torch.nn.MaxPool2d
    ceil = node.record.pooling_param.round_mode == "CEIL" and not node.record.pooling_param.global_pooling
    return kind(kernel, stride, pad, ceil_mode=ceil)


def _function(net: Net, node: Any, x: list[Any], label: Any) -> Any:
    plain: dict[str, Callable[[], Any]] = {
        "ReLU": lambda: functional.relu(x[0]),
        "Concat": lambda: torch.cat(x, 1),
        "Eltwise": lambda: x[0] + x[1],
        "Flatten": lambda: x[0].flatten(1),
        "Softmax": lambda: x[0].softmax(1),
        "Split": lambda: x[0],
        "SoftmaxWithLoss": lambda: _loss(x[0], node.record.softmax_param.axis, label.long()),
        "Crop": lambda: x[0][net.plan.layers[node.index].setup.known(CropGeometry).parts],
    }
    return plain[node.type.name]()


def _loss(scores: Any, axis: int, label: Any) -> Any:
    """The mean over all positions; of maps as torch likes them, of sequences as a table."""
    if axis == 1 and scores.ndim == 4:
        return functional.cross_entropy(scores, label.reshape(scores.shape[0], *scores.shape[2:]))
    return functional.cross_entropy(scores.flatten(0, axis - 1).flatten(1), label.flatten())


def torch_call(case: Case, net: Net, threads: int, layout: str) -> Callable[[], object]:
    """What is timed, in a memory format: nchw or channels_last; "channels_last bf16": with products in bfloat16."""
    torch.set_num_threads(threads)
    memory_format = torch.channels_last if layout.startswith("channels_last") else torch.contiguous_format
    module = WHOLE.get(case.name, Module)(net, case.train).to(memory_format=memory_format)
    image, label = _tensors(net)
    image = image.contiguous(memory_format=memory_format)
    call = _step(module, image, label) if case.train else _forward(module, image)
    return _in_bf16(call) if layout.endswith("bf16") else call


def _in_bf16(call: Callable[[], object]) -> Callable[[], object]:
    def cast() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return call()

    return cast


def _tensors(net: Net) -> tuple[Any, Any]:
    arrays = [torch.from_numpy(a.copy()) for a in net.inputs.values()]
    return arrays[0], arrays[-1] if len(arrays) > 1 else None


def _forward(module: Any, image: Any) -> Callable[[], object]:
    def call() -> Any:
        with torch.inference_mode():
            return module(image)

    return call


def _step(module: Any, image: Any, label: Any) -> Callable[[], object]:
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def call() -> None:
        optimizer.zero_grad(set_to_none=True)
        module(image, label).backward()
        optimizer.step()

    return call


def onnx_call(net: Net, threads: int) -> Callable[[], object]:
    """Forward in ONNX Runtime."""
    onnxruntime: Any = import_module("onnxruntime")
    image, _ = _tensors(net)
    stream = io.BytesIO()
    torch.onnx.export(Module(net, False), (image,), stream, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(stream.getvalue(), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: np.ascontiguousarray(image.numpy())}
    return lambda: session.run(None, given)
