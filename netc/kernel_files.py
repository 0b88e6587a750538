"""The files of the kernel cache: one a compiled kernel, whole or not there, never stale.

numba's own index file is left out on purpose: two processes that start on an empty cache at once can give one number
to two kernels, a cut file raises from deep inside, and its key leaves out what a kernel calls in other files. Here a
file's name is a hash of all that the machine code depends on, its content starts with its digest, and it appears by
rename.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.errors import Code, Diagnostic

CACHE_UNUSABLE = Code(
    "RUN001",
    "the kernel cache cannot be written",
    why="Compiled kernels are kept on disk so that the next start is fast. The cache directory could not be written, "
    "so kernels are compiled again in every process. Numbers are not affected.",
    example="NETC_CACHE_DIR=/read-only netc train nets/digits.net",
    fix="Set NETC_CACHE_DIR to a directory that can be written, or make room on its disk.",
)
DIGEST = 32

warning: Diagnostic | None = None  # what kept the last kernel from being written


def directory() -> Path:
    """Where compiled kernels are kept: `$NETC_CACHE_DIR`, else `netc` in the user's cache directory."""
    if given := os.environ.get("NETC_CACHE_DIR"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "netc" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netc"


@dataclass(frozen=True)
class KernelFiles:
    """The compiled versions of one function. Stands in for numba's IndexDataCacheFile.

    key: a hash of the sources, the compilers and the processor. dumps: numba's pickler.
    """

    name: str
    key: str
    dumps: Callable[[Any], bytes]

    def load(self, signature: Any) -> Any:
        """What was saved for these argument types, or None; a damaged file counts as not there."""
        try:
            content = self._path(signature).read_bytes()
        except OSError:
            return None
        digest, body = content[:DIGEST], content[DIGEST:]
        if hashlib.blake2b(body, digest_size=DIGEST).digest() != digest:
            return None
        return pickle.loads(body)  # written by this program into the user's own cache

    def save(self, signature: Any, data: Any) -> None:
        """Keep a compiled version; a directory that cannot be written leaves a `warning`, and nothing else."""
        global warning
        body = self.dumps(data)
        path = self._path(signature)
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                temporary = file.name
                file.write(hashlib.blake2b(body, digest_size=DIGEST).digest() + body)
            os.replace(temporary, path)
        except OSError as error:
            message = f"cannot write the kernel cache {directory()}: {error.strerror}"
            warning = Diagnostic(CACHE_UNUSABLE, message, help="set NETC_CACHE_DIR", severity="warning")
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)

    def flush(self) -> None:
        """numba's interface: forget everything. File names are hashes, so there is nothing to forget."""

    def _path(self, signature: Any) -> Path:
        name = hashlib.sha256(repr((self.name, self.key, signature)).encode()).hexdigest()[:32]
        return directory() / name[:2] / f"{name}.kernel"
