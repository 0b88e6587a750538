"""Databases that netc makes: whole or not there, by one process at a time, whatever their records are called."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import locks
from netc.data import writing
from netc.data.lists import Listed, read_folder
from netc.data.lmdb_file import LmdbFile
from netc.errors import NetError
from tests.cli.conftest import COMMAND, environment
from tests.data.common import images

MAKE = """
import sys
import numpy as np
from pathlib import Path
from netc.data import writing
seed, count, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
pixels = np.random.default_rng(seed).integers(0, 256, (count, 1, 4, 4), np.uint8)
made = writing.make(out, writing.array_items(pixels, np.full(count, seed)), skip=False, progress=lambda done: None)
print(made.written + made.before)
"""


def items(count: int, label: int = 0) -> list[writing.Item]:
    return writing.array_items(images(count), np.full(count, label))


def make(path: Path, made: list[writing.Item], skip: bool = False) -> writing.Made:
    return writing.make(path, made, skip=skip, progress=lambda done: None)


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Whoever is second is refused, while the first writes or when it is done; the records are all of one."""
    refused = 0
    for turn in range(6):
        out = tmp_path / f"db{turn}"
        command = [[sys.executable, "-c", MAKE, str(seed), "4000", str(out)] for seed in (1, 2)]
        running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in command]
        answers = [process.communicate() for process in running]
        done = [seed for seed, (text, _) in enumerate(answers, 1) if text == "4000\n"]
        refused += sum("DAT015" in err for _, err in answers)
        assert len(done) == 1, answers
        found = list(LmdbFile(out))
        assert found == [(key, value()) for key, value in seeded(done[0], 4000)]
        assert os.listdir(tmp_path) == [out.name]
        for name in ("data.mdb", "lock.mdb"):
            (out / name).unlink()
        out.rmdir()
    assert refused == 6


def seeded(seed: int, count: int) -> list[writing.Item]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 1, 4, 4), np.uint8)
    return writing.array_items(pixels, np.full(count, seed))


def test_a_target_in_use_is_refused(tmp_path: Path) -> None:
    held = locks.take(tmp_path / ".db.part.lock")
    with pytest.raises(NetError, match=f"db is being written by process {os.getpid()} on") as caught:
        make(tmp_path / "db", items(3))
    assert [d.code.id for d in caught.value.diagnostics] == ["DAT015"]
    locks.give_back(held, tmp_path / ".db.part.lock")
    assert os.listdir(tmp_path) == []
    assert make(tmp_path / "db", items(3)).written == 3


def test_what_another_program_puts_meanwhile_is_seen(tmp_path: Path) -> None:
    """The result of every put is looked at: LMDB leaves out what is not behind the last record, without a word."""

    def intrudes() -> bytes:
        program = "import lmdb, sys\nwith lmdb.open(sys.argv[1]) as e, e.begin(write=True) as t: t.put(b'zzz', b'')"
        subprocess.run([sys.executable, "-c", program, str(tmp_path / ".db.part")], check=True)
        return b"value"

    with pytest.raises(NetError, match="something else writes it") as caught:
        make(tmp_path / "db", [(b"00000000", lambda: b"value"), (b"00000001", intrudes)])
    assert [d.code.id for d in caught.value.diagnostics] == ["DAT015"]
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2])
def test_a_killed_run_leaves_nothing_at_the_place(tmp_path: Path, moment: float) -> None:
    command = [sys.executable, "-c", MAKE, "1", "60000", str(tmp_path / "db")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (tmp_path / ".db.part").exists() and process.poll() is None:
        time.sleep(0.001)
    time.sleep(moment)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "db").exists()
    done = make(tmp_path / "db", seeded(1, 60000))
    assert done.before + done.written == 60000
    assert [key for key, _ in LmdbFile(tmp_path / "db")] == [f"{n:08}".encode() for n in range(60000)]
    assert os.listdir(tmp_path) == ["db"]


@pytest.mark.parametrize("names", [(), ("lock.mdb",), ("lock.mdb", "data.mdb")])
def test_a_run_killed_before_lmdb_has_written_anything_is_begun_anew(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / ".db.part").mkdir()
    for name in names:
        (tmp_path / ".db.part" / name).touch()
    assert make(tmp_path / "db", items(3)).written == 3
    assert os.listdir(tmp_path) == ["db"]


def test_what_is_no_database_stays(tmp_path: Path) -> None:
    (tmp_path / ".db.part").mkdir()
    (tmp_path / ".db.part" / "notes.txt").write_text("mine")
    with pytest.raises(NetError, match="is no database"):
        make(tmp_path / "db", items(3))
    assert (tmp_path / ".db.part" / "notes.txt").read_text() == "mine"


def test_nothing_is_left_of_a_database_without_a_record(tmp_path: Path) -> None:
    def bad() -> bytes:
        raise writing.BadRecordError("it is bad")

    with pytest.raises(NetError):
        make(tmp_path / "db", [(b"00000000_a", bad)])
    assert os.listdir(tmp_path) == []


def test_a_folder_without_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(_: Path) -> int:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks, "take", take)
    made = make(tmp_path / "db", items(3))
    assert made.written == 3
    assert made.warning is not None
    assert made.warning.code.id == "SNP030"


def test_paths_longer_than_a_key(tmp_path: Path) -> None:
    """LMDB takes 511 bytes: the end of the path is cut, and the number in front keeps keys apart."""
    listed = [Listed("d/" * 400 + name, 0) for name in ("a", "\udcff" * 20, "\u00e4" * 300)]
    keys = [key for key, _ in writing.image_items(listed, writing.ImageOptions(tmp_path))]
    assert all(len(key) <= 511 for key in keys)
    assert len(set(keys)) == 3
    made = make(tmp_path / "db", [(key, lambda: b"value") for key in keys])
    assert made.written == 3
    assert make(tmp_path / "db", [(key, lambda: b"value") for key in keys]).before == 3


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(writing.encode_image(images(1, (6, 5, 3))[0], "png"))


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb", b"\x1b[31mred", "a\u00e4".encode(), b"[bold]"])
def test_classes_of_any_name(tmp_path: Path, name: bytes) -> None:
    """Names that are no UTF-8, or that would end a line of labels.txt."""
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"photos", name)))
    picture(folder / "1.png")
    picture(tmp_path / "photos" / "zebra" / "2.png")
    run: dict[str, Any] = {"cwd": tmp_path, "env": environment(), "capture_output": True}
    done = subprocess.run([*COMMAND, "data", "images", "photos", "db"], check=False, **run)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"wrote 2 records to db" in done.stderr
    lines = (tmp_path / "db" / "labels.txt").read_bytes().split(b"\n")
    assert lines == [name.replace(b"\n", b"\\x0a").replace(b"\x1b", b"\\x1b"), b"zebra", b""]
    assert next(key for key, _ in LmdbFile(tmp_path / "db")) == b"00000000_" + name + b"/1.png"
    for what in ("info", "check"):
        done = subprocess.run([*COMMAND, "data", what, "photos"], check=False, **run)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout + done.stderr
    assert len(read_folder(tmp_path / "photos")[1]) == 2
