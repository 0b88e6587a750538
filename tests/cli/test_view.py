"""`netc view` as a person types it."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.pages.test_view import data_of


def test_the_command(run: Run, small: Path, tmp_path: Path) -> None:
    assert "wrote small.html" in run("view", small).err
    run("train", small, "--iterations", "2")
    done = run("view", small, "--weights", "small_iter_2.caffemodel", "-o", "w.html")
    assert "1 layers loaded" in done.err
    assert data_of((tmp_path / "w.html").read_text())["weights"]
    assert run("view", "nothing.net").code == 1
    assert not (tmp_path / "nothing.html").exists()
