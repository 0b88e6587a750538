"""What every layer type must hold, for each of its examples. A new layer file needs no test of its own.

`pytest tests/layers -k "ReLU or Scale"` runs the tests of some types only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc.layer import Example, LayerType, Refused
from tests.layers.harness import Array, Bench, codes_of, known, site

EPS, ATOL, RTOL = 1e-6, 1e-5, 1e-3
MOST_ELEMENTS = 150  # of one array whose gradient is checked; a larger one is sampled
HEADINGS = ("Computes:", "Shapes:", "Gradient:", "Caffe notes:")

TYPES = list({id(t): t for t in known().types.values()}.values())
EXAMPLES = [pytest.param(t, e, id=f"{t.name}-{i}") for t in TYPES for i, e in enumerate(t.examples)]
RUNNING = [p for p in EXAMPLES if p.values[0].forward is not None]  # type: ignore[union-attr]
TRAINED = [p for p in RUNNING if p.values[0].backward is not None]  # type: ignore[union-attr]
REFUSED = [pytest.param(t, r, id=f"{t.name}-{i}") for t in TYPES for i, r in enumerate(t.refuses)]


def in_place(layer_type: LayerType, example: Example) -> bool:
    try:
        return Bench.of(layer_type, example).setup.in_place
    except Exception:  # the test itself shows what is wrong
        return True


IN_PLACE = [p for p in RUNNING if in_place(*p.values)]  # type: ignore[arg-type]

a_type = pytest.mark.parametrize("layer_type", [pytest.param(t, id=t.name) for t in TYPES])
an_example = pytest.mark.parametrize(("layer_type", "example"), EXAMPLES)
a_running_example = pytest.mark.parametrize(("layer_type", "example"), RUNNING)
a_trained_example = pytest.mark.parametrize(("layer_type", "example"), TRAINED)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that write files write them here."""
    monkeypatch.chdir(tmp_path)


@a_type
def test_has_examples(layer_type: LayerType) -> None:
    assert layer_type.examples, f"{layer_type.name} has no example"


@a_type
def test_documentation_is_complete(layer_type: LayerType) -> None:
    lines = (layer_type.doc or "").splitlines()
    assert lines
    assert lines[0].strip()
    for heading in HEADINGS:
        assert heading in lines, f"{layer_type.name} lacks the heading {heading}"
        below = lines[lines.index(heading) + 1]
        assert below.startswith("    "), f"{layer_type.name} says nothing under {heading}"
        assert below.strip()


