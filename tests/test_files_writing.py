"""The one writer: files are whole or not there, whoever else writes, and nothing but a regular file is replaced."""

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from netc import files


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert len(os.listdir(tmp_path)) == 2

    files.write_whole(path, write)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for error in (KeyboardInterrupt, OSError(28, "full"), ValueError):

        def write(file: BinaryIO, error: Any = error) -> None:
            file.write(b"new")
            raise error

        with pytest.raises(error if isinstance(error, type) else type(error)):
            files.write_whole(path, write)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a"]


def test_writers_at_once_never_mix(tmp_path: Path) -> None:
    """Each of eight writers has a temporary file of its own; what is there at the end is all of one."""
    path = tmp_path / "a"
    for _ in range(20):
        barrier = threading.Barrier(8)

        def write(byte: bytes, barrier: threading.Barrier = barrier) -> None:
            def slowly(file: BinaryIO) -> None:
                for _ in range(50):
                    file.write(byte * 100)
                    file.flush()

            barrier.wait()
            files.write_whole(path, slowly)

        threads = [threading.Thread(target=write, args=(bytes([65 + i]),)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(path.read_bytes())) == 1
        assert path.stat().st_size == 5000
        assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_modes(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.write_bytes(tmp_path / "new", b"")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~mask
        (tmp_path / "new").chmod(0o640)
        files.write_bytes(tmp_path / "new", b"")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path: Path, there: bool) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "target"
    if there:
        target.write_bytes(b"old")
    (tmp_path / "one").symlink_to("folder/two")
    (tmp_path / "folder" / "two").symlink_to(target)
    files.write_bytes(tmp_path / "one", b"new")
    assert target.read_bytes() == b"new"
    assert (tmp_path / "one").is_symlink()
    assert sorted(os.listdir(tmp_path / "folder")) == ["target", "two"]


def test_circles_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        files.write_bytes(tmp_path / "a", b"")


def test_a_link_that_another_user_put_into_a_shared_folder_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "victim").write_bytes(b"precious")
    (shared / "guessed").symlink_to(tmp_path / "victim")
    files.write_bytes(shared / "guessed", b"mine")  # a link of our own
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)  # now it is another user's
    monkeypatch.setattr(Path, "stat", _owned_by(Path.stat, shared, real + 2))
    with pytest.raises(PermissionError, match="another user"):
        files.write_bytes(shared / "guessed", b"bad")
    assert (tmp_path / "victim").read_bytes() == b"mine"


def _owned_by(stat: Any, path: Path, owner: int) -> Any:
    """`Path.stat` that gives one path another owner."""

    def fake(self: Path, **options: Any) -> os.stat_result:
        found: os.stat_result = stat(self, **options)
        return os.stat_result([*found[:4], owner, *found[5:]]) if self == path else found

    return fake


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        got: list[bytes] = []
        thread = threading.Thread(target=lambda got=got: got.append((tmp_path / "pipe").read_bytes()))
        thread.start()
        files.write_whole(tmp_path / name, _backwards)
        thread.join()
        assert got == [b"first second"]
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def _backwards(file: BinaryIO) -> None:
    """What is written need not be in order: sizes stand in front of what they count."""
    file.write(b"..... second")
    file.seek(0)
    file.write(b"first")


def test_a_device_is_written_into() -> None:
    """A terminal: a device that every user can make, in a folder where no file can be."""
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    before = os.stat(name)
    files.write_bytes(name, b"hello")
    assert os.read(ours, 100) == b"hello"
    assert os.path.samestat(os.stat(name), before)
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_open_files_are_appended_to(name: str, tmp_path: Path) -> None:
    """The name of a file that is open already: what was written before and comes after stays."""
    program = (
        f"import os; os.write(1, b'a'); from netc import files; files.write_bytes({name!r}, b'b'); os.write(1, b'c')"
    )
    with (tmp_path / "out").open("ab") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"abc"


