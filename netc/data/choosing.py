"""Which records of a source are used, and which stand together: `first`, `count`, `classes`, `per_class`, `together`.

From record `first` on, `count` records; of those the ones of `classes`; of those the first `per_class` of each class.
So parts of a source (for training, for validation) are cut before anything else, and a part has few records of each
class (few shots), or classes of its own (never seen in training).

With `together: k` records come in groups of k of one class, as pairs and triplets in a batch want it. Shuffled, each
epoch makes other groups: what is left of a class (fewer than k) rests in this epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.codes import BAD_CHOICE, BAD_RECORD
from netc.data.order import Order, permutation
from netc.data.reading import problem
from netc.data.source import Opening
from netc.errors import NetError
from netc.schema.record import Record

Records = NDArray[np.intp]
Labels = Callable[[], NDArray[Any] | None]
"""The label of each record (NaN for a bad one), or None if there is none. Costly: only asked for if it matters."""
OfEpoch = Callable[[int, int], Records]
"""From a seed and an epoch to the numbers of its records, in order."""


def by_class(p: Any) -> bool:
    """Whether the fields of a source's message ask for its labels."""
    return bool(len(p.classes) or p.per_class or p.together)


def ordered(
    opening: Opening,
    p: Any,
    count: int,
    labels: Labels | None = None,
    *,
    shuffle: bool = False,
    stream: int = 0,
    start: int = 0,
    of_epoch: OfEpoch | None = None,
) -> Order:
    """The walk over the records that a source's message `p` chooses of `count`.

    labels: None for sources whose messages choose by number only. of_epoch: the order of all, if it is not a plain
    shuffle. Raises NetError(DAT030) if the choice is not one of these records, DAT002 for a bad record whose class is
    asked for.
    """
    records = _part(opening.record, p, count)
    classes = _classes(opening, p, labels, records) if labels is not None and by_class(p) else None
    if classes is not None:
        kept = _kept(opening.record, p, classes)
        records, classes = records[kept], classes[kept]
    if len(records) == count and not (classes is not None and p.together):
        return Order(count, shuffle=shuffle, seed=opening.seed, stream=stream, start=start, of_epoch=of_epoch)
    if classes is not None and p.together:
        groups = _groups(opening.record, records, classes, int(p.together))
        size = sum(group.size - group.size % p.together for group in groups.values())
        walk = _together(groups, int(p.together), stream, shuffle)
    elif of_epoch is not None:
        size, walk = len(records), _among(records, count, of_epoch)
    else:
        size, walk = len(records), _shuffled(records, stream, shuffle)
    together = int(p.together) if classes is not None else 0
    chosen = blake2b(records.astype("<i8").tobytes() + str(together).encode(), digest_size=8).hexdigest()
    return Order(size, shuffle=shuffle, seed=opening.seed, stream=stream, start=start, of_epoch=walk, chosen=chosen)


def part(record: Record, p: Any, count: int) -> slice:
    """The records from `first` on, `count` of them. Raises NetError(DAT030) if there are not as many."""
    first, last = int(p.first), int(p.first + p.count if p.count else count)
    if last > count or (first and first >= count):
        asked = f"{first} to {last - 1}" if p.count else f"from {first} on"
        field = "count" if p.count else "first"
        raise NetError(
            problem(record, BAD_CHOICE, f"records {asked} are asked for, but there are {count:,}", field=field)
        )
    return slice(first, last)


def _part(record: Record, p: Any, count: int) -> Records:
    return np.arange(count)[part(record, p, count)]


def _classes(opening: Opening, p: Any, labels: Labels, records: Records) -> NDArray[Any]:
    record, found = opening.record, labels()
    if found is None:
        field = next(name for name in ("classes", "per_class", "together") if p.has(name))
        raise NetError(
            problem(record, BAD_CHOICE, "its records have not one label each to choose them by", field=field)
        )
    of_records = np.asarray(found, np.float64)[records]
    bad = np.isnan(of_records)
    if bad.any() and opening.on_bad_record == "stop":
        message = f"record {records[bad.argmax()]} has no label that can be read, and records are chosen by it"
        help = "leave bad records out with --on-bad-record skip; `netc data check` names all of them"
        raise NetError(problem(record, BAD_RECORD, message, help))
    return of_records


def _kept(record: Record, p: Any, classes: NDArray[Any]) -> Records:
    """Places of what `classes` and `per_class` keep."""
    wanted = np.unique(classes[~np.isnan(classes)])
    if len(p.classes):
        missing = sorted(set(p.classes) - set(wanted.tolist()))
        if missing:
            message = f"no record is of class {missing[0]}; there are {_shown(wanted)}"
            raise NetError(problem(record, BAD_CHOICE, message, field="classes"))
        wanted = np.array(sorted(set(p.classes)), np.float64)
    each = [np.flatnonzero(classes == one)[: int(p.per_class) or None] for one in wanted]
    return np.sort(np.concatenate(each)) if each else np.arange(0)


def _shown(classes: NDArray[Any]) -> str:
    shown = [f"{one:g}" for one in classes[:12]]
    return ", ".join(shown) + (f" and {len(classes) - 12} more" if len(classes) > 12 else "") or "none"


def _groups(record: Record, records: Records, classes: NDArray[Any], size: int) -> dict[int, Records]:
    groups = {place: records[classes == one] for place, one in enumerate(np.unique(classes))}
    for place, one in enumerate(np.unique(classes)):
        if len(groups[place]) < size:
            message = f"class {one:g} has {len(groups[place])} records, but {size} are to stand together"
            raise NetError(problem(record, BAD_CHOICE, message, field="together"))
    return groups


def _together(groups: dict[int, Records], size: int, stream: int, shuffle: bool) -> OfEpoch:
    def walk(seed: int, epoch: int) -> Records:
        found: list[tuple[int, int, Records]] = []
        for place, records in groups.items():
            turn = permutation(len(records), seed, stream ^ (place + 1) << 32, epoch) if shuffle else slice(None)
            whole = records[turn][: len(records) - len(records) % size].reshape(-1, size)
            found += [(index, place, group) for index, group in enumerate(whole)]
        table = np.array([group for _, _, group in sorted(found, key=lambda each: each[:2])], np.intp)
        if shuffle:
            table = table[permutation(len(table), seed, stream, epoch)]
        return table.reshape(-1)

    return walk


def _among(records: Records, count: int, of_epoch: OfEpoch) -> OfEpoch:
    used = np.zeros(count, np.bool_)
    used[records] = True

    def walk(seed: int, epoch: int) -> Records:
        every = of_epoch(seed, epoch)
        return every[used[every]]

    return walk


def _shuffled(records: Records, stream: int, shuffle: bool) -> OfEpoch:
    def walk(seed: int, epoch: int) -> Records:
        return records[permutation(len(records), seed, stream, epoch)] if shuffle else records

    return walk