@an_example
def test_counts_of_bottoms_and_tops(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    assert len(example.inputs) in layer_type.bottoms
    if layer_type.tops == "same":
        assert example.tops == len(example.inputs)
    else:
        assert example.tops in layer_type.tops or layer_type.auto_tops
    assert len(bench.setup.tops) >= example.tops
    assert all(isinstance(size, int) for shape in bench.setup.tops for size in shape)
    names = [b.name for b in bench.setup.buffers]
    assert len(set(names)) == len(names)


@a_running_example
def test_forward_fills_the_tops_and_nothing_else(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    run = bench.forward()
    for top, shape in zip(run.tops, bench.setup.tops, strict=True):
        assert not np.isnan(top).any()
        assert top.dtype == np.float64
        assert top.shape == shape or bench.setup.dynamic
        assert top.size <= np.prod(shape)
    for left, given in zip(run.call.bottoms, bench.bottoms, strict=True):
        np.testing.assert_array_equal(left, given)
    for i in bench.learned():
        np.testing.assert_array_equal(run.call.params[i], bench.params[i])
    if bench.setup.shares:
        for top in run.tops:
            np.testing.assert_array_equal(top.ravel(), bench.bottoms[0].ravel())
    for top, again in zip(run.tops, bench.forward().tops, strict=True):
        np.testing.assert_array_equal(top, again)


@a_trained_example
def test_gradient(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    wrong = mistakes(bench)
    for blob, reason in own_gradients(bench):
        assert wrong.pop(blob, None), f"{blob} has the derivative, though it is declared not to: {reason}"
    if not example.gradient:
        assert example.note, "an example without gradient check must say why"
        pytest.skip(example.note)
    else:
        assert not wrong, wrong


def own_gradients(bench: Bench) -> Iterator[tuple[str, str]]:
    """The blobs whose diff is declared to be no derivative, and why."""
    if bench.setup.own_gradient:
        yield "bottom 0", bench.setup.own_gradient
    for i, blob in enumerate(bench.setup.params):
        if blob.own_gradient:
            yield f"parameter {i}", blob.own_gradient


def mistakes(bench: Bench) -> dict[str, str]:
    """Where backward is not the derivative of forward, by blob. Bottom 0, where a rule gives it none, has 0."""
    found: dict[str, str] = {}
    run = bench.backward(bench.forward().call)
    for kind, arrays, diffs in (
        ("bottom", bench.bottoms, run.bottom_diffs),
        ("parameter", bench.params, run.param_diffs),
    ):
        for i, (array, diff) in enumerate(zip(arrays, diffs, strict=True)):
            none = diff is None and not (kind == "bottom" and i == 0 and bench.setup.own_gradient)
            if not none and not (kind == "bottom" and i in bench.discrete):
                for at, slope in slopes(bench, array):
                    got = 0.0 if diff is None else diff.flat[at]
                    if not abs(got - slope) <= ATOL + RTOL * abs(slope):
                        found[f"{kind} {i}"] = f"element {at}: backward gives {got}, the quotient is {slope}"
    return found


def slopes(bench: Bench, array: Array) -> Iterator[tuple[int, float]]:
    """Central difference quotients of the objective, for (some) elements of one of the bench's own arrays."""
    elements = np.arange(array.size)
    if array.size > MOST_ELEMENTS:
        elements = np.random.default_rng(array.size).choice(array.size, MOST_ELEMENTS, replace=False)
    flat = array.reshape(-1)
    for at in elements:
        kept = flat[at]
        flat[at] = kept + EPS
        above = bench.objective(bench.forward())
        flat[at] = kept - EPS
        below = bench.objective(bench.forward())
        flat[at] = kept
        yield int(at), (above - below) / (2 * EPS)


@a_trained_example
def test_backward_writes_bottom_diffs_and_adds_to_parameter_diffs(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    plain = bench.backward(bench.forward().call)
    added = bench.backward(bench.forward().call, start=0.5)
    for i, diff in enumerate(plain.bottom_diffs):
        if diff is not None:
            assert not np.isnan(diff).any(), f"bottom diff {i} is not written everywhere"
            np.testing.assert_array_equal(added.bottom_diffs[i], diff)
    for i, diff in enumerate(plain.param_diffs):
        if diff is not None:
            np.testing.assert_allclose(added.param_diffs[i], diff + 0.5, rtol=1e-9, atol=1e-12)


@a_trained_example
def test_backward_gives_what_it_is_asked_for(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    whole = bench.backward(bench.forward().call)
    nobody: frozenset[int] = frozenset()
    bench.backward(bench.forward().call, nobody, nobody)
    for i in bench.gradient_bottoms() if len(bench.bottoms) + len(bench.params) > 1 else ():
        alone = bench.backward(bench.forward().call, frozenset({i}), nobody)
        np.testing.assert_allclose(alone.bottom_diffs[i], whole.bottom_diffs[i], rtol=1e-9, atol=1e-12)
    for i in bench.learned():
        alone = bench.backward(bench.forward().call, nobody, frozenset({i}))
        np.testing.assert_allclose(alone.param_diffs[i], whole.param_diffs[i], rtol=1e-9, atol=1e-12)


@a_trained_example
def test_backward_reads_only_what_it_declares(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    plain = bench.backward(bench.forward().call)
    call = bench.forward().call
    reads = set(bench.setup.reads)
    for letter, arrays in (("x", call.bottoms), ("y", call.tops)):
        for i, array in enumerate(arrays):
            if not {letter, f"{letter}{i}"} & reads:
                array.fill(np.nan)
    for buffer in bench.setup.buffers:
        if buffer.kind == "scratch":
            call.buffers[buffer.name].fill(np.nan if buffer.dtype == "float" else 77)
    poisoned = bench.backward(call)
    for got, expected in zip(
        (*poisoned.bottom_diffs, *poisoned.param_diffs), (*plain.bottom_diffs, *plain.param_diffs), strict=True
    ):
        if expected is not None:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("layer_type", "example"), IN_PLACE)
def test_in_place_is_the_same_as_out_of_place(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    assert bench.setup.tops[0] == bench.bottoms[0].shape
    apart = bench.forward()
    call = bench.call()
    call.tops = (call.bottoms[0], *call.tops[1:])
    together = bench.forward(call)
    for got, expected in zip(together.tops, apart.tops, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("layer_type", "example"), [p for p in IN_PLACE if p in TRAINED])
def test_diffs_in_place_are_the_same_as_out_of_place(layer_type: LayerType, example: Example) -> None:
    """Where backward reads x0 the planner keeps it, so then only the diffs may be in one place."""
    bench = Bench.of(layer_type, example)
    apart = bench.backward(bench.forward().call)
    call = bench.call()
    if not {"x", "x0"} & set(bench.setup.reads):
        call.tops = (call.bottoms[0], *call.tops[1:])
    bench.forward(call)
    bench.backward(call, in_place=True)
    for got, expected in zip(
        (*call.bottom_diffs, *call.param_diffs), (*apart.bottom_diffs, *apart.param_diffs), strict=True
    ):
        if expected is not None:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("layer_type", "refused"), REFUSED)
def test_refuses_what_it_says(layer_type: LayerType, refused: Refused) -> None:
    assert codes_of(layer_type, refused.fields, refused.bottoms, refused.tops) == {refused.code.id}


def by_item(layer_type: LayerType, example: Example) -> bool:
    """Whether tops have an item for each of the bottoms'."""
    count = example.inputs[0].shape[:1] if example.inputs and example.given is None else ()
    if not count or any(given.shape[:1] != count for given in example.inputs):
        return False
    try:
        one, two = (tops_of(layer_type, example, n * count[0]) for n in (1, 2))
    except Exception:
        return False
    return all(a[:1] == count and b == (2 * a[0], *a[1:]) for a, b in zip(one, two, strict=True)) and one != ()


def tops_of(layer_type: LayerType, example: Example, items: int) -> tuple[tuple[int, ...], ...]:
    shapes = tuple((items, *given.shape[1:]) for given in example.inputs)
    return layer_type.setup(site(layer_type, example.fields, shapes, example.tops, example.phase)).tops


@pytest.mark.parametrize(("layer_type", "example"), [p for p in RUNNING if by_item(*p.values)])  # type: ignore[arg-type]
def test_takes_a_batch_of_no_items(layer_type: LayerType, example: Example) -> None:
    """What follows a Filter that has chosen nothing: the sizes of an item are as ever."""
    count = example.inputs[0].shape[0]
    wanted = tuple((0, *top[1:]) for top in tops_of(layer_type, example, count))
    assert tops_of(layer_type, example, 0) == wanted


def says_constant(layer_type: LayerType, example: Example) -> bool:
    try:
        return Bench.of(layer_type, example).setup.constant
    except Exception:
        return False


@pytest.mark.parametrize(("layer_type", "example"), [p for p in RUNNING if says_constant(*p.values)])  # type: ignore[arg-type]
def test_what_says_that_it_reads_no_bottom_reads_none(layer_type: LayerType, example: Example) -> None:
    bench = Bench.of(layer_type, example)
    call = bench.call()
    call.bottoms = tuple(np.full_like(bottom, np.nan) for bottom in call.bottoms)
    for wanted, found in zip(bench.forward().tops, bench.forward(call).tops, strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_array_equal(found, wanted)


@a_type
def test_what_draws_at_random_says_so(layer_type: LayerType) -> None:
    """Other draws give other tops of layers that say that they are random, and of no others."""
    drawn = dict[bool, list[bool]]()
    for of, example in (p.values for p in RUNNING):
        if of is layer_type:
            bench = Bench.of(layer_type, example)  # type: ignore[arg-type]
            call = bench.call()
            call.iteration += 1
            other = bench.forward(call).tops
            same = all(map(np.array_equal, bench.forward().tops, other))
            drawn.setdefault(bench.setup.random, []).append(same)
    assert all(drawn.get(False, ()))
    assert not all(drawn.get(True, [False]))
