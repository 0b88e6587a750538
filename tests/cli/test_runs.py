"""Commands about runs and weight files: `netc plot`, `netc summary` and `netc diff` of weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.conftest import Run


def test_curves_of_runs(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "4")
    done = run("plot", "small.net", "small", "-o", "out.svg", "--title", "mine")
    assert done.err == "wrote out.svg\n"
    text = (tmp_path / "out.svg").read_text()
    assert text.startswith("<svg")
    assert ">mine<" in text
    assert run("plot", "small").out.startswith("<svg")
    failed = run("plot", "nothing", "-o", "gone.svg")
    assert failed.code == 1
    assert "error[RUN056]" in failed.err
    assert not (tmp_path / "gone.svg").exists()


def test_weight_files_as_tables(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "2")
    shown = run("summary", "small_iter_2.caffemodel").out
    assert "10x64" in shown
    assert "650" in shown
    found = json.loads(run("summary", "small_iter_2.caffemodel", "--json").out)
    assert [(b["layer"], b["shape"]) for b in found["blobs"]] == [("ip", [10, 64]), ("ip", [10])]
    (tmp_path / "cut.caffemodel").write_bytes((tmp_path / "small_iter_2.caffemodel").read_bytes()[:100])
    assert "error[SNP" in run("summary", "cut.caffemodel").err


def test_weight_files_compared(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "2")
    shutil.copy(tmp_path / "small_iter_2.caffemodel", tmp_path / "same.caffemodel")
    run("train", small, "--iterations", "3")
    same = run("diff", "small_iter_2.caffemodel", "same.caffemodel")
    assert (same.code, same.out) == (0, "the same net\nthe same weights\n")
    other = run("diff", "small_iter_2.caffemodel", "small_iter_3.caffemodel")
    assert other.code == 1
    assert "~ ip[0] differs by" in other.out
    assert "weights: 0 of 2 blobs are the same" in other.out
    found = json.loads(run("diff", "small_iter_2.caffemodel", "small_iter_3.caffemodel", "--json").out)
    assert (found["same"], [w["index"] for w in found["weights"]]) == (False, [0, 1])
    assert 0 < found["weights"][0]["relative"] < 1
