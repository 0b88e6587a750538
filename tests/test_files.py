"""Files as netc opens them: what is read, and what is refused unopened."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc import files
from netc.data import array_files, survey
from netc.data.bad import BadRecordError
from netc.errors import NetError
from tools.attack.files import READERS

KINDS = {
    "fifo": "a named pipe",
    "socket": "a socket",
    "device": "a device",
    "folder": "a directory",
    "proc": "the kernel makes up",
    "endless": "the kernel makes up",
}


@pytest.fixture
def special(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A name of every kind that is no regular file."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    bound = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(tmp_path)  # names of sockets are short
    bound.bind("socket")
    os.chdir(before)
    (tmp_path / "device").symlink_to("/dev/zero")
    with bound:
        found = {name: tmp_path / name for name in ("fifo", "socket", "device", "folder")}
        yield found | {"proc": Path("/proc/self/environ"), "endless": Path("/proc/self/pagemap")}


@pytest.mark.parametrize(("reader", "kind"), [(r, k) for r in READERS for k in KINDS if (r, k) != ("lmdb", "folder")])
def test_readers_refuse_what_is_no_file(reader: str, kind: str, special: dict[str, Path], tmp_path: Path) -> None:
    ending, read = READERS[reader]
    path = tmp_path / f"named{ending}"
    path.symlink_to(special[kind])
    with pytest.raises((NetError, BadRecordError)) as caught:
        read(path)
    if isinstance(caught.value, NetError):  # else the source names the record
        assert str(path) in str(caught.value)
    said = str(caught.value)
    assert KINDS[kind] in said or (kind == "folder" and "is a folder, not" in said)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "folder"])
def test_surveys_refuse_what_is_no_file(kind: str, special: dict[str, Path]) -> None:
    with pytest.raises(NetError) as caught:
        survey.open_dataset(special[kind], decode=True)
    assert caught.value.diagnostics[0].code.id == "DAT012"


@pytest.mark.parametrize("kind", KINDS)
def test_open_regular_says_why(kind: str, special: dict[str, Path]) -> None:
    with pytest.raises(OSError, match=KINDS[kind]):
        files.open_regular(special[kind])


def test_sizes_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 42)  # takes no room on the disk
    for read in (lambda: files.read_regular(path, 1 << 30), lambda: files.check_regular(path, 1 << 30)):
        with pytest.raises(OSError, match=f"{errno.EFBIG}.*at most"):
            read()
    for name in ("weights", "mean", "list", "image", "text"):
        with pytest.raises((NetError, BadRecordError), match=r"at most|more than 8 MB"):
            READERS[name][1](path)


def test_regular_files_are_read_through_links(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"content")
    (tmp_path / "link").symlink_to("there")
    assert files.read_regular(tmp_path / "link", 7) == b"content"
    with pytest.raises(OSError, match="it has 7 bytes; at most 6 are read"):
        files.read_regular(tmp_path / "link", 6)
    with pytest.raises(OSError, match="null"):
        files.open_regular("a\0b")


def test_arrays_are_still_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.arange(3))
    assert array_files.read_npz(tmp_path / "a.npz", ["data"])["data"].tolist() == [0, 1, 2]
    assert list(array_files.read_npz(tmp_path / "a.npz")) == ["data"]
