"""Files as netc opens them: regular files only to read, and whole files only to write.

Reading: a name in a net, a list or a command may be that of a FIFO, a device, a folder or a file of `/proc`; opening
one may wait for ever, and reading it may never end. `open_regular` looks first. What is wrong is an `OSError`, as it is
for a file that is missing: the reader turns it into a diagnostic of its own.

Writing: `write_whole` makes a file under a random name beside its target and renames it, so that at any moment there is
the old file or the new one, whoever else writes, and whenever the process or the machine ends.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

FilePath = str | os.PathLike[str]

_ALWAYS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _ALWAYS
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | _ALWAYS
_MOST_LINKS = 40
_LONGEST_NAME = 200  # bytes of a name that its temporary name repeats; file systems take 255

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


# ---------------------------------------------------------------- reading


def near(name: FilePath, folder: Path | None, *, folders: bool = False) -> Path | None:
    """The file of this name, or None: from the current directory, as in Caffe, then from a folder and those above it.

    folder: that of the file in which the name stands. folders: a folder is meant, too (an LMDB). A name that no file
    can have is nowhere.
    """
    for start in (Path(), *((folder, *folder.parents) if folder is not None else ())):
        with suppress(OSError, ValueError):
            path = start / name
            if path.exists() if folders else path.is_file():
                return path
    return None


def open_regular(path: FilePath, most: int | None = None, *, buffering: int = -1) -> BinaryIO:
    """A regular file, open to read bytes; of at most `most` bytes, if given.

    Raises OSError, whose `strerror` says why: the file is missing, it is a folder, a pipe, a device or a socket, it is
    in `/proc` or `/sys` (such files have no size, and reading one may wait for ever), or it is too large (EFBIG).
    """
    try:
        _refuse(os.stat(path), most, path)  # before it is opened: opening a device may do something
        descriptor = os.open(path, _READ)
    except ValueError as error:  # a name that no file can have
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from None
    try:
        _refuse(os.fstat(descriptor), most, path)
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: FilePath, most: int) -> bytes:
    """All bytes of a regular file. Raises OSError as `open_regular`."""
    with open_regular(path, most, buffering=0) as file:  # a buffer would hold all of it a second time
        size = min(most, os.fstat(file.fileno()).st_size)
        data = file.read(size + 1)  # `read` takes the memory first
        while len(data) <= size and (more := file.read(size + 1 - len(data))):
            data += more
    if len(data) > most:  # it has grown meanwhile
        raise _too_large(len(data), most, path)
    return data


def text_of(data: bytes) -> str:
    """The text in the bytes of a file: UTF-8, without the byte order mark that editors on Windows put before it.

    Other bytes become lone surrogates (`surrogateescape`), so that names in any encoding survive.
    """
    return data.decode("utf-8-sig", "surrogateescape")


def check_regular(path: FilePath, most: int | None = None) -> None:
    """Raise OSError as `open_regular`: for libraries that open a file by its name."""
    open_regular(path, most).close()


def _refuse(found: os.stat_result, most: int | None, path: FilePath) -> None:
    name = os.fspath(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", name)
    if found.st_dev in _pseudo_devices():
        raise OSError(errno.EINVAL, "it is a file that the kernel makes up, not one on a disk", name)
    if most is not None and found.st_size > most:
        raise _too_large(found.st_size, most, path)


def _too_large(size: int, most: int, path: FilePath) -> OSError:
    return OSError(errno.EFBIG, f"it has {size:,} bytes; at most {most:,} are read", os.fspath(path))


@cache
def _pseudo_devices() -> frozenset[int]:
    """The devices of `/proc` and `/sys`."""
    found = set[int]()
    for root in ("/proc", "/sys"):
        with suppress(OSError):
            found.add(os.stat(root).st_dev)
    with suppress(OSError):
        found.discard(os.stat("/").st_dev)  # empty folders, where neither is mounted
    return frozenset(found)


# ---------------------------------------------------------------- writing


def write_whole(path: FilePath, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that at any moment there is the old one or the new one, flushed to the disk. Raises OSError.

    write: writes the content into a file that can seek. A symbolic link is followed, and what it points to is written.
    What is no regular file (a device, a pipe, `/dev/stdout`) is written into and never replaced. A file that is there
    keeps its mode and must be writable; a new one gets the mode that the umask says.
    """
    target = real_path(path)
    if target is None:
        buffer = io.BytesIO()
        write(buffer)
        with os.fdopen(open_to_append(path), "wb") as stream:
            stream.write(buffer.getbuffer())
        return
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    with temporary(target) as (file, name):
        write(file)
        file.flush()
        if before is not None:
            _keep(file, before)
        os.fsync(file.fileno())
        os.replace(name, target)
    flush_folder(target.parent)


