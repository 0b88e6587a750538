"""The nets that are measured, and netc's side of each: a step of training with its update, or a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netc import language
from netc.api.definition import typed_solver
from netc.api.made_up import fill_inputs
from netc.api.planning import load, plan
from netc.catalogue import catalogue
from netc.run import Net
from netc.solve.update import Updater

HERE = Path(__file__).parent
GALLERY = HERE.parent.parent / "nets"
SOLVER = 'base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005'


@dataclass(frozen=True, slots=True)
class Case:
    """A net, its batch, and whether a whole training step or only forward is timed.

    words: it reads words, and the batch is what the file says. alone: no peer runs it. settings: the file's constants.
    """

    name: str
    file: Path
    batch: int
    train: bool
    words: bool = False
    alone: bool = False
    settings: Mapping[str, bool] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} {'train' if self.train else 'forward'} ({self.batch})"


CASES = (
    Case("LeNet", HERE / "nets/lenet.prototxt", 64, True),
    Case("cifar10_quick", HERE / "nets/cifar10_quick.prototxt", 100, True),
    Case("CaffeNet", HERE / "nets/caffenet.prototxt", 32, True),
    Case("GoogLeNet", HERE / "nets/googlenet.prototxt", 16, True),
    Case("VGG16", GALLERY / "vgg16.net", 4, True),
    Case("ResNet-50", GALLERY / "resnet50.net", 8, True),
    Case("MobileNet-v2", GALLERY / "mobilenet_v2.net", 16, True),
    Case("DenseNet-121", GALLERY / "densenet121.net", 16, True),
    Case("U-Net", GALLERY / "unet.net", 1, True),
    Case("FCN-8s", GALLERY / "fcn8s.net", 1, True),
    Case("ResNet-50", HERE / "nets/resnet50.prototxt", 8, False),
    Case("SqueezeNet", HERE / "nets/squeezenet_v1.1.prototxt", 8, False),
    Case("VGG16", GALLERY / "vgg16.net", 1, False),
    Case("VGG16", GALLERY / "vgg16.net", 8, False),
    Case("MobileNet-v1", GALLERY / "mobilenet_v1.net", 8, False),
    Case("MobileNet-v2", GALLERY / "mobilenet_v2.net", 8, False),
    Case("LSTM", HERE / "nets/lstm.prototxt", 32, True, words=True),
    Case("GRU", HERE / "nets/gru.prototxt", 32, True, words=True),
    Case("Encoder", HERE / "nets/encoder.net", 32, True, words=True),
    Case("skip-gram", HERE / "nets/skipgram.net", 128, True, words=True, alone=True),
    Case("skip-gram, dense", HERE / "nets/skipgram.net", 128, True, words=True, alone=True, settings={"lazy": False}),
)


def open_net(case: Case, threads: int, executor: str = "fast", precision: str | None = None) -> Net:
    """The net with random data and parameters."""
    batch = None if case.words else case.batch  # of sequences it is the second axis: as the file says
    planned = plan(load(case.file, settings=case.settings), "TRAIN" if case.train else "TEST", batch=batch)
    net = Net(planned, seed=1, executor=executor, threads=threads, precision=precision)
    fill_inputs(net, 0)
    draw(net, np.random.default_rng(0))
    return net


def draw(net: Net, rng: np.random.Generator) -> None:
    """Random parameters at which activations neither vanish nor explode."""
    for node in net.graph.nodes:
        blobs = net.params.get(node.name, ())
        if node.type.name == "BatchNorm":
            values = (0.1 * rng.normal(size=blobs[0].shape), rng.uniform(0.5, 1.5, blobs[1].shape), np.ones(1))
        elif node.type.name == "Scale":
            values = (rng.uniform(0.1, 0.4, blobs[0].shape), np.zeros(blobs[-1].shape), np.zeros(0))
        elif node.type.name in ("PReLU", "Normalize", "Embed", "NegativeSamplingLoss", "LSTM", "GRU", "LayerNorm"):
            continue  # as the file says
        elif blobs:
            spread = np.sqrt(2 / np.prod(blobs[0].shape[1:]))
            values = (spread * rng.normal(size=blobs[0].shape), np.zeros(blobs[-1].shape), np.zeros(0))
        for blob, value in zip(blobs, values if blobs else (), strict=False):
            blob[...] = value


def netc_call(case: Case, net: Net) -> Callable[[], object]:
    """What is timed."""
    if not case.train:
        return net.forward
    record, _ = typed_solver(language.parse(SOLVER, "solver.prototxt"), catalogue())
    updater = Updater(record, net, update_in_backward=True)

    def step() -> None:
        net.forward()
        updater.backward(0)

    return step
