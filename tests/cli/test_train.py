"""`netc train` and `netc test` in real processes: results, resume, signals, places that cannot be written."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, SMALL, Run, environment


def last_line(text: str) -> dict[str, object]:
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_train_reports_its_result(run: Run, small: Path, tmp_path: Path) -> None:
    done = run("train", small, "--json")
    result = last_line(done.out)
    assert done.code == 0
    assert list(result) == ["iterations", "loss", "test", "seconds", "snapshot"]
    assert result["iterations"] == 40
    assert result["test"][0]["accuracy"] > 0.8  # type: ignore[index]
    assert (tmp_path / str(result["snapshot"])).is_file()
    assert "iteration 20: test: accuracy" in done.err


def test_the_same_seed_gives_the_same_bits(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--threads", "1")
    first = (tmp_path / "small_iter_40.caffemodel").read_bytes()
    run("train", small, "--threads", "2")
    assert (tmp_path / "small_iter_40.caffemodel").read_bytes() == first
    run("train", small, "--seed", "4")
    assert (tmp_path / "small_iter_40.caffemodel").read_bytes() != first


def test_stop_and_resume_gives_the_same_bits(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small)
    whole = (tmp_path / "small_iter_40.caffemodel").read_bytes()
    (tmp_path / "small_iter_40.caffemodel").unlink()
    run("train", small, "--iterations", "17")
    done = run("train", small, "--snapshot", "small_iter_17.solverstate")
    assert done.code == 0
    assert (tmp_path / "small_iter_40.caffemodel").read_bytes() == whole


def test_ctrl_c_stops_after_the_iteration_and_snapshots(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("max_iter: 40", "max_iter: 10000000"))
    process = subprocess.Popen(
        [*COMMAND, "train", str(small)], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "iteration 20: test" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "wrote small_iter_" in rest
    assert len(list(tmp_path.glob("small_iter_*.solverstate"))) == 1


def test_hangup_snapshots_and_goes_on(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("max_iter: 40", "max_iter: 10000000"))
    process = subprocess.Popen(
        [*COMMAND, "train", str(small)], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "iteration 20: test" in line:
            break
    process.send_signal(signal.SIGHUP)
    for line in process.stderr:
        if line.startswith("wrote "):
            break
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_snapshot_that_cannot_be_written_is_said_before_training(run: Run, small: Path) -> None:
    small.write_text(SMALL.replace('prefix: "small"', 'prefix: "missing/folder/small"'))
    done = run("train", small)
    assert done.code == 1
    assert "error[SNP" in done.err
    assert "iteration" not in done.err


def test_test_runs_trained_weights(run: Run, small: Path) -> None:
    run("train", small)
    done = run("test", small, "--weights", "small_iter_40.caffemodel", "--iterations", "4", "--json")
    assert last_line(done.out)["accuracy"] > 0.8  # type: ignore[operator]


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_cut_weights_are_refused(run: Run, small: Path, tmp_path: Path, keep: int) -> None:
    run("train", small, "--iterations", "1")
    whole = (tmp_path / "small_iter_1.caffemodel").read_bytes()
    (tmp_path / "cut.caffemodel").write_bytes(whole[:keep])
    done = run("test", small, "--weights", "cut.caffemodel")
    assert done.code == 1
    assert "error[SNP" in done.err


def test_weights_of_another_net_say_what_matched_and_what_did_not(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "1")
    small.write_text(SMALL.replace("num_output: 10", "num_output: 12"))
    done = run("test", small, "--weights", "small_iter_1.caffemodel")
    assert done.code == 1
    assert "10x64" in done.err
    assert "12x64" in done.err
    small.write_text(SMALL.replace('name: "ip"', 'name: "other"'))
    done = run("test", small, "--weights", "small_iter_1.caffemodel")
    assert done.code == 1
    assert "ip" in done.err


def test_a_net_without_a_solver(run: Run, small: Path) -> None:
    small.write_text(SMALL[: SMALL.index("solver")])
    done = run("train", small)
    assert done.code == 1
    assert "error[SOL003]" in done.err


def test_a_solver_file_that_names_a_net(run: Run, small: Path, tmp_path: Path) -> None:
    head, _, block = SMALL.partition("solver {")
    (tmp_path / "net.prototxt").write_text(head)
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt"\n' + block.rpartition("}")[0])
    run("train", small)
    whole = (tmp_path / "small_iter_40.caffemodel").read_bytes()
    assert run("train", "solver.prototxt").code == 0
    assert (tmp_path / "small_iter_40.caffemodel").read_bytes() == whole
    (tmp_path / "solver.prototxt").write_text('net: "nett.prototxt"\n' + block.rpartition("}")[0])
    done = run("train", "solver.prototxt")
    assert done.code == 1
    assert "error[SOL002]" in done.err
