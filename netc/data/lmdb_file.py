"""Reads LMDB databases: the file format of LMDB 0.9 (`mdb.c` of OpenLDAP), with ordinary reads.

The lmdb library maps the file into memory: a file that is shorter than it says, or damaged, ends the process with
SIGBUS. Here every offset is checked, so that a damaged file is a diagnostic. Writing is left to the library.

A file is a row of pages. Pages 0 and 1 are meta pages, the one with the higher transaction number counts: it names the
root of a B+ tree. Branch pages name pages below them; leaf pages hold keys and values, values larger than a page are in
a run of overflow pages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from netc.data.codes import BROKEN, NOT_DATA
from netc.data.mistaken import not_this
from netc.errors import Diagnostic, NetError
from netc.files import open_regular

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_PAGE_HEADER = 16  # page number 8, padding 2, flags 2, then two offsets, or the number of overflow pages
_BRANCH, _LEAF, _OVERFLOW, _LEAF2 = 1, 2, 4, 0x20
_BIG_DATA, _SUB_DATA = 1, 2
_NO_PAGE = 2**64 - 1
_DEEPEST = 32
_LEAST_RECORD = 10  # bytes of a page that a record takes: its offset, and its node without key and value


class _Meta(NamedTuple):
    page_size: int
    flags: int
    entries: int
    root: int
    last_page: int
    transaction: int


class _Page(NamedTuple):
    data: bytes
    leaf: bool
    entries: int


class LmdbFile:
    """The records of an LMDB database in the order of their keys. Not to be used by two threads at once.

    path: the directory of the database, or its `data.mdb`. Raises NetError: DAT003 if the file is damaged, DAT012 if it
    is no LMDB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / "data.mdb" if path.is_dir() else path
        try:
            self._file = open_regular(self.path, buffering=0)
            self._size = self.path.stat().st_size
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise not_this(path, "an LMDB database", f"{self.path} cannot be opened: {reason}") from None
        self._meta = self._newest_meta()
        if self._meta.flags & ~0x08:  # integer keys are read as bytes; duplicates and the like are not
            raise NetError(Diagnostic(NOT_DATA, f"{self.path} has several values for a key, which no Caffe data has"))
        if self._meta.entries * _LEAST_RECORD > self._size:
            raise self._broken(f"it says that it has {self._meta.entries:,} records, more than its bytes can be")
        if self._size < (self._meta.last_page + 1) * self._meta.page_size:
            self._check_reach()
        self._stack: list[tuple[_Page, int]] = []
        self._at = -1
        self._read_to, self._spent = 0, 0  # of a walk from the first record on: the next one, and the bytes so far

    def __len__(self) -> int:
        return self._meta.entries

    def read(self, index: int) -> tuple[bytes, bytes]:
        """Key and value of a record; cheap if `index` is the one after the last read. Raises NetError(DAT003)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index < self._at or self._at < 0:
            self._stack = []
            self._descend(self._meta.root)
            self._at = 0
        while self._at < index:
            page, slot = self._stack[-1]
            step = min(index - self._at, page.entries - slot)
            self._stack[-1] = (page, slot + step)
            self._at += step
            if slot + step == page.entries:
                self._next_leaf()
        page, slot = self._stack[-1]
        record = self._record(page, slot)
        self._count(index, len(record[0]) + len(record[1]))
        return record

    def _count(self, index: int, size: int) -> None:
        """Refuse records that share their bytes: a small file could hold any amount of them."""
        if index == 0:
            self._read_to, self._spent = 0, 0
        if index == self._read_to:
            self._read_to, self._spent = index + 1, self._spent + size
            if self._spent > self._size:
                raise self._broken(f"its first {index + 1:,} records have more bytes than the file")

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for index in range(len(self)):
            yield self.read(index)

    def close(self) -> None:
        self._file.close()

    # ------------------------------------------------------------ the tree

    def _descend(self, number: int) -> None:
        """Walk down to the first leaf below a page."""
        while True:
            if len(self._stack) > _DEEPEST:
                raise self._broken("its tree is deeper than any tree can be")
            page = self._page(number)
            self._stack.append((page, 0))
            if page.leaf:
                return
            number = self._child(page, 0)

    def _next_leaf(self) -> None:
        """After the last record of a leaf: to the first of the next one."""
        self._stack.pop()
        while self._stack:
            page, slot = self._stack.pop()
            if slot + 1 < page.entries:
                self._stack.append((page, slot + 1))
                self._descend(self._child(page, slot + 1))
                return
        raise self._broken(f"it says that it has {len(self):,} records, but has fewer")

    def _check_reach(self) -> None:
        """A file that is shorter than its meta page says may only lack pages that nothing names."""
        todo, most = [self._meta.root] if self._meta.root != _NO_PAGE else [], self._size // self._meta.page_size
        while todo:
            page, most = self._page(todo.pop()), most - 1
            if most < 0:
                raise self._broken("its tree has more pages than the file")
            for slot in range(page.entries):
                if page.leaf:
                    self._value_end(page, slot)
                else:
                    todo.append(self._child(page, slot))

    def _page(self, number: int) -> _Page:
        size = self._meta.page_size
        data = self._read(number * size, size)
        found, flags, lower = struct.unpack_from("<Q2xHH", data)
        count = (lower - _PAGE_HEADER) // 2
        if found != number or flags & _LEAF2 or not flags & (_BRANCH | _LEAF) or not 0 < count <= size // 4:
            raise self._broken(f"page {number} is not a page of the tree")
        return _Page(data, bool(flags & _LEAF), count)

    def _node(self, page: _Page, slot: int) -> tuple[int, int, int, int, int]:
        """Offset, and the four 16-bit words of a node's header."""
        (offset,) = struct.unpack_from("<H", page.data, _PAGE_HEADER + 2 * slot)
        if not _PAGE_HEADER <= offset <= len(page.data) - 8:
            raise self._broken("a page has an entry outside of itself")
        return (offset, *struct.unpack_from("<4H", page.data, offset))

    def _child(self, page: _Page, slot: int) -> int:
        _, low, high, top, _ = self._node(page, slot)
        return low | high << 16 | top << 32

    def _record(self, page: _Page, slot: int) -> tuple[bytes, bytes]:
        offset, low, high, flags, key_size = self._node(page, slot)
        start, size = offset + 8 + key_size, low | high << 16
        key = page.data[offset + 8 : start]
        if flags & _BIG_DATA:
            return key, self._read(self._overflow(page, start), size)
        if flags & _SUB_DATA or start + size > len(page.data):
            raise self._broken(f"the value of key {key!r} is not inside its page")
        return key, page.data[start : start + size]

    def _overflow(self, page: _Page, at: int) -> int:
        """Where the value is whose overflow page a node names."""
        if at + 8 > len(page.data):
            raise self._broken("a page has an entry outside of itself")
        (number,) = struct.unpack_from("<Q", page.data, at)
        place = number * self._meta.page_size
        found, flags = struct.unpack_from("<Q2xH", self._read(place, _PAGE_HEADER))
        if found != number or not flags & _OVERFLOW:
            raise self._broken(f"page {number} is not an overflow page")
        return int(place) + _PAGE_HEADER

    def _value_end(self, page: _Page, slot: int) -> None:
        offset, low, high, flags, key_size = self._node(page, slot)
        if flags & _BIG_DATA:
            end = self._overflow(page, offset + 8 + key_size) + (low | high << 16)
            if end > self._size:
                raise self._short(end)

    # ------------------------------------------------------------ bytes

    def _newest_meta(self) -> _Meta:
        head = self._file.read(4096) or b""
        if len(head) < 152 and self.path.name == "data.mdb":
            raise self._broken(f"it has {len(head)} bytes, less than its two meta pages: it was cut")
        if len(head) < 152 or struct.unpack_from("<I", head, 16)[0] != _MAGIC:
            raise not_this(self.path, "an LMDB database", f"{self.path} is not an LMDB database")
        first = self._parse_meta(head)
        if first.page_size not in {1 << n for n in range(8, 17)}:
            raise self._broken(f"its page size is {first.page_size}")
        if self._size < 2 * first.page_size:
            raise self._broken(f"it has {self._size:,} bytes, less than its two meta pages: it was cut")
        self._file.seek(first.page_size)
        other = self._file.read(152) or b""
        metas = [first]
        if len(other) == 152 and struct.unpack_from("<I", other, 16)[0] == _MAGIC:
            metas.append(self._parse_meta(other)._replace(page_size=first.page_size))
        return max(metas, key=lambda meta: meta.transaction)

    def _parse_meta(self, page: bytes) -> _Meta:
        (version,) = struct.unpack_from("<I", page, 20)
        if version != _VERSION:
            raise NetError(Diagnostic(NOT_DATA, f"{self.path} has version {version} of LMDB's format; netc reads 1"))
        page_size = struct.unpack_from("<I", page, 40)[0]
        _, flags, _, _, _, _, entries, root = struct.unpack_from("<IHHQQQQQ", page, 88)
        last_page, transaction = struct.unpack_from("<QQ", page, 136)
        return _Meta(page_size, flags, entries, root, last_page, transaction)

    def _read(self, place: int, size: int) -> bytes:
        if place + size > self._size:
            raise self._short(place + size)
        self._file.seek(place)
        parts = []
        while size and (part := self._file.read(size)):
            parts.append(part)
            size -= len(part)
        if size:
            raise self._short(place + size)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _short(self, need: int) -> NetError:
        need = max(need, (self._meta.last_page + 1) * self._meta.page_size)
        return self._broken(f"it has {self._size:,} bytes, but needs {need:,}: it was cut")

    def _broken(self, reason: str) -> NetError:
        return NetError(Diagnostic(BROKEN, f"{self.path} is damaged: {reason}"))
