"""Kernels that Python calls: every kind of argument and result is what numba's own dispatcher makes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from netc.jit import kernel, kinds
from netc.jit.kernels import Native

ROOT = Path(__file__).parent.parent.parent


class Pair(NamedTuple):
    first: int
    second: int


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_CACHE_DIR", str(tmp_path / "cache"))


def same(x: Any) -> Any:
    return x


def first(x: Any) -> Any:
    return x[0]


def total(x: Any) -> Any:
    found = 0.0
    for value in x.flat:
        found = 3 * found + value
    return found


def corners(x: Any) -> Any:
    return x.shape, x.strides, x[0, 0], x[-1, -1]


def mixed(x: Any) -> Any:
    return (x, (x > 1, np.float32(x)), np.uint8(x))


GRID = np.arange(24, dtype=np.float32).reshape(4, 6)
VALUES = [
    3,
    -(1 << 63),
    True,
    2.5,
    np.float32(0.1),
    np.float64(0.1),
    np.int8(-5),
    np.uint64((1 << 64) - 1),
    np.bool_(True),
]
ARRAYS = {
    "C": GRID,
    "Fortran": np.asfortranarray(GRID),
    "transposed": GRID.T,
    "strided": GRID[::2, ::-3],
    "one axis": GRID[0],
    "column": GRID[:, 1],
    "none of it": GRID[:0],
    "no axes": np.array(7.5, np.float32),
    "doubles": GRID.astype(np.float64),
    "bytes": GRID.astype(np.uint8),
    "truths": GRID > 3,
}


def dispatched(function: Callable[..., Any], *args: Any) -> Any:
    return kernel(function).compiled(*args)


def test_numbers() -> None:
    for value in VALUES:
        one = kernel(same)
        found = one(value)
        assert (found, type(found)) == (dispatched(same, value), type(dispatched(same, value))), repr(value)
        assert isinstance(one.version(value).native, Native), repr(value)
    assert np.isnan(kernel(same)(float("nan")))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    array = ARRAYS[name]
    one = kernel(total)
    assert one(array) == dispatched(total, array)
    assert isinstance(one.version(array).native, Native)
    closed = array.copy(order="A")
    closed.flags.writeable = False
    assert one(closed) == one(array)
    assert len(one._known) == 2


def test_shapes_and_strides() -> None:
    for name in ("C", "Fortran", "transposed", "strided"):
        assert kernel(corners)(ARRAYS[name]) == dispatched(corners, ARRAYS[name]) == corners(ARRAYS[name])


def test_an_array_of_a_file(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "values", np.float32, "w+", shape=(4, 6))
    mapped[...] = GRID
    assert kernel(total)(mapped) == kernel(total)(GRID)


def test_tuples_in_and_out() -> None:
    one = kernel(first)
    assert one((4, 5)) == 4
    assert one((2.5, 4)) == 2.5
    assert one(((1, 2), 3)) == (1, 2)
    assert kernel(mixed)(2) == (2, (True, 2.0), 2)


def test_what_does_not_go_into_a_line() -> None:
    """Text, large integers, tuples with names, arrays of other types: numba's dispatcher does it."""
    one = kernel(first)
    for value in ("text", Pair(7, 8), (1 << 63, 1)):
        assert one(value) == value[0]
    assert one(Pair(7, 8)) == 7
    assert one((7, 8)) == 7
    assert kernel(same)(1 << 63) == 1 << 63
    assert one(GRID) is not None  # an array comes back
    assert one(np.array([1 + 2j])) == 1 + 2j


def test_defaults_and_none() -> None:
    @kernel
    def scaled(x: Any, factor: Any = 3, shift: Any = None) -> Any:
        return x * factor if shift is None else x * factor + shift

    assert (scaled(2), scaled(2, 5), scaled(2, 5, None), scaled(2, 5, 1)) == (6, 10, 10, 11)


