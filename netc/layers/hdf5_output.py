"""HDF5Output: writes blobs to an HDF5 file.

Computes:
    Every forward pass appends the rows of the first bottom to the dataset `data` and those of the second to the dataset
    `label` of the file `file_name`, which is made anew by the first pass.

Shapes:
    Two bottoms with the same number of items; no tops.

Gradient:
    None: the layer gives no gradient to its bottoms.

Caffe notes:
    Caffe writes the datasets of one forward pass and fails on the second; netc appends. The first pass makes a whole
    file or none; later ones append in place, so a process that is killed meanwhile may leave a file that HDF5 cannot
    read. The next run makes it anew. The package h5py is needed.
    Files outside the working folder are written with `--allow-writes` only, and none while a net is timed or checked.
"""

import importlib
from pathlib import Path
from typing import Any

from netc.errors import Code, Diagnostic, NetError
from netc.files import open_regular, write_whole
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    MISSING_FIELD,
    NONE,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role
from netc.writes import refused

CANNOT_WRITE = Code(
    "LAY113",
    "an HDF5 file cannot be written",
    why="HDF5Output writes what the net computes into a file, with the package h5py.",
    example='hdf5_output_param { file_name: "/no/such/folder/out.h5" }',
    fix="Use a path that can be written, or install what is missing: pip install 'netc[data]'.",
)


def setup(site: Site) -> Setup:
    data, label = site.bottoms
    if not site.p.file_name:
        site.refuse(MISSING_FIELD, "needs file_name, the file to write", "file_name")
    if not data or not label or data[0] != label[0]:
        message = f"its bottoms, {format_shape(data)} and {format_shape(label)}, need the same number of items"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    return Setup(tops=(), reads=())


def forward(call: Call) -> None:
    path = _path(call)
    if path is None:
        return
    try:
        h5py: Any = importlib.import_module("h5py")
        if call.memory.get("started") == path:
            with h5py.File(path, "a") as file:
                _add(file, call)
        else:
            write_whole(path, lambda file: _make(h5py, file, call))
            call.memory["started"] = path
    except (ImportError, OSError) as error:
        said = f'cannot write "{call.p.file_name}": {error}'
        raise NetError(Diagnostic.of_layer(call.record, CANNOT_WRITE, said, field="file_name")) from error


def _path(call: Call) -> Path | None:
    """The file, or None where nothing is to be written; a file of another kind is never replaced."""
    try:
        path = call.writes.path(call.p.file_name)
        if path is not None and call.memory.get("started") != path and not _is_hdf5_or_new(path):
            raise PermissionError(0, "there is a file that is no HDF5 file", call.p.file_name)
    except OSError as error:
        raise NetError(refused(call.record, call.p, "file_name", error)) from None
    return path


def _is_hdf5_or_new(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(8) in (b"", b"\x89HDF\r\n\x1a\n")
    except FileNotFoundError:
        return True


def _make(h5py: Any, target: Any, call: Call) -> None:
    with h5py.File(target, "w") as file:
        _add(file, call)


def _add(file: Any, call: Call) -> None:
    for name, bottom in zip(("data", "label"), call.bottoms, strict=True):
        _append(file, name, bottom)


def _append(file: Any, name: str, rows: Any) -> None:
    if name not in file:
        file.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]), chunks=True)
        return
    dataset = file[name]
    dataset.resize(len(dataset) + len(rows), axis=0)
    dataset[-len(rows) :] = rows


HDF5_OUTPUT = LayerType(
    "HDF5Output",
    __doc__,
    setup,
    forward,
    param="hdf5_output_param",
    bottoms=Arity(2, 2),
    tops=NONE,
    role=Role("measure", end="measure", writes="file_name"),
    examples=(Example('hdf5_output_param { file_name: "out.h5" }', inputs=(Input((4, 3, 2, 2)), Input((4,))), tops=0),),
    refuses=(
        Refused(MISSING_FIELD, bottoms=((4, 3), (4,)), tops=0),
        Refused(BAD_BOTTOM_SHAPE, 'hdf5_output_param { file_name: "x" }', bottoms=((4, 3), (5,)), tops=0),
    ),
    codes=(CANNOT_WRITE,),
)
