"""CifarData: CIFAR-10's binary files (Krizhevsky 2009), read as they are: a data layer for `--layers`, with its reader.

Computes:
    Batches of images (top 0) and, if there is a second top, of their classes 0..9: the records of the files that
    `source` names, separated by commas, one file after the other and from the start again at the end; with `shuffle`
    in another order in every epoch. Channels are red, green, blue, as in the files. `transform_param` works as in Data.

Shapes:
    batch_size x 3 x 32 x 32 (or the crop's size), and batch_size.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer: its example converts the files to a database. https://www.cs.toronto.edu/~kriz/cifar.html
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from netc.data.codes import BAD_ARRAY, MISSING_DATA
from netc.data.content import of_arrays
from netc.data.order import Order, Ticket
from netc.data.paths import find
from netc.data.reading import Reading, problem
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, transformed
from netc.errors import NetError
from netc.layer import (
    MISSING_FIELD,
    NONE,
    Arity,
    Array,
    Example,
    LayerType,
    Param,
    Phase,
    Refused,
    Setup,
    Shape,
    Site,
)
from netc.role import Role
from netc.schema.declare import Message, optional
from netc.schema.record import Record

IMAGE: Shape = (3, 32, 32)
RECORD = np.dtype([("label", "u1"), ("image", "u1", IMAGE)])

# ---------------------------------------------------------------- the layer

OWN = Param(
    optional("cifar_data_param", 9002, "CifarDataParameter", doc="Fields of CifarData layers."),
    (
        Message(
            "CifarDataParameter",
            (
                optional("source", 1, "string", doc="Files, separated by commas: data_batch_1.bin, ..."),
                optional("batch_size", 2, "uint32", 0, "Images in a batch."),
                optional("shuffle", 3, "bool", False, "Another order in every epoch."),
            ),
            doc="CIFAR-10's binary files.",
        ),
    ),
)


def setup(site: Site) -> Setup:
    if not site.p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    return Setup(tops=site.given or shapes_of(site.record), reads=())


def shapes_of(record: Record) -> tuple[Shape, ...]:
    """The shapes of the layer's tops, which do not depend on the files."""
    size = int(record.cifar_data_param.batch_size)
    return ((size, *transformed(record, IMAGE)), (size,))[: len(record.top)]


# ---------------------------------------------------------------- its reader


class CifarReader:
    """Records of all files, one after the other. label: whether the second top wants it."""

    def __init__(self, opening: Opening, records: Array) -> None:
        self._records, self._label = records, len(opening.record.top) > 1
        self._transform = Transform(opening, IMAGE)
        self.slow = self._transform.slow

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self._transform.shape, ()) if self._label else (self._transform.shape,)

    def __len__(self) -> int:
        return len(self._records)

    def name(self, record: int) -> str:
        return f"image {record}"

    def content(self) -> Iterator[bytes]:
        return of_arrays([self._records["image"], self._records["label"]])

    def fetch(self, record: int) -> int:
        return record

    def fill(self, item: int, ticket: Ticket, rows: Sequence[Array]) -> None:
        record = self._records[item]
        self._transform(record["image"], rows[0][0], ticket)
        if self._label:
            rows[1][0] = record["label"]


def paths_of(record: Record) -> list[Path] | None:
    """The files, None if one is not there."""
    found = [find(record, name.strip()) for name in record.cifar_data_param.source.split(",")]
    return [path for path in found if path is not None] if all(found) else None


def open_source(opening: Opening) -> Source:
    record, p = opening.record, opening.record.cifar_data_param
    paths = paths_of(record)
    if paths is None:
        raise NetError(problem(record, MISSING_DATA, f'not all of "{p.source}" are there'))
    for path in paths:
        if path.stat().st_size % RECORD.itemsize:
            message = f"{path} has {path.stat().st_size:,} bytes, which are no records of {RECORD.itemsize:,}"
            raise NetError(problem(record, BAD_ARRAY, message))
    reader = CifarReader(opening, np.concatenate([np.fromfile(path, RECORD) for path in paths]))
    order = Order(len(reader), shuffle=p.shuffle, seed=opening.seed, stream=opening.stream)
    return Reading(opening, reader, order, int(p.batch_size))


def probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    return None if paths_of(record) is None or not record.cifar_data_param.batch_size else shapes_of(record)


CIFAR_DATA = LayerType(
    "CifarData",
    __doc__,
    setup,
    param="cifar_data_param",
    own=OWN,
    also=("transform_param",),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    role=Role("source"),
    data=SourceType("CifarData", open_source, probe),
    examples=(Example('cifar_data_param { source: "data_batch_1.bin" batch_size: 64 }', inputs=(), tops=2),),
    refuses=(Refused(MISSING_FIELD, 'cifar_data_param { source: "x.bin" }', bottoms=(), tops=2),),
)
