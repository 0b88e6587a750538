"""Whose kernels run: only those that this user's netc has put into a folder where nobody else may write."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc import kernel_files
from netc.kernel_files import KernelFiles

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="this system has no owners and modes of files as POSIX has")


class Canary:
    """A pickle that leaves a file where it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelFiles]:
    monkeypatch.setenv("NETC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(kernel_files, "warning", None)
    monkeypatch.setattr(kernel_files, "on_warning", lambda warning: None)
    kernel_files._secret_of.cache_clear()
    yield KernelFiles("name", "key")
    kernel_files._secret_of.cache_clear()


def the_file(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache").glob("*.kernel")
    return found


def refused(files: KernelFiles, message: str) -> None:
    assert files.load("sig") is None
    assert kernel_files.warning is not None
    assert kernel_files.warning.code.id == "RUN001"
    assert message in kernel_files.warning.message


def test_what_is_made_is_this_users_alone(files: KernelFiles, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.keep("sig", [1])
    finally:
        os.umask(before)
    assert files.load("sig") == [1]
    modes = {
        p.relative_to(tmp_path).parts[0] + p.suffix: stat.S_IMODE(p.stat().st_mode)
        for p in (
            tmp_path / "cache",
            the_file(tmp_path),
            tmp_path / "config/netc",
            tmp_path / "config/netc/kernels.key",
        )
    }
    assert modes == {"cache": 0o700, "cache.kernel": 0o600, "config": 0o700, "config.key": 0o600}
    assert kernel_files.warning is None


def test_a_forged_file_is_not_opened(files: KernelFiles, tmp_path: Path) -> None:
    """Not one that others made, nor one that was made for something else."""
    files.keep("sig", [1])
    path, canary = the_file(tmp_path), tmp_path / "canary"
    content = path.read_bytes()
    path.write_bytes(content[: kernel_files.MAC] + pickle.dumps(Canary(canary)))
    assert files.load("sig") is None
    assert not canary.exists()
    files.keep("other", [2])
    for other in (tmp_path / "cache").glob("*.kernel"):
        other.write_bytes(content)
    assert (files.load("sig"), files.load("other")) == ([1], None)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o720])
def test_a_folder_where_others_may_write(files: KernelFiles, tmp_path: Path, mode: int) -> None:
    files.keep("sig", [1])
    (tmp_path / "cache").chmod(mode)
    refused(files, "others may write to")
    before = the_file(tmp_path).stat().st_mtime_ns
    files.keep("sig", [2])
    assert the_file(tmp_path).stat().st_mtime_ns == before


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
def test_a_file_that_others_may_write(files: KernelFiles, tmp_path: Path, mode: int) -> None:
    files.keep("sig", [1])
    the_file(tmp_path).chmod(mode)
    refused(files, "others may write to")
    files.keep("sig", [2])
    assert files.load("sig") == [2]


@pytest.mark.parametrize("whose", ["cache", "kernel"])
def test_a_folder_or_file_of_another_user(
    files: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """As root: really given away; else: this user is told to be another one."""
    files.keep("sig", [1])
    path = tmp_path / "cache" if whose == "cache" else the_file(tmp_path)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    elif whose == "cache":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    else:
        check, me = kernel_files._check_owner, os.getuid()

        def only_files(status: os.stat_result, of: Path) -> None:
            monkeypatch.setattr(os, "geteuid", lambda: me + 1 if of.suffix == ".kernel" else me)
            check(status, of)

        monkeypatch.setattr(kernel_files, "_check_owner", only_files)
    refused(files, "belongs to another user")


def test_links(files: KernelFiles, tmp_path: Path) -> None:
    """One in place of a file is refused, and never written through; a link of this user's to the folder is followed."""
    files.keep("sig", [1])
    path, victim = the_file(tmp_path), tmp_path / "victim"
    path.rename(victim)
    path.symlink_to(victim)
    content = victim.read_bytes()
    refused(files, "is a symbolic link")
    files.keep("sig", [2])
    assert victim.read_bytes() == content
    assert files.load("sig") == [2]
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    assert files.load("sig") == [2]


def test_a_pipe_in_place_of_a_file(files: KernelFiles, tmp_path: Path) -> None:
    files.keep("sig", [1])
    path = the_file(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    refused(files, "is not a regular file")


def test_the_secret(files: KernelFiles, tmp_path: Path) -> None:
    """Another one makes all kernels strangers; one that was cut is made anew."""
    files.keep("sig", [1])
    secret = tmp_path / "config/netc/kernels.key"
    for content in (b"x" * 32, b"cut"):
        secret.write_bytes(content)
        kernel_files._secret_of.cache_clear()
        assert files.load("sig") is None
        files.keep("sig", [1])
        assert files.load("sig") == [1]
    assert len(secret.read_bytes()) == 32
    assert kernel_files.warning is None


def test_without_a_folder_for_settings_the_secret_is_with_the_kernels(
    files: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("not a folder")
    files.keep("sig", [1])
    assert files.load("sig") == [1]
    assert (tmp_path / "cache/kernels.key").exists()


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"NETC_CACHE_DIR": "/x/y"}, "/x/y"),
        ({"NETC_CACHE_DIR": "y"}, "{cwd}/y"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/netc"),
        ({"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache/netc"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/netc"),
    ],
)
def test_where_the_cache_is(variables: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NETC_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(kernel_files.directory()) == place.format(cwd=Path.cwd())


# ---------------------------------------------------------------- whole commands

READ_ONLY = "the kernel cache cannot be used"
HOMELESS = """
import os, pwd, sys
def gone(*_): raise KeyError("uid not found")
pwd.getpwuid = gone
os.environ.pop("HOME", None)
from netc.cli import main
main()
"""
PLAIN = "from netc.cli import main\nmain()\n"


def command(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }\n'
        'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }\n'
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NETC_"))}
    return subprocess.run(
        [sys.executable, "-c", code, "time", "net.prototxt", "--executor", "fast", "--iterations", "1"],
        cwd=folder, env={**env, "PYTHONPATH": str(ROOT), **variables}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def unwritable(folder: Path) -> str:
    """A cache folder that nobody can make, root neither: its parent is a file."""
    (folder / "file").write_text("")
    return str(folder / "file/cache")


@pytest.mark.parametrize("case", ["a file in its way", "no home", "a folder without rights", "a home without rights"])
def test_a_cache_that_cannot_be_is_said_once_and_done_without(case: str, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    code, variables = {
        "a file in its way": (PLAIN, {"NETC_CACHE_DIR": unwritable(tmp_path)}),
        "no home": (HOMELESS, {}),
        "a folder without rights": (PLAIN, {"NETC_CACHE_DIR": str(closed)}),
        "a home without rights": (PLAIN, {"HOME": str(closed)}),
    }[case]
    done = command(code, tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    may_write = os.geteuid() == 0 and "rights" in case  # nothing is closed to root
    assert done.stderr.count("RUN001") == (0 if may_write else 1)
