"""Warnings about nets that plan, but are probably not what was meant."""

from netc.api.definition import loads
from netc.api.planning import plan
from netc.errors import Diagnostic

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }\n'
NORM = 'layer { name: "bn1" type: "BatchNorm" bottom: "data" top: "bn1" %s }\n'


def warnings(text: str, phase: str = "TEST") -> list[Diagnostic]:
    return [*plan(loads(DATA + text), phase).warnings]  # type: ignore[arg-type]


def test_batch_norm_without_scale() -> None:
    (found,) = warnings(NORM % "" + 'layer { name: "r" type: "ReLU" bottom: "bn1" top: "bn1" }')
    assert (str(found.code), found.severity) == ("PLN020", "warning")
    assert found.span is not None
    assert (found.span.line, found.span.column) == (2, 27)


def test_several_are_one_warning() -> None:
    text = NORM % "" + 'layer { name: "r" type: "ReLU" bottom: "bn1" top: "r" }\n'
    (found,) = warnings(text + 'layer { name: "bn2" type: "BatchNorm" bottom: "r" top: "bn2" }')
    assert "bn2" in found.notes[0].message


def test_batch_norm_with_scale_is_fine() -> None:
    assert not warnings(NORM % "" + 'layer { name: "s" type: "Scale" bottom: "bn1" top: "bn1" }')
    assert not warnings(NORM % "batch_norm_param { scale_bias: true }")


def test_stored_statistics_in_training() -> None:
    scale = 'layer { name: "s" type: "Scale" bottom: "bn1" top: "bn1" }'
    text = NORM % "batch_norm_param { use_global_stats: true }" + scale
    assert not warnings(text, "TRAIN")  # nothing learns
    text += 'layer { name: "l" type: "Reduction" bottom: "bn1" top: "l" loss_weight: 1 }'
    assert [str(w.code) for w in warnings(text, "TRAIN")] == ["LAY103"]
    assert not warnings(text, "TEST")


def test_lr_mult_on_statistics() -> None:
    scale = 'layer { name: "s" type: "Scale" bottom: "bn1" top: "bn1" }'
    assert [str(w.code) for w in warnings(NORM % "param { lr_mult: 1 }" + scale, "TRAIN")] == ["LAY102"]