def test_arrays_are_written() -> None:
    @kernel
    def fill(x: Any, value: Any) -> None:
        for i in range(x.size):
            x[i] = value

    found = np.zeros(5)
    assert fill(found[1:4], 2) is None
    assert found.tolist() == [0, 2, 2, 2, 0]


def test_memory_of_its_own() -> None:
    @kernel
    def sorted_sum(x: Any) -> Any:
        own = np.sort(x)
        kept = [own[0], own[-1]]
        kept.append(own[1])
        return kept[0] * 100 + kept[1] * 10 + kept[2]

    values = np.array([5, 2, 9, 4])
    assert [sorted_sum(values) for _ in range(100)] == [294] * 100


def test_exceptions() -> None:
    @kernel
    def checked(x: Any) -> Any:
        if x < 0:
            raise ValueError("below zero")
        return x

    @kernel
    def told(x: Any) -> Any:
        if x < 0:
            raise ValueError(x)
        return x

    assert (checked(3), told(3)) == (3, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="below zero"):
            checked(-1)
        with pytest.raises(ValueError, match="-1"):
            told(-1)
    assert checked(4) == 4


def test_no_kind_is_taken_for_another() -> None:
    values = [*VALUES, *ARRAYS.values(), None, (1, 2), (1, 2.0), ((1,), 2), Pair(1, 2), "x", 1 << 70]
    values += [GRID.view(np.matrix), GRID.astype(">f4"), (GRID, 1), (GRID.T, 1)]
    marks = {}
    for value in values:
        found = marks.setdefault(kinds.mark(value), kinds.kind_of(value))
        assert found == kinds.kind_of(value), value


# ---------------------------------------------------------------- without numba

MODULE = """
import numpy as np
from netc.jit import kernel

@kernel
def total(x, scale):
    found = 0.0
    for i in range(x.size):
        found += np.exp(x[i]) * scale
    return found

@kernel
def largest(x):
    return np.sort(x)[-1]

@kernel
def parts(x, count):
    found = 0.0
    for i in range(count):
        y = x / (i + 1)
        found += y[0]
    return found

@kernel
def checked(x):
    if x < 0:
        raise ValueError("below zero")
    return x

@kernel
def told(x):
    if x < 0:
        raise ValueError(x)
    return x
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import kernels_of_a_user as m
import numpy as np
print(m.total(np.zeros(3), 2), m.checked(3), "numba" in sys.modules)
for function in m.checked, m.told:
    try:
        function(-1)
    except ValueError as error:
        print(repr(error))
print(m.largest(np.array([1, 3, 2])), "numba" in sys.modules)
"""


def test_a_second_process_imports_numba_only_for_what_needs_it(tmp_path: Path) -> None:
    (tmp_path / "kernels_of_a_user.py").write_text(MODULE)
    seen = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seen.append(done.stdout.split("\n"))
    assert seen[0][0] == "6.0 3 True"
    assert seen[1][0] == "6.0 3 False"
    assert seen[0][1:] == seen[1][1:] == ["ValueError('below zero')", "ValueError(-1)", "3 True", ""]


@pytest.mark.parametrize("step", [1, -1])
def test_what_makes_arrays_gets_numbas_memory(step: int, tmp_path: Path) -> None:
    """In a process in which nothing has imported numba before, in whatever order the code's names stand."""
    (tmp_path / "kernels_of_a_user.py").write_text(MODULE)
    ordered = f"""
import dataclasses
from netc.jit import objects
load = objects.Loaded.__init__
def loaded(self, made):
    load(self, dataclasses.replace(made, imports=tuple(sorted(made.imports))[::{step}]))
objects.Loaded.__init__ = loaded
print(m.parts(np.array([1.0, 3.0]), 2), "numba" in sys.modules)
"""
    for _ in range(2):
        command = [sys.executable, "-c", RUN[: RUN.index("print")] + ordered, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "1.5 True\n"), done.stderr
