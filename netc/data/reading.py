"""From records to batches: reads ahead in threads of its own, in an order that nothing but the seed decides.

One thread prepares batch after batch; the records of a batch that take long to decode are spread over more threads.
Each record is written to its own place and draws its own random numbers, so the bits are the same however many threads
there are. The state is that of the batch last handed out, not of those read ahead.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.codes import BAD_RECORD, MISSING_DATA, NO_RECORDS, WRONG_PLACE
from netc.data.content import digest
from netc.data.order import Order, Ticket
from netc.data.paths import meant_source
from netc.data.source import Opening
from netc.errors import Code, Diagnostic, NetError, Span
from netc.layer import Array, Shape
from netc.schema.record import Record

_MOST_AHEAD = 1 << 30  # bytes of batches that are read ahead
_MOST_NAMED = 1000


class Reader(Protocol):
    """The records of a source, by number.

    shapes: of one record in each top, without the batch axis. slow: whether `fill` takes long enough to use threads.
    """

    @property
    def shapes(self) -> tuple[Shape, ...]: ...

    @property
    def slow(self) -> bool: ...

    def __len__(self) -> int: ...

    def name(self, record: int) -> str:
        """The record's name for people: its key, path or row."""

    def fetch(self, record: int) -> Any:
        """What `fill` needs of a record; called in the order of the batches, by one thread. Raises BadRecordError."""

    def fill(self, item: Any, ticket: Ticket, rows: Sequence[Array]) -> None:
        """Write a record into its row of each top (first axis 1); called by any thread. Raises BadRecordError."""


@runtime_checkable
class Told(Protocol):
    """A reader that tells its records from others, so that a run does not go on in other data without a word."""

    def content(self) -> Iterator[bytes]:
        """Of the records what is cheap to read (`netc/data/content.py`). Called while other threads read."""


@runtime_checkable
class Labelled(Protocol):
    """A reader that has one label for each record, which records can be chosen by."""

    def labels(self) -> Array | None:
        """One number a record, NaN for a bad one; None if they have none, or several, after all."""


@runtime_checkable
class Varying(Protocol):
    """A reader whose records may have shapes of their own, where a batch is one record.

    varies: whether they do; `fetch` then makes the record, so that its shape is known.
    """

    varies: bool

    def shapes_of(self, item: Any) -> tuple[Shape, ...]:
        """Of a fetched record in each top, without the batch axis."""


class Batch(NamedTuple):
    """Values of the tops, the state of the order after them, and the records that they come from."""

    tops: list[Array]
    state: dict[str, Any]
    records: list[int]


