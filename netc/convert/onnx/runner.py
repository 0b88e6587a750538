"""An ONNX file run by onnxruntime, for `netc convert --check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netc.convert.codes import MISSING_PACKAGE
from netc.errors import Diagnostic, NetError
from netc.layer import Array


class OnnxRuntime:
    """Runs a model as it is for its outputs, and with every blob as an output for what is inside.

    names: what each value of the net's graph is called in the file. Raises NetError (CNV003) without the package.
    """

    name = "onnxruntime"

    def __init__(self, model: Any, names: Mapping[int, str], inputs: Mapping[str, str]) -> None:
        import onnx  # noqa: PLC0415 - an extra, which has made the model

        self.names, self.inputs = names, inputs
        self._whole = _session(model)
        known = {o.name for o in model.graph.output} | {i.name for i in model.graph.input}
        inner = onnx.ModelProto()
        inner.CopyFrom(model)
        for name in dict.fromkeys(names.values()):
            if name not in known:
                inner.graph.output.append(onnx.ValueInfoProto(name=name))
        self._inner = _session(inner)

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        given = {self.inputs[name]: array for name, array in inputs.items() if name in self.inputs}
        values = given | _run(self._inner, given) | _run(self._whole, given)
        return {value: values[name] for value, name in self.names.items()}


def _session(model: Any) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        help = "pip install 'netc[onnx]'"
        raise NetError(Diagnostic(MISSING_PACKAGE, "onnxruntime is not installed", help=help)) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(session: Any, given: Mapping[str, Array]) -> dict[str, Array]:
    wanted = {i.name for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {n: a for n, a in given.items() if n in wanted}), strict=True))
