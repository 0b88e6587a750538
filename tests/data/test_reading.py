"""Reading ahead: the same batches for any number of threads, and nothing left behind."""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from netc.data import reading
from netc.data.bad import BadRecordError
from netc.data.content import digest
from netc.data.draws import Draws
from netc.data.order import Order, Ticket
from netc.data.reading import Reading
from netc.data.source import Opening
from netc.errors import NetError
from tests.data.common import batches, layer, same


class Slow:
    """Records that take a random time; every third epoch's record 4 is bad."""

    shapes = ((3,), ())
    slow = True

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 7

    def name(self, record: int) -> str:
        return f"number {record}"

    def content(self) -> Iterator[bytes]:
        yield b"numbers"

    def fetch(self, record: int) -> int:
        return record

    def fill(self, item: int, ticket: Ticket, rows: Sequence[np.ndarray]) -> None:
        draws = Draws(1, ticket)
        time.sleep(draws.uniform(0) * 0.002)
        if item in self.bad:
            raise BadRecordError("it is bad")
        rows[0][0] = draws.normal(1, 3)
        rows[1][0] = item


def source(bad: Sequence[int] = (), on_bad: str = "stop", ahead: int = 3) -> Reading:
    record = layer("Digits", "digits_param { batch_size: 5 }")
    opening = Opening(record, "TRAIN", 3, on_bad)  # type: ignore[arg-type]
    return Reading(opening, Slow(frozenset(bad)), Order(7, shuffle=True, seed=3), 5, ahead)


def test_threads_do_not_change_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in (1, 2, 5):
        pool = ThreadPoolExecutor(threads)
        monkeypatch.setattr(reading, "_decoders", lambda pool=pool: pool)
        found.append(batches(source(bad=(4,), on_bad="skip", ahead=threads), 9))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_the_state_is_that_of_the_batch_handed_out() -> None:
    reader = source()
    fixed = {"seed": 3, "count": 7, "content": digest([b"numbers"])}
    assert reader.state() == {"epoch": 0, "position": 0, **fixed}
    batches(reader, 2)
    assert reader.state() == {"epoch": 1, "position": 3, **fixed}
    names = [reader.name_of(item) for item in range(5)]
    assert names == [f"number {int(n)}" for n in batches(source(), 2)[1][1]]


def test_a_reader_that_tells_nothing_goes_on_all_the_same() -> None:
    reader = source()
    reader.reader = type("Silent", (), {name: getattr(Slow, name) for name in vars(Slow) if name != "content"})()
    assert "content" not in reader.state()
    reader.restore({**reader.state(), "content": "another"})


def test_a_bad_record_stops_at_its_batch_and_stays_there() -> None:
    good = batches(source(), 1)
    bad = next(n for n in range(7) if n not in good[0][1])
    reader = source(bad=(bad,))
    assert same(batches(reader, 1), good)
    state = reader.state()
    for _ in range(2):
        with pytest.raises(NetError, match=f"number {bad}: it is bad"):
            batches(reader, 1)
        assert reader.state() == state


def test_another_batch_size_starts_where_the_last_ended() -> None:
    reader = source()
    batches(reader, 1)
    out = [np.empty((3, 3), np.float32), np.empty(3, np.float32)]
    reader.next(out)
    assert reader.state()["epoch"] == 1
    order = Order(7, shuffle=True, seed=3)
    order.take(5)
    assert out[1].tolist() == order.take(3).tolist()


def test_a_source_that_is_dropped_leaves_no_thread() -> None:
    before = threading.active_count()
    readers = [source() for _ in range(5)]
    for reader in readers:
        batches(reader, 1)
    del reader, readers
    deadline = time.monotonic() + 5
    while any(t.name.startswith("netc-data") for t in threading.enumerate()) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("netc-data")], before


def test_float64_nets_get_float64() -> None:
    reader = source()
    out = [np.empty((5, 3)), np.empty(5)]
    reader.next(out)
    np.testing.assert_array_equal(out[0].astype(np.float32), batches(source(), 1)[0][0])