class Reading:
    """A `Source` that reads batches of a reader ahead. `bad`: the records left out, by name, and why.

    ahead: batches read ahead, fewer if they are very large.
    """

    def __init__(self, opening: Opening, reader: Reader, order: Order, batch: int, ahead: int = 3) -> None:
        if not order.count:
            raise NetError(problem(opening.record, NO_RECORDS, "its data has no records"))
        self.reader = reader
        self.order = order
        self.bad: dict[str, str] = {}
        self.records: list[int] = []
        self._batch = batch
        self.layer = opening.record
        self._skip = opening.on_bad_record == "skip"
        order.even = not self._skip
        self._state = order.state()
        self._ready: deque[Future[Batch]] = deque()
        self._free: deque[list[Array]] = deque()
        self._size = -1
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="netc-data")
        size = 4 * batch * sum(int(np.prod(shape)) for shape in reader.shapes)
        self._ahead = max(1, min(ahead, _MOST_AHEAD // max(size, 1)))

    def shapes(self) -> tuple[Shape, ...]:
        return tuple((self._batch, *shape) for shape in self.reader.shapes)

    def next(self, out: Sequence[Array]) -> None:
        """Fill the tops. Raises NetError: DAT002 for a bad record (unless they are skipped), DAT011."""
        if len(out[0]) != self._size:
            self._start_again(len(out[0]))
        while len(self._ready) < self._ahead:
            self._ready.append(self._thread.submit(self._prepare, self._size))
        try:
            batch = self._ready.popleft().result()
        except NetError:
            self._start_again(self._size)  # what was read ahead comes after a hole
            raise
        self._ready.append(self._thread.submit(self._prepare, self._size))
        self.give(out, batch.tops)
        if not self._varies(self._size):
            self._free.append(batch.tops)
        self._state, self.records = batch.state, batch.records

    def upcoming(self) -> tuple[Shape, ...]:
        """The shapes of the tops in the next batch, for batches of one record; () if they are always the same."""
        if not self._varies(1):
            return ()
        if self._size != 1:
            self._start_again(1)
        while len(self._ready) < self._ahead:
            self._ready.append(self._thread.submit(self._prepare, 1))
        try:
            return tuple(top.shape for top in self._ready[0].result().tops)
        except NetError:
            return ()  # `next` says what is wrong

    def _varies(self, size: int) -> bool:
        return size == 1 and isinstance(self.reader, Varying) and self.reader.varies

    def give(self, out: Sequence[Array], tops: Sequence[Array]) -> None:
        """Copy a batch into the layer's tops."""
        for top, values in zip(out, tops, strict=False):
            np.copyto(top, values, casting="unsafe")

    def state(self) -> dict[str, Any]:
        return {**self._state, **({"content": self._content} if self._content else {})}

    @cached_property
    def _content(self) -> str | None:
        return digest(self.reader.content()) if isinstance(self.reader, Told) else None

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises NetError(DAT010) if it is one of other data."""
        check_content(self.layer, self.order.count, self._content, state)
        self._drop()
        self.order.restore(state)
        self._state = self.order.state()

    def name_of(self, item: int) -> str:
        """The name of the record that is at a place of the batch last handed out."""
        return self.reader.name(self.records[item])

    # ------------------------------------------------------------ ahead of the net

    def _start_again(self, size: int) -> None:
        self._drop()
        self.order.restore(self._state)
        self._size = size
        self._free.clear()

    def _drop(self) -> None:
        """Forget what was read ahead, once nothing works on it any more."""
        for future in self._ready:
            future.cancel()
        for future in self._ready:
            if not future.cancelled():
                future.exception()
        self._ready.clear()

    def _prepare(self, size: int) -> Batch:
        return self._prepare_one() if self._varies(size) else self._prepare_like(size)

    def _prepare_one(self) -> Batch:
        """A batch of one record, in its own shape."""
        bad = set[int]()
        while len(bad) < self.order.count:
            (ticket,) = self.order.walk(1)
            try:
                item = self.reader.fetch(ticket.record)
                assert isinstance(self.reader, Varying)
                tops = [np.empty((1, *shape), np.float32) for shape in self.reader.shapes_of(item)]
                self.reader.fill(item, ticket, tops)
            except BadRecordError as error:
                self._refuse(ticket.record, error)
                bad.add(ticket.record)
                continue
            return Batch(tops, self.order.state(), [ticket.record])
        raise NetError(problem(self.layer, NO_RECORDS, "all records are bad"))

    def _prepare_like(self, size: int) -> Batch:
        tops = self._free.popleft() if self._free else [np.empty((size, *s), np.float32) for s in self.reader.shapes]
        records, bad = [0] * size, set()
        slots = list(range(size))
        while slots:
            steps = list(zip(slots, self.order.walk(len(slots)), strict=True))
            reasons = self._fill(steps, tops)
            for (slot, ticket), reason in zip(steps, reasons, strict=True):
                records[slot] = ticket.record
                if reason is not None:
                    self._refuse(ticket.record, reason)
                    bad.add(ticket.record)
            slots = [slot for slot, reason in zip(slots, reasons, strict=True) if reason is not None]
            if slots and len(bad) >= self.order.count:
                raise NetError(problem(self.layer, NO_RECORDS, "all records are bad"))
        return Batch(tops, self.order.state(), records)

    def _fill(self, steps: list[tuple[int, Ticket]], tops: list[Array]) -> list[BadRecordError | None]:
        """Fill the slots; for each None, or why its record is bad."""

        def fetched(ticket: Ticket) -> Any:
            try:
                return self.reader.fetch(ticket.record)
            except BadRecordError as error:
                return error

        def fill(slot: int, ticket: Ticket, item: Any) -> BadRecordError | None:
            if isinstance(item, BadRecordError):
                return item
            try:
                self.reader.fill(item, ticket, [top[slot : slot + 1] for top in tops])
            except BadRecordError as error:
                return error
            return None

        if self.reader.slow and len(steps) > 1:
            futures = [_decoders().submit(fill, slot, ticket, fetched(ticket)) for slot, ticket in steps]
            return [future.result() for future in futures]
        return [fill(slot, ticket, fetched(ticket)) for slot, ticket in steps]

    def _refuse(self, record: int, reason: BadRecordError) -> None:
        name = self.reader.name(record)
        if not self._skip:
            help = reason.help or "leave bad records out with --on-bad-record skip; `netc data check` names all of them"
            raise NetError(problem(self.layer, BAD_RECORD, f"{name}: {reason}", help))
        if len(self.bad) < _MOST_NAMED:
            self.bad[name] = str(reason)


def check_content(layer: Record, count: int, content: str | None, state: Mapping[str, Any]) -> None:
    """Refuse a state of as many records that were others (DAT010)."""
    if content and state.get("content", content) != content and state.get("count") == count:
        message = f"the source has {count:,} records as when the snapshot was made, but others"
        raise NetError(problem(layer, WRONG_PLACE, message, WRONG_PLACE.fix))


def problem(layer: Record, code: Code, message: str, help: str | None = None, field: str = "source") -> Diagnostic:
    """A diagnostic about the data of a layer; its span is that of a field of the layer's own message, if it has it."""
    return Diagnostic.of_layer(layer, code, message, _span(layer, field), (), help, field=field)


def missing(layer: Record, message: str, name: str) -> NetError:
    """That the data of a layer is not there (DAT016), and where it is looked for. name: its path in the net's file."""
    help = (
        meant_source(layer, name)
        or "put it there, or correct the path: it is tried from here, then from the net's folder and those above it"
    )
    return NetError(problem(layer, MISSING_DATA, message, help))


@contextmanager
def blamed(layer: Record, field: str = "source") -> Iterator[None]:
    """Within `with`, diagnostics about files say which layer they are for."""
    try:
        yield
    except NetError as error:
        found = [problem(layer, d.code, d.message, d.help, field) for d in error.diagnostics]
        raise NetError(found) from None


def _span(layer: Record, field: str) -> Span | None:
    for value in layer.values.values():
        if isinstance(value, Record) and value.has(field):
            return value.span_of(field)
    return layer.span


@cache
def _decoders() -> ThreadPoolExecutor:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(min(count, 8), thread_name_prefix="netc-decode")
