"""Labels and indices on the fast executor: each is looked at before it is used, and what is none is told afterwards.

Positions are in a fixed number of parts, so that sums over them are the same whatever the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netc.fast.machine.addresses import floats, integers
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.jit import kernel
from netc.layer import Array

PARTS = 16
NOT_IGNORED = 1 << 40  # a label that none is
NONE = -1  # the class of a position that does not count


@kernel(inline="always")
def first_of(count: int, part: int) -> Any:
    """The first position of a part; of part PARTS, the number of positions."""
    return count * part // PARTS


@entry
def _classes(
    tid: int, nth: int, labels: Read[Region], classes: Write[Region], valid: Write[Region], wrong: Write[Region],
    count: int, limit: int, ignored: int,
) -> None:  # fmt: skip
    """Labels as classes below `limit`, cut as a C cast does; `NONE` where one is ignored, 0 where it is wrong.

    valid, wrong: how many of each part are not ignored, and how many are no class.
    """
    given, found = floats(labels, count), integers(classes, count)
    for part in share(PARTS, tid, nth):
        counts, bad = 0, 0
        for i in range(first_of(count, part), first_of(count, part + 1)):
            value, there = given[i], 0
            if ignored - 1 < value < ignored + 1 and int(value) == ignored:
                there = NONE
            elif -1 < value < limit:
                there = int(value)
            else:
                bad += 1
            found[i] = there
            counts += 1 if there >= 0 else 0
        integers(valid, PARTS)[part], integers(wrong, PARTS)[part] = counts, bad


@dataclass(frozen=True, slots=True)
class Classes:
    """What labels name: an int64 for each position, and of each part how many count."""

    found: Region
    valid: Region
    count: int


def classes(
    b: Builder, layer: int, bottom: int, limit: int, refuse: Callable[[Array], object], ignored: int | None = None
) -> Classes:
    """Emit what makes classes of a layer's bottom. refuse(values): raises what is wrong with them."""
    slot = b.bottom(layer, bottom)
    labels = b.read_plain(slot).flat
    count = labels.nbytes // 4
    wrong = b.refused_by(layer, slot, 8 * PARTS, refuse)
    found, valid = b.new("classes", 8 * count), b.new("labels that count", 8 * PARTS)
    ignored = NOT_IGNORED if ignored is None else ignored
    b.emit(
        _classes(
            labels=labels, classes=found, valid=valid, wrong=wrong, count=count, limit=limit, ignored=ignored
        ),
        "labels",
    )  # fmt: skip
    return Classes(found, valid, count)
