"""Receptive fields: the seeds of the design, branches, transposed windows, and what has no position."""

from __future__ import annotations

from fractions import Fraction

import pytest

from netc.plan.model import Field, Plan
from tests.plan.helpers import planned


def data(height: int, width: int | None = None) -> str:
    shape = f"shape {{ dim: 1 dim: 3 dim: {height} dim: {width or height} }}"
    return f'layer {{ name: "data" type: "Input" top: "data" input_param {{ {shape} }} }}\n'


def conv(bottom: str, top: str, fields: str) -> str:
    fields = f"convolution_param {{ num_output: 4 {fields} }}"
    return f'layer {{ name: "{top}" type: "Convolution" bottom: "{bottom}" top: "{top}" {fields} }}\n'


def pool(bottom: str, top: str, fields: str) -> str:
    return f'layer {{ name: "{top}" type: "Pooling" bottom: "{bottom}" top: "{top}" pooling_param {{ {fields} }} }}\n'


def field(of: Plan, layer: str) -> Field | None:
    return next(p.fields[0] for n, p in zip(of.graph.nodes, of.layers, strict=True) if n.name == layer)


def shape(of: Plan, layer: str) -> tuple[int, ...]:
    return next(of.shapes[n.tops[0]] for n in of.graph.nodes if n.name == layer)


def fractions(*numbers: int) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, numbers))


@pytest.mark.parametrize(("padding", "size", "offset"), [("SAME", 57, -4), ("VALID", 55, 0)])
def test_padding_by_tensorflows_rule(padding: str, size: int, offset: int) -> None:
    found = planned(data(227) + conv("data", "c", f"kernel_size: 11 stride: 4 padding: {padding}"), "TEST")
    assert shape(found, "c") == (1, 4, size, size)
    assert field(found, "c") == Field((11, 11), fractions(4, 4), fractions(offset, offset))


def test_a_stack_of_three_sees_eight() -> None:
    text = data(32) + conv("data", "a", "kernel_size: 3") + pool("a", "b", "kernel_size: 2 stride: 2")
    found = planned(text + conv("b", "c", "kernel_size: 3"), "TEST")
    assert [field(found, n) for n in "abc"] == [
        Field((3, 3), fractions(1, 1), fractions(0, 0)),
        Field((4, 4), fractions(2, 2), fractions(0, 0)),
        Field((8, 8), fractions(2, 2), fractions(0, 0)),
    ]


def test_axes_are_apart_and_dilation_widens() -> None:
    text = data(40, 60) + conv("data", "a", "kernel_h: 3 kernel_w: 5 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0")
    found = planned(text + conv("a", "b", "kernel_size: 3 dilation: 4"), "TEST")
    assert field(found, "a") == Field((3, 5), fractions(2, 1), fractions(-1, 0))
    assert field(found, "b") == Field((3 + 8 * 2, 5 + 8), fractions(2, 1), fractions(-1, 0))


def test_branches_see_the_union() -> None:
    text = data(32) + conv("data", "a", "kernel_size: 1") + conv("data", "b", "kernel_size: 5 pad: 2")
    text += 'layer { name: "cat" type: "Concat" bottom: "a" bottom: "b" top: "cat" }\n'
    text += 'layer { name: "relu" type: "ReLU" bottom: "cat" top: "cat" }\n'
    assert field(planned(text, "TEST"), "relu") == Field((5, 5), fractions(1, 1), fractions(-2, -2))


def test_a_transposed_window_halves_the_distance() -> None:
    text = data(32) + pool("data", "p", "kernel_size: 2 stride: 2")
    fields = "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }"
    text += f'layer {{ name: "up" type: "Deconvolution" bottom: "p" top: "up" {fields} }}\n'
    found = planned(text, "TEST")
    assert shape(found, "up") == (1, 3, 32, 32)
    assert field(found, "up") == Field((4, 4), fractions(1, 1), fractions(-2, -2))


def test_what_sees_everything_stays_so() -> None:
    text = data(32) + pool("data", "g", "pool: AVE global_pooling: true") + conv("g", "c", "kernel_size: 1")
    text += 'layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip" inner_product_param { num_output: 2 } }\n'
    found = planned(text, "TEST")
    for layer in ("g", "c", "ip"):
        seen = field(found, layer)
        assert seen is not None
        assert seen.whole


def test_labels_have_no_field() -> None:
    text = 'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 4 } } }\n'
    assert field(planned(text, "TEST"), "t") is None


def test_volumes_have_three_axes() -> None:
    text = data(8).replace("dim: 3", "dim: 3 dim: 8") + conv("data", "a", "kernel_size: 3 stride: 2 pad: 1")
    assert field(planned(text, "TEST"), "a") == Field((3, 3, 3), fractions(2, 2, 2), fractions(-1, -1, -1))
