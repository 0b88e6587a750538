"""The files of the kernel cache: one a compiled kernel, whole or not there, never stale, and nobody else's.

What is in them runs. So they are opened only where the folder and the file belong to this user and nobody else may
write there, and are believed only if they carry a MAC made with a secret of the user, which is kept in another folder.
numba's own index file is left out on purpose: two processes that start on an empty cache at once can give one number
to two kernels, a cut file raises from deep inside, and its key leaves out what a kernel calls in other files.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import pickle
import secrets
import stat
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from netc.errors import Code, Diagnostic
from netc.files import temporary

CACHE_UNUSABLE = Code(
    "RUN001",
    "the kernel cache cannot be used",
    why="Compiled kernels are kept on disk so that the next start is fast. The cache folder could not be written, or "
    "is not safe to use: what is in it runs, so it must belong to you, and nobody else may write there. Kernels are "
    "compiled again in every process. Numbers are not affected.",
    example="NETC_CACHE_DIR=/read-only netc train nets/digits.net",
    fix="Set NETC_CACHE_DIR to a folder of your own that can be written (`chmod 700`), or make room on its disk.",
)
MAC = 32
SECRET = "kernels.key"
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)

warning: Diagnostic | None = None  # what kept kernels from being kept


def cache_warning() -> Diagnostic | None:
    """Why compiled kernels could not be kept, if they could not."""
    return warning


def _tell(warning: Diagnostic) -> None:
    warnings.warn(f"{warning.code.id}: {warning.message} ({warning.help})", RuntimeWarning, stacklevel=2)


on_warning: Callable[[Diagnostic], None] = _tell  # told once a process


class RefusedError(Exception):
    """A folder or file that is not to be trusted; the message says why."""


def directory() -> Path:
    """Where compiled kernels are kept: `$NETC_CACHE_DIR`, else `netc` in the user's cache folder.

    Raises RefusedError where there is no home to have one in.
    """
    if given := os.environ.get("NETC_CACHE_DIR"):
        return Path(given).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home()) / "netc" / "cache"
    return _base("XDG_CACHE_HOME", ".cache") / "netc"


def _base(variable: str, name: str) -> Path:
    """A folder of the XDG specification, which says that a path that is not absolute is ignored."""
    given = Path(os.environ.get(variable) or "")
    return given if given.is_absolute() else _home() / name


def _home() -> Path:
    try:
        home = Path.home()
    except RuntimeError as error:  # no HOME, and the user is not in the system's list
        raise RefusedError("there is no home folder; set NETC_CACHE_DIR") from error
    if not home.is_absolute():
        raise RefusedError(f"the home folder {home} is not an absolute path; set NETC_CACHE_DIR")
    return home


@dataclass(frozen=True)
class KernelFiles:
    """The compiled versions of one function.

    key: a hash of all that the machine code depends on; None: it is not known, so nothing is kept.
    """

    name: str
    key: str | None

    def load(self, signature: object) -> Any:
        """What was saved for these argument types, or None; a file that is damaged or not ours counts as not there."""
        if self.key is None:
            return None
        try:
            folder = directory()
            _trusted_folder(folder)
            content = _read(folder / self._name(signature))
            if content is None:
                return None
            mac, body = content[:MAC], content[MAC:]
            if not hmac.compare_digest(_mac(_secret(folder), self._name(signature), body), mac):
                return None
        except (RefusedError, OSError) as error:
            _warn(error)
            return None
        return pickle.loads(body)  # written by this program for this user: the MAC says so

    def keep(self, signature: object, data: object, dumps: Callable[[Any], bytes] = pickle.dumps) -> None:
        """Keep a compiled version; a folder that cannot be used leaves a `warning`, and nothing else."""
        if self.key is None:
            return
        body = dumps(data)
        try:
            folder = directory()
            _make(folder)
            mac = _mac(_secret(folder), self._name(signature), body)
            _write(folder / self._name(signature), mac + body)
        except (RefusedError, OSError) as error:
            _warn(error)

    def _name(self, signature: object) -> str:
        return hashlib.sha256(repr((self.name, self.key, signature)).encode()).hexdigest()[:40] + ".kernel"


def _mac(secret: bytes, name: str, body: bytes) -> bytes:
    """Of the content and of the name that it has: one kernel is not to be taken for another either."""
    return hmac.digest(secret, name.encode() + b"\0" + body, "sha256")


def _warn(error: Exception) -> None:
    global warning
    if warning is not None:
        return
    reason = str(error) if isinstance(error, RefusedError) else _reason(error)
    message = f"the kernel cache cannot be used: {reason}"
    help = "kernels are compiled again each time; set NETC_CACHE_DIR to a folder of your own"
    warning = Diagnostic(CACHE_UNUSABLE, message, help=help, severity="warning")
    on_warning(warning)


def _reason(error: Exception) -> str:
    strerror, name = getattr(error, "strerror", None), getattr(error, "filename", None)
    return f"{name}: {(strerror or str(error)).lower()}" if name else (strerror or str(error)).lower()


# ---------------------------------------------------------------- folders and files that are ours


def _make(folder: Path) -> None:
    """Make the folder, for this user alone, and see that it is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _trusted_folder(folder)


def _trusted_folder(folder: Path) -> None:
    """Raise RefusedError unless the folder, if it is there, and a link to it, are this user's to write alone."""
    try:
        link = os.lstat(folder)
        found = os.stat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise RefusedError(f"{folder} is not a folder")
    for status in (link, found):
        _check_owner(status, folder)
    _check_mode(found, folder)


def _check_owner(status: os.stat_result, path: Path) -> None:
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise RefusedError(f"{path} belongs to another user (number {status.st_uid})")


def _check_mode(status: os.stat_result, path: Path) -> None:
    if os.name == "posix" and status.st_mode & OTHERS_MAY_WRITE:
        raise RefusedError(f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):o}): chmod go-w {path}")


def _read(path: Path) -> bytes | None:
    """A file of this user that nobody else may write; None if there is none. Raises RefusedError, OSError."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise RefusedError(f"{path} is a symbolic link") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(f"{path} is not a regular file")
        _check_owner(status, path)
        _check_mode(status, path)
        return file.read()


def _write(path: Path, content: bytes) -> None:
    """Whole or not there. Nothing is flushed to the disk: a file that a crash cuts has a wrong MAC."""
    with temporary(path) as (file, name):
        _put(file, content)
        os.replace(name, path)


def _put(file: BinaryIO, content: bytes) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), 0o600)
    file.write(content)
    file.flush()


# ---------------------------------------------------------------- the secret


def _secret(folder: Path) -> bytes:
    """The user's secret, made when it is first needed. In the user's folder for settings; else with the kernels."""
    try:
        return _secret_of(_base("XDG_CONFIG_HOME", ".config") / "netc")
    except (RefusedError, OSError):
        return _secret_of(folder)


@functools.cache
def _secret_of(folder: Path) -> bytes:
    _make(folder)
    path = folder / SECRET
    for _ in range(2):
        found = _read(path)
        if found is not None and len(found) == MAC:
            return found
        if found is not None:  # cut by a full disk: the kernels that it vouched for are compiled again
            path.unlink(missing_ok=True)
        _make_secret(path)
    found = _read(path)
    if found is None or len(found) != MAC:
        raise RefusedError(f"{path} cannot be made")
    return found


def _make_secret(path: Path) -> None:
    """Of processes that start at once, the first one's is all of theirs."""
    with temporary(path) as (file, name), suppress(FileExistsError):
        _put(file, secrets.token_bytes(MAC))
        os.fsync(file.fileno())
        os.link(name, path)
