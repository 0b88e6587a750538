"""A written model run by PyTorch, for `netc convert --check`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

from netc.convert.codes import MISSING_PACKAGE
from netc.convert.predicting import Predicting
from netc.convert.torch.module import TorchModel
from netc.convert.torch.views import View
from netc.errors import Diagnostic, NetError
from netc.layer import Array

Export = Callable[[Sequence[View], str], TorchModel]


class PyTorch:
    """Runs the model as it is for its outputs, and, written anew to give every blob, for what is inside.

    Raises NetError (CNV003) without the package.
    """

    name = "PyTorch"

    def __init__(self, it: Predicting, export: Export) -> None:
        graph = it.graph
        made = [n for n in graph.nodes if not (n.type.source and n.type.forward is None)]
        self._all = tuple(dict.fromkeys(v for node in made for v in node.tops))
        self._outputs = tuple(v for v in graph.outputs if v in self._all)
        self._whole = _Run(it, self._outputs, export)
        self._inner = _Run(it, self._all, export)

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        return self._inner(inputs) | self._whole(inputs)


class _Run:
    """One model in eval mode, and which values it gives."""

    def __init__(self, it: Predicting, values: tuple[int, ...], export: Export) -> None:
        model = export([View("forward", it, values)], "the net")
        self.values, self.inputs = values, model.inputs
        self.module = load(model).eval()

    def __call__(self, inputs: Mapping[str, Array]) -> dict[int, Array]:
        torch = _torch()
        given = [torch.tensor(inputs[name]) for name in self.inputs]
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            torch.manual_seed(0)  # both models draw the same where a layer draws at random
            made = self.module(*given)
        found = made if isinstance(made, tuple) else (made,)
        return {value: tensor.numpy() for value, tensor in zip(self.values, found, strict=True)}


def load(model: TorchModel) -> Any:
    """The written model as an `nn.Module`, with its parameters. Raises NetError (CNV003) without the package."""
    torch = _torch()
    net = getattr(imported(model), model.name)()
    net.load_state_dict({name: torch.tensor(np.array(learned.array)) for name, learned in model.state.items()})
    return net


def imported(model: TorchModel) -> ModuleType:
    """The written file as a module, as whoever uses it imports it.

    netc wrote its code: names of the net are in it as names of Python, in small letters, and as quoted strings.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.py"
        path.write_text(model.text, encoding="utf-8")
        spec = spec_from_file_location("model", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _torch() -> Any:
    if "torch" not in sys.modules:
        try:
            import torch  # noqa: F401, PLC0415 - no dependency of netc
        except ImportError:
            help = "pip install torch"
            raise NetError(Diagnostic(MISSING_PACKAGE, "torch is not installed", help=help)) from None
    return sys.modules["torch"]