def write_bytes(path: FilePath, content: bytes) -> None:
    """As `write_whole`, for content that is there already."""
    write_whole(path, lambda file: file.write(content))


def open_to_append(path: FilePath) -> int:
    """A descriptor of a file that is there or is made, whose writes go to its end. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _ALWAYS, 0o666)


def open_lock(path: FilePath) -> int:
    """A descriptor of a lock file, which is made if it is not there; links are not followed. Raises OSError."""
    flags = os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _ALWAYS
    try:
        return os.open(path, os.O_RDWR | flags, 0o666)
    except PermissionError:  # another user's, which can be read at least
        return os.open(path, os.O_RDONLY | flags & ~os.O_CREAT)


@contextmanager
def temporary(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file of a random name beside a target, and its path; if it is still there at the end, it is removed."""
    name = target.with_name(f".{_short(target.name)}.{os.urandom(8).hex()}.tmp")
    descriptor = os.open(name, _NEW, 0o666)
    try:
        with os.fdopen(descriptor, "wb+") as file:
            yield file, name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def remove_temporaries(folder: Path, prefix: str) -> None:
    """Remove what killed processes left of files whose names start so; no living one may be writing them."""
    for name in _temporaries(folder, prefix):
        with suppress(OSError):
            os.unlink(folder / name)


def _temporaries(folder: Path, prefix: str) -> list[str]:
    with suppress(OSError):
        start = f".{_short(prefix)}"
        return [n for n in os.listdir(folder) if n.startswith(start) and _is_temporary(n)]
    return []


def _is_temporary(name: str) -> bool:
    random, ending = name[-20:-4], name[-4:]
    return ending == ".tmp" and name[-21:-20] == "." and not set(random) - set("0123456789abcdef")


def _short(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])


def real_path(path: FilePath) -> Path | None:
    """Where a file is written, links followed; None for what is written into instead: no regular file.

    Raises OSError for a folder, a circle of links, and (EACCES) a link that another user put into a folder where all
    may write: the kernel does not follow these either, to protect those who write under names that can be guessed.
    """
    at = Path(path)
    with suppress(FileNotFoundError):
        mode = os.stat(at).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(at))
        if not stat.S_ISREG(mode):
            return None
    for _ in range(_MOST_LINKS):
        if not at.is_symlink():
            return at
        link, folder = at.lstat(), at.parent.stat()
        if link.st_dev in _pseudo_devices():  # /dev/stdout: a file that is open already
            return None
        shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
        if shared and link.st_uid not in (os.geteuid(), folder.st_uid):
            raise PermissionError(errno.EACCES, "it is a link of another user", str(at))
        at = at.parent / os.readlink(at)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _keep(file: BinaryIO, before: os.stat_result) -> None:
    """Give a file the mode of the one that it replaces, and its owner if that is allowed."""
    if os.name != "posix":
        return
    now = os.fstat(file.fileno())
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with suppress(OSError):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & 0o777)


def flush_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, where that can be done."""
    if os.name != "posix":
        return
    with suppress(OSError):  # a folder that may be written but not read, a file system without it
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
