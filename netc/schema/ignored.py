"""Fields and values of forks that say how a fork computes, not what: netc accepts them and says so, once a file.

Precision and kernels of a GPU, threads and caches of readers, memory, several machines: in netc, on a CPU and in single
precision, nothing depends on them. What changes a result is not listed here, however slightly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netc.errors import Note, Report, Span
from netc.schema import codes
from netc.schema.forks import FLOWNET, GREENTEA, INTEL, JACINTO, NVCAFFE, YJXIONG

if TYPE_CHECKING:
    from netc.language.tree import Field
    from netc.schema.record import FieldType

_MOST_NOTES = 3
_ENGINES = ("BatchNormParameter", "ConcatParameter", "EltwiseParameter", "InnerProductParameter", "LayerParameter")

# fork -> message -> names of fields
_FIELDS: dict[str, dict[str, str]] = {
    NVCAFFE: {
        "NetParameter": "default_forward_type default_backward_type default_forward_math default_backward_math "
        "default_conv_algos_override default_cudnn_math_override global_grad_scale global_grad_scale_adaptive "
        "reduce_buckets eltwise_mem_sharing",
        "LayerParameter": "forward_type backward_type forward_math backward_math cudnn_math_override debug",
        "V1LayerParameter": "forward_type backward_type forward_math backward_math",
        "ConvolutionParameter": "conv_algos_override cudnn_convolution_algo_seeker cudnn_math_override",
        "DataParameter": "cache threads parser_threads",
        "ImageDataParameter": "cache threads",
        "TransformationParameter": "use_gpu_transform display",
        "SolverParameter": "store_blobs_in_old_format solver_data_type",
    },
    INTEL: {
        **dict.fromkeys((*_ENGINES, "NetParameter", "SolverParameter"), "engine"),
        "NetParameter": "engine compile_net_state multinode",
        "LayerParameter": "engine multinode split_param mn_activation_param mn_grad_compress_param",
        "ConvolutionParameter": "conv_algo conv_algorithm",
        "SolverParameter": "engine force_cpu",
    },
    YJXIONG: {"NetParameter": "mem_param", "SolverParameter": "richness", "BNParameter": "engine"},
    GREENTEA: {"LayerParameter": "device", "NetParameter": "benchmark"},
    JACINTO: {"SolverParameter": "display_sparsity"},
    FLOWNET: {"LayerParameter": "reshape_every_iter", "DataParameter": "verbose"},
}
IGNORED_FIELDS: dict[tuple[str, str], str] = {
    (message, name): fork
    for fork, messages in _FIELDS.items()
    for message, names in messages.items()
    for name in names.split()
}
"""(message, name of a field that BVLC Caffe does not have) -> whose it is."""

IGNORED_LISTS: dict[tuple[str, str], str] = {("SolverParameter", "device_id"): YJXIONG}
"""(message, name of a single field) -> who takes it several times."""

ENGINES: dict[str, str] = {"MKL2017": INTEL, "MKLDNN": INTEL, "LIBDNN": GREENTEA, "SPATIAL": GREENTEA}
"""Values of `engine` -> whose they are."""


class _Found(NamedTuple):
    what: str
    fork: str
    span: Span


class Ignored:
    """What a file says that changes nothing; `report` says it in one warning."""

    def __init__(self) -> None:
        self._found: list[_Found] = []

    def unknown(self, written: Field, message: str) -> bool:
        """Whether a field that the message does not have changes nothing."""
        return self._noted(IGNORED_FIELDS.get((message, written.name)), written.name, written.name_span)

    def several(self, name: str, message: str, span: Span) -> bool:
        """Whether a singular field that is given several times changes nothing by that."""
        return self._noted(IGNORED_LISTS.get((message, name)), f"{name}: [...]", span)

    def value(self, field: FieldType, text: str, span: Span) -> bool:
        """Whether the value of an enum is another engine."""
        known = field.enum is not None and field.name == "engine" and text not in field.enum.values
        return known and self._noted(ENGINES.get(text), f"{field.name}: {text}", span)

    def _noted(self, fork: str | None, what: str, span: Span) -> bool:
        if fork is None:
            return False
        if all(found.what != what for found in self._found):
            self._found.append(_Found(what, fork, span))
        return True

    def report(self, report: Report) -> None:
        if not self._found:
            return
        forks = dict.fromkeys(found.fork for found in self._found)
        parts = []
        for fork in forks:
            names = ", ".join(f"`{found.what}`" for found in self._found if found.fork == fork)
            parts.append(f"{names} of {fork}")
        message = f"netc ignores {'; '.join(parts)}: nothing that it computes depends on this"
        notes = tuple(Note("and here", found.span) for found in self._found[1 : 1 + _MOST_NOTES])
        report.warning(codes.IGNORED, message, self._found[0].span, notes=notes)
