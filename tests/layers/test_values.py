"""What single layers promise beyond the generic tests: randomness, files, values that are wrong."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Call, Example, Input
from tests.layers.harness import Bench, known


def bench(name: str, fields: str = "", *inputs: Input, tops: int = 1, phase: str = "TRAIN") -> Bench:
    return Bench.of(known().types[name], Example(fields, inputs, tops, phase))  # type: ignore[arg-type]


def call_of(bench: Bench, **changes: int) -> Call:
    call = bench.call()
    for name, value in changes.items():
        setattr(call, name, value)
    return call


def codes(error: pytest.ExceptionInfo[NetError]) -> list[str]:
    return [d.code.id for d in error.value.diagnostics]


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    run = bench("Dropout", "dropout_param { dropout_ratio: 0.3 }", Input((100, 100))).forward()
    y, x = run.tops[0], run.call.bottoms[0]
    assert 0.28 < (y == 0).mean() < 0.32
    np.testing.assert_allclose(y[y != 0], x[y != 0] / 0.7, rtol=1e-12)


@pytest.mark.parametrize("change", ["seed", "stream", "iteration"])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Dropout", ""),
        ("RReLU", ""),
        ("DummyData", 'dummy_data_param { shape { dim: 99 } data_filler { type: "msra" } }'),
    ],
)
def test_random_layers_draw_anew_for_each_seed_stream_and_iteration(name: str, fields: str, change: str) -> None:
    random = bench(name, fields, *(() if name == "DummyData" else (Input((99,)),)))
    first = random.forward(call_of(random)).tops[0]
    np.testing.assert_array_equal(random.forward(call_of(random)).tops[0], first)
    assert (random.forward(call_of(random, **{change: 17})).tops[0] != first).any()


def test_tops_of_dummy_data_with_one_filler_differ() -> None:
    fields = 'dummy_data_param { shape { dim: 9 } data_filler { type: "gaussian" } }'
    tops = bench("DummyData", fields, tops=2).forward().tops
    assert not np.isin(tops[0], tops[1]).any()


def test_rrelu_draws_slopes_between_its_limits() -> None:
    fields = "rrelu_param { lower: 0.25 upper: 0.5 }"
    random = bench("RReLU", fields, Input((1000,), "values", values=(-1.0,) * 1000))
    y = -random.forward().tops[0]
    assert 0.25 <= y.min() < 0.26
    assert 0.49 < y.max() <= 0.5
    assert (
        -bench("RReLU", fields, Input((2,), "values", values=(-1.0, -1.0)), phase="TEST").forward().tops[0] == 0.375
    ).all()


def test_eltwise_max_takes_the_second_of_two_equal_bottoms() -> None:
    ones = Input((1,), "values", values=(1.0,))
    both = bench("Eltwise", "eltwise_param { operation: MAX }", ones, ones, ones)
    run = both.backward(both.forward().call)
    assert [bool(d[0]) for d in run.bottom_diffs if d is not None] == [False, True, False]


def test_filter_that_selects_nothing_gives_no_items() -> None:
    run = bench("Filter", "", Input((3, 2)), Input((3,), "values", values=(0, 0, 0))).forward()
    assert run.tops[0].shape == (0, 2)


@pytest.mark.parametrize("index", [-1.0, 4.0, float("nan"), float("inf"), 1e30])
def test_batch_reindex_refuses_an_index_out_of_range(index: float) -> None:
    reindex = bench("BatchReindex", "", Input((4, 3)), Input((2,), "values", values=(0, index)))
    with pytest.raises(NetError) as error:
        reindex.forward()
    assert codes(error) == ["LAY101"]
    assert 'layer "tested" (BatchReindex)' in error.value.diagnostics[0].message


def test_hdf5_output_appends(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1.0]
    output = bench("HDF5Output", f'hdf5_output_param {{ file_name: "{path}" }}', Input((4, 3)), Input((4,)), tops=0)
    call = output.call()
    call.writes.where = "anywhere"
    output.forward(call)
    output.forward(call)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["data"], np.concatenate([output.bottoms[0]] * 2))
        np.testing.assert_array_equal(file["label"], np.concatenate([output.bottoms[1]] * 2))


def test_hdf5_output_says_that_it_cannot_write(tmp_path: Path) -> None:
    fields = f'hdf5_output_param {{ file_name: "{tmp_path}/no/out.h5" }}'
    output = bench("HDF5Output", fields, Input((4, 3)), Input((4,)), tops=0)
    call = output.call()
    call.writes.where = "anywhere"
    with pytest.raises(NetError) as error:
        output.forward(call)
    assert codes(error) == ["LAY113"]


def test_extreme_values_stay_what_the_formula_says() -> None:
    large = Input((4,), "values", values=(-1e4, -50, 50, 1e4))
    assert bench("Sigmoid", "", large).forward().tops[0].tolist() == pytest.approx([0, 0, 1, 1])
    assert bench("BNLL", "", large).forward().tops[0].tolist() == pytest.approx([0, 0, 50, 1e4])
    assert bench("Exp", "", large).forward().tops[0][3] == np.inf
    assert bench("ELU", "", large).forward().tops[0].tolist() == pytest.approx([-1, -1, 50, 1e4])
