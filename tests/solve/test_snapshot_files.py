"""Files that are whole or not there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from netc.errors import NetError
from netc.solve.snapshot_files import probe, read_message, write_message, write_whole


def test_round_trip_and_every_cut(tmp_path: Path) -> None:
    path, content = tmp_path / "a.caffemodel", bytes(range(200))
    write_message(path, lambda file: file.write(content))
    whole = path.read_bytes()
    assert read_message(path).endswith(content)
    for size in range(13, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(NetError) as caught:
            read_message(path)
        assert [d.code.id for d in caught.value.diagnostics] == ["SNP023"]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fails(file: BinaryIO) -> None:
        file.write(b"new")
        raise OSError(28, "No space left on device")

    with pytest.raises(NetError) as caught:
        write_whole(path, fails)
    assert str(caught.value) == f"error[SNP020]: {path} cannot be written: no space left on device"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_missing_directory(tmp_path: Path) -> None:
    problem = probe(tmp_path / "missing" / "lenet_iter_0")
    assert problem is not None
    assert problem.code.id == "SNP020"
    assert problem.help == f"make the directory {tmp_path / 'missing'}"
    assert probe(tmp_path / "lenet_iter_0") is None
    assert not list(tmp_path.iterdir())


def test_killed_while_writing(tmp_path: Path) -> None:
    """The file is the old one until the new one is whole, whenever the process dies."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    program = """
import os, sys
from pathlib import Path
from netc.solve.snapshot_files import write_whole
def write(file):
    file.write(b"x" * 100000); file.flush()
    os.kill(os.getpid(), 9)
write_whole(Path(sys.argv[1]), write)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
