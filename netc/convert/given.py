"""Inputs that a user gives to check on: arrays in a .npz file."""

from __future__ import annotations

from pathlib import Path

from netc.convert.check import Inputs
from netc.convert.codes import BAD_GIVEN
from netc.convert.model import Checkable
from netc.data.array_files import read_npz
from netc.errors import Diagnostic, NetError


def given_inputs(it: Checkable, path: Path) -> list[Inputs]:
    """The inputs in a .npz file: an array for each input of the net, by blob name; the only array for the only input.

    Raises NetError: CNV015 where an input has no array or one with another number of axes, and as reading does.
    """
    arrays, shapes = read_npz(path), {name: array.shape for name, array in it.net().inputs.items()}
    if len(arrays) == len(shapes) == 1:
        arrays = dict(zip(shapes, arrays.values(), strict=True))
    for name, shape in shapes.items():
        if name not in arrays:
            have = ", ".join(arrays) or "none"
            raise NetError(Diagnostic(BAD_GIVEN, f'{path} has no array for the input "{name}"; it has {have}'))
        if arrays[name].ndim != len(shape):
            said = f"{arrays[name].ndim} axes, the input has {len(shape)}"
            raise NetError(Diagnostic(BAD_GIVEN, f'{path}: "{name}" has {said}', help=BAD_GIVEN.fix))
    return [{name: arrays[name].astype("float32") for name in shapes}]