def test_folders_and_what_is_missing_are_errors(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        files.write_bytes(tmp_path, b"")
    with pytest.raises(FileNotFoundError):
        files.write_bytes(tmp_path / "missing" / "a", b"")


def test_names_of_the_greatest_length(tmp_path: Path) -> None:
    for name in ("a" * 255, "\u00e4" * 127):
        files.write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "run_iter_5.caffemodel"
    program = f"""
import os
from pathlib import Path
from netc import files
files.write_whole(Path({str(path)!r}), lambda file: os._exit(9))
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".run_iter_5.caffemodel.")
    for other in (
        ".run_iter_x.tmp",
        "run_iter_5.caffemodel.0123456789abcdef.tmp",
        ".other_iter_5.0123456789abcdef.tmp",
    ):
        (tmp_path / other).touch()
    files.remove_temporaries(tmp_path, "run_iter_")
    assert left not in os.listdir(tmp_path)
    assert len(os.listdir(tmp_path)) == 3


# ---------------------------------------------------------------- who else opens files

MAY_WRITE = {
    "files.py": {"os.open", "os.replace", "os.fdopen"},  # the one writer
    "kernel_files.py": {"folder.mkdir", "folder.parent.mkdir", "os.fdopen", "os.link", "os.open", "os.replace"},
    "api/metrics.py": {"os.replace", "directory.mkdir"},  # the file of the run before; TensorBoard's folder
    "layers/hdf5_output.py": {"h5py.File"},  # adds rows to the file that it made
    "report/curve_files.py": {"image.save"},  # into memory
    "api/history.py": {"made.save"},  # a Plot's, which the one writer writes
    "api/notebook.py": {"made.save"},  # a Drawing's, so too
    "cli/new.py": {"path.parent.mkdir"},  # folders of what a net imports
    "data/writing.py": {"library.open", "os.replace"},  # LMDB writes its own pages
    "solve/snapshots.py": {"mkdtemp"},  # where the last snapshot goes if its place is full
    "solve/hdf5.py": {"_h5py().File"},  # into the file that the one writer gives
    "convert/hdf5.py": {"h5py.File"},  # in memory
    "data/images.py": {"pillow().fromarray(np.ascontiguousarray(shown)).save"},  # in memory
    "cli/predict.py": {"np.savez"},  # in memory
    "cli/_predictions.py": {"np.save", "h5py().File", "folder.mkdir"},  # in memory; the folder that --maps names
    "cli/_streams.py": {"os.open"},  # the null device, for streams that are closed
    "cli/_files.py": {"path.mkdir"},  # the folder that `convert` writes into
    "convert/torch/runner.py": {"path.write_text"},  # in a folder that is temporary: what --check runs
    "jit/helper.py": {"os.fdopen", "os.open"},  # its pipe to the process that asked, and the null device for modules
}
METHODS = {"write_text", "mkdir", "savez", "save", "mkdtemp", "mkstemp", "NamedTemporaryFile", "symlink_to", "tofile"}
METHODS |= {"hardlink_to", "makedirs", "savetxt", "savez_compressed", "copyfile", "copy2", "memmap"}
OF_OS = {"open", "replace", "rename", "link", "symlink", "mkfifo", "mknod", "truncate", "fdopen"}
MODES = {mode + more for mode in ("w", "a", "x", "r+", "rb+", "r+b") for more in ("", "b", "+", "b+", "t")}


def opens_to_write(call: ast.Call) -> bool:
    """Whether a call may make or change a file, by its name and by the mode that it gives."""
    name = ast.unparse(call.func)
    owner, _, last = name.rpartition(".")
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    modes = {node.value for value in given for node in ast.walk(value) if isinstance(node, ast.Constant)}
    if owner == "os":
        return last in OF_OS
    if last in ("open", "File"):
        return owner == "library" or bool(modes & MODES)
    if last == "write_bytes":
        return owner not in ("", "files")
    return last in METHODS and bool(owner or last.startswith("mk"))


def test_nobody_else_opens_files_to_write() -> None:
    root, found = Path(files.__file__).parent, dict[str, set[str]]()
    for path in root.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        found[path.relative_to(root).as_posix()] = {ast.unparse(c.func) for c in calls if opens_to_write(c)}
    assert {name: calls for name, calls in found.items() if calls} == MAY_WRITE
