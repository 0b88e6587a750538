"""pycaffe on netc: scripts written for Caffe's Python interface run with `from netc import caffe`.

    from netc import caffe

    caffe.set_mode_cpu()
    net = caffe.Net("deploy.prototxt", "model.caffemodel", caffe.TEST)
    net.blobs["data"].data[...] = images
    probabilities = net.forward()["prob"]

`import caffe`, `from caffe import layers as L` and `from caffe.proto import caffe_pb2` work as well afterwards: netc
answers to the name `caffe`, unless another package of that name was imported before.

What differs from pycaffe: blobs that Caffe adds for itself (`data_data_0_split_0`) are not shown, since netc needs no
Split layers; everything runs on the CPU; `set_random_seed` makes runs repeatable, and without it they are repeatable
too; Python layers run if the program has imported their class, else only after `caffe.allow_python()` or with
NETC_ALLOW_PYTHON=1 in the environment, because a net file must not run code by itself.

Everything is imported when it is first used.
"""

from importlib import import_module
from typing import Any

from netc.caffe.alias import answer_to_the_name

__version__ = "1.0.0"  # of the pycaffe that is followed
TRAIN, TEST = 0, 1

_SUBMODULES = ("classifier", "coord_map", "detector", "draw", "io", "net_spec", "proto")
_NAMES = {
    "netc.caffe.net": ("Net",),
    "netc.caffe.blobs": ("Blob",),
    "netc.caffe.classifier": ("Classifier",),
    "netc.caffe.detector": ("Detector",),
    "netc.caffe.errors": ("CaffeError",),
    "netc.caffe.net_spec": ("NetSpec", "layers", "params", "to_proto"),
    "netc.layers.python": ("Layer",),
    "netc.caffe.solvers": (
        "AdaDeltaSolver",
        "AdaGradSolver",
        "AdamSolver",
        "AdamWSolver",
        "NesterovSolver",
        "RMSPropSolver",
        "SGDSolver",
        "Solver",
        "get_solver",
    ),
    "netc.caffe.modes": (
        "NCCL",
        "Timer",
        "allow_python",
        "check_mode_cpu",
        "check_mode_gpu",
        "get_device",
        "has_nccl",
        "init_log",
        "layer_type_list",
        "log",
        "set_device",
        "set_executor",
        "set_mode_cpu",
        "set_mode_gpu",
        "set_multiprocess",
        "set_random_seed",
        "allow_writes",
        "set_solver_count",
        "set_solver_rank",
        "solver_count",
        "solver_rank",
    ),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = ["TEST", "TRAIN", *_HOME, *_SUBMODULES]  # noqa: PLE0604 (names of a table)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"netc.caffe.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'caffe' (netc.caffe) has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


answer_to_the_name("caffe", __name__)
