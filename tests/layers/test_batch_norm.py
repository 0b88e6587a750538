"""BatchNorm's statistics and the lint of one layer."""

from __future__ import annotations

import numpy as np
import pytest

from netc.layer import Example, Input, Phase
from tests.layers.harness import Bench, known, site

SHAPE = (2, 3, 2, 2)


def warnings(fields: str, phase: Phase) -> list[str]:
    layer_type = known().types["BatchNorm"]
    place = site(layer_type, fields, (SHAPE,), 1, phase)
    layer_type.setup(place)
    return [d.code.id for d in place.warnings]


@pytest.mark.parametrize(
    ("fields", "phase", "codes"),
    [
        ("", "TRAIN", []),
        ("", "TEST", []),
        ("param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }", "TRAIN", []),
        ("param { lr_mult: 1 }", "TRAIN", ["LAY102"]),
        ("param { lr_mult: 0 } param { decay_mult: 0 }", "TRAIN", ["LAY102"]),
        ("batch_norm_param { use_global_stats: true }", "TRAIN", ["LAY103"]),
        ("batch_norm_param { use_global_stats: true }", "TEST", []),
        ("batch_norm_param { use_global_stats: false }", "TRAIN", []),
    ],
)
def test_lint(fields: str, phase: Phase, codes: list[str]) -> None:
    assert warnings(fields, phase) == codes


def test_the_warning_points_at_the_field() -> None:
    layer_type = known().types["BatchNorm"]
    place = site(layer_type, "batch_norm_param { use_global_stats: true }", (SHAPE,), 1, "TRAIN")
    layer_type.setup(place)
    span = place.warnings[0].span
    assert span is not None
    assert span.source.text[span.start : span.end] == "true"


def test_training_moves_the_statistics_and_test_reads_them() -> None:
    fields = "batch_norm_param { moving_average_fraction: 0.5 eps: 0 }"
    train = Bench.of(known().types["BatchNorm"], Example(fields, (Input(SHAPE),)))
    assert [p.learned for p in train.setup.params] == [False] * 3
    x = train.bottoms[0]
    call = train.call()
    train.forward(call)
    train.forward(call)
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    for blob, expected in zip(call.params, (1.5 * mean, 1.5 * variance * 8 / 7, 1.5), strict=True):
        np.testing.assert_allclose(blob, expected)
    test = Bench.of(known().types["BatchNorm"], Example(fields, (Input(SHAPE),), phase="TEST"))
    test.params = call.params
    shape = (1, 3, 1, 1)
    expected = (x - mean.reshape(shape)) / np.sqrt(variance * 8 / 7).reshape(shape)
    run = test.forward()
    np.testing.assert_allclose(run.tops[0], expected)
    np.testing.assert_array_equal(run.call.params[0], call.params[0])


def test_one_value_a_channel_has_no_correction() -> None:
    train = Bench.of(known().types["BatchNorm"], Example("", (Input((1, 3)),)))
    call = train.call()
    run = train.forward(call)
    np.testing.assert_array_equal(run.tops[0], 0)
    np.testing.assert_array_equal(call.params[1], 0)
    np.testing.assert_array_equal(call.params[2], 1)


def test_factor_0_counts_as_no_statistics() -> None:
    fields = "batch_norm_param { eps: 0.25 }"
    test = Bench.of(known().types["BatchNorm"], Example(fields, (Input(SHAPE),), phase="TEST"))
    np.testing.assert_allclose(test.forward().tops[0], test.bottoms[0] * 2)
