"""An ONNX file run by onnxruntime, for `netc convert --check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netc.convert.codes import MISSING_PACKAGE
from netc.convert.onnx.message import OnnxModel
from netc.convert.onnx.package import package
from netc.errors import Diagnostic, NetError
from netc.layer import Array


class OnnxRuntime:
    """Runs a file as it is for its outputs, and with every blob as an output for what is inside.

    Raises NetError (CNV003) without the package.
    """

    name = "onnxruntime"

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        message = model.message()
        self._whole = _session(b"".join(model.parts))
        known = {o.name for o in (*message.graph.output, *message.graph.input)}
        for name in dict.fromkeys(model.names.values()):
            if name not in known:
                message.graph.output.append(package().ValueInfoProto(name=name))
        self._inner = _session(message.SerializeToString())

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        given = {self._model.inputs[name]: array for name, array in inputs.items() if name in self._model.inputs}
        values = given | _run(self._inner, given) | _run(self._whole, given)
        return {value: values[name] for value, name in self._model.names.items()}


def _session(content: bytes) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        help = "pip install 'netc[onnx]'"
        raise NetError(Diagnostic(MISSING_PACKAGE, "onnxruntime is not installed", help=help)) from None
    onnxruntime.set_seed(1)  # both sessions draw the same where a layer draws at random
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: Any, given: Mapping[str, Array]) -> dict[str, Array]:
    wanted = {i.name for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {n: a for n, a in given.items() if n in wanted}), strict=True))
