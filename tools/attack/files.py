"""Files under attack: what is no file as a source, writers at once, writers that are killed, locks that are fought for.

- `special`: a random reader is given a FIFO, a socket, a device, a folder, a link in a circle or a file of `/proc`: it
  must refuse it with a diagnostic, without waiting.
- `writers`: several processes write one file at once: what is there is all of one of them, and nothing else is left.
- `kills`: a process is killed at a random moment of writing: the file is the old one or the new one.
- `locks`: several processes take one lock at once, some are killed with it: never do two have it.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from netc import files, language, locks
from netc.api.preprocess import given_mean
from netc.catalogue import catalogue
from netc.convert import files as convert_files
from netc.convert import safetensors
from netc.data import array_files, hdf5, idx, images, lists, lmdb_file
from netc.data.bad import BadRecordError
from netc.errors import NetError
from netc.schema import weights
from netc.solve import hdf5 as solve_hdf5
from netc.solve import snapshots
from tools.attack import Tally

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "text": ("", language.read_text),
    "weights": (".caffemodel", snapshots.read_weights),
    "hdf5 weights": (".h5", solve_hdf5.read_weights),
    "solver state": (".solverstate", snapshots.read_state),
    "mean": (".binaryproto", weights.read_blob),
    "array mean": (".npy", lambda path: given_mean(str(path), 3)),
    "safetensors": (".safetensors", safetensors.load),
    "convert": (".bin", convert_files.read),
    "list": (".txt", lists.read_list),
    "image": (".png", lambda path: images.read_image(path, "color")),
    "idx": (".idx", idx.read_idx),
    "npz": (".npz", lambda path: array_files.read_npz(path, ["data"])),
    "csv": (".csv", array_files.read_csv),
    "hdf5": (".h5", hdf5.open_hdf5),
    "lmdb": (".mdb", lmdb_file.LmdbFile),
    "layer file": (".py", lambda path: catalogue((path,))),
}
DEVICES = ("/dev/zero", "/dev/random", "/dev/tty", "/proc/self/environ", "/proc/self/pagemap", "/proc/kmsg")
SPECIAL = (*DEVICES, "fifo", "socket", "folder", "circle", "missing")
SECONDS = 10


def special(folder: Path, chance: random.Random, tally: Tally) -> None:
    kind, reader = chance.choice(SPECIAL), chance.choice(list(READERS))
    ending, read = READERS[reader]
    path = folder / f"named{ending}"
    made = folder / kind
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == "fifo":
            os.mkfifo(made)
        elif kind == "socket":
            bound.bind(str(made))
        elif kind == "folder":
            made.mkdir()
        elif kind == "circle":
            made.symlink_to(path)
        path.symlink_to(kind)
        start = time.monotonic()
        try:
            read(path)
            if (reader, kind) != ("lmdb", "folder"):
                tally.fail(f"{reader} read {kind}")
        except (NetError, BadRecordError):
            pass
        if time.monotonic() - start > SECONDS:
            tally.fail(f"{reader} waited for {kind}")


def content(number: int, size: int) -> bytes:
    """Bytes that say whose they are, everywhere."""
    return bytes([65 + number]) * size


def write(path: Path, data: bytes) -> None:
    """In pieces, so that it takes a while."""

    def pieces(file: BinaryIO) -> None:
        for start in range(0, len(data), 1 << 14):
            file.write(data[start : start + (1 << 14)])
            file.flush()

    files.write_whole(path, pieces)


def child(work: Callable[[], object]) -> int:
    """A process that does this and ends, without Python's end."""
    process = os.fork()
    if process == 0:
        code = 1
        with suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return process


def writers(folder: Path, chance: random.Random, tally: Tally) -> None:
    path, size = folder / "file", chance.randrange(1, 1 << 20)
    count = chance.randrange(2, 6)
    processes = [child(lambda n=n: write(path, content(n, size + n))) for n in range(count)]  # type: ignore[misc]
    codes = [os.waitpid(process, 0)[1] for process in processes]
    if any(codes) or path.read_bytes() not in [content(n, size + n) for n in range(count)]:
        tally.fail(f"{count} writers of {size} bytes: {codes}, {len(path.read_bytes())} bytes are there")
    if os.listdir(folder) != ["file"]:
        tally.fail(f"{count} writers left {os.listdir(folder)}")


def kills(folder: Path, chance: random.Random, tally: Tally) -> None:
    path, size = folder / "run_iter_1", chance.randrange(1, 1 << 20)
    old, new = content(0, size), content(1, size + 1)
    path.write_bytes(old)
    process = child(lambda: write(path, new))
    time.sleep(chance.random() * 0.004)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    found = path.read_bytes()
    tally.add("files that were new" if found == new else "files that were old")
    if found not in (old, new):
        tally.fail(f"killed while writing {size} bytes: {len(found)} bytes are there")
    files.remove_temporaries(folder, "run_iter_")
    if os.listdir(folder) != ["run_iter_1"]:
        tally.fail(f"a killed writer left {os.listdir(folder)}")


def fought(folder: Path, chance: random.Random, tally: Tally) -> None:
    path, inside = folder / "lock", folder / "inside"

    def fight(dies: bool) -> None:
        for _ in range(20):
            try:
                held = locks.take(path)
            except locks.InUseError:
                continue
            with suppress(FileNotFoundError):
                if inside.read_text() != "dead":
                    os._exit(7)  # another one is inside
            inside.write_text("alive")
            time.sleep(0.0005)
            if dies:
                inside.write_text("dead")
                os.kill(os.getpid(), signal.SIGKILL)
            inside.unlink()
            locks.give_back(held, path)

    dying = [chance.random() < 0.3 for _ in range(3)]
    processes = [child(lambda d=d: fight(d)) for d in dying]  # type: ignore[misc]
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    if any(code not in (0, -signal.SIGKILL) for code in codes):
        tally.fail(f"two had the lock: {codes}")
    locks.give_back(locks.take(path), path)


KINDS = {"special": special, "writers": writers, "kills": kills, "locks": fought}


def run(count: int, seed: int) -> Tally:
    """Inputs of all kinds, in turn."""
    tally = Tally()
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        tally.add(name)
        with tempfile.TemporaryDirectory() as folder, tally.attempt(f"{name}, input {number} of seed {seed}"):
            KINDS[name](Path(folder), random.Random(f"{seed} {number}"), tally)
    return tally
