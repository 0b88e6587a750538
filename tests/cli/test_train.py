"""`netc train` and `netc test` in real processes: results, resume, signals, places that cannot be written."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, SMALL, Run, environment
from tests.solve.test_locks import held_elsewhere


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
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "small.metrics.jsonl").read_text().splitlines()]
    assert kinds == ["test", "test", "snapshot", "test"]


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
    (state,) = (path.name for path in tmp_path.glob("small_iter_*.solverstate"))
    assert f"to go on: netc train {small} --snapshot {state}\n" in rest


SLOW = '''
"""A layer that takes as long as a large net.

Computes:
    y = x, after a minute.
"""
from netc.jit import kernel
from netc.layer import Call, LayerType, Setup, Site, same_shape

@kernel
def spin(n: int) -> float:
    x = 1.0
    for i in range(n):
        x = x * 0.999999 + 1e-9 * (x - i % 7)
    return x

def setup(site: Site) -> Setup:
    return Setup(tops=(same_shape(site),), reads=())

def forward(call: Call) -> None:
    call.tops[0][...] = call.bottoms[0]
    spin(10)
    with open("running", "w"):
        pass
    call.tops[0][0] += 1e-30 * spin(20_000_000_000)

def backward(call: Call) -> None:
    call.bottom_diffs[0][...] = call.top_diffs[0]

SLOW = LayerType("Slow", __doc__, setup, forward, backward)
'''


def test_a_second_ctrl_c_ends_the_process_within_a_kernel(small: Path, tmp_path: Path) -> None:
    slow = 'layer { name: "slow" type: "Slow" bottom: "ip" top: "slow" }\nlayer { name: "loss"'
    text = SMALL.replace('layer { name: "loss"', slow).replace(
        '"SoftmaxWithLoss" bottom: "ip"', '"SoftmaxWithLoss" bottom: "slow"'
    )
    small.write_text(text.replace("test_interval: 20", "test_interval: 20 test_initialization: false"))
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [*COMMAND, "train", str(small), "--layers", "slow.py"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "running").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "Traceback" not in err


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


def test_a_prefix_in_use_is_refused(run: Run, small: Path, tmp_path: Path) -> None:
    """Before anything is written: the files and the metrics of the other run stay as they are."""
    assert run("train", small, "--iterations", 5).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with held_elsewhere(tmp_path / "small"):
        done = run("train", small, "--iterations", 8)
        assert (done.code, done.out) == (1, "")
        assert "error[SNP029]: process " in done.err
        assert {n: (tmp_path / n).read_bytes() for n in before} == before
        assert set(os.listdir(tmp_path)) == {*before, ".small.lock"}
        assert run("train", small, "--iterations", 8, "--ignore-lock").code == 0
    assert run("train", small, "--iterations", 8).code == 0


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


def test_looking_into_a_run(run: Run, small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("max_iter: 40", "max_iter: 3 display: 1 debug_info: true"))
    done = run("train", small, "--inspect", "--metrics", "m.jsonl", "--tensorboard", "runs")
    assert done.code == 0
    for said in (
        "iteration 0: values",
        "iteration 2: values",
        "ip/weights",
        "first loss 2.",
        "-log(1/10) = 2.3026",
        "[Forward] Layer ip, top blob ip data: ",
        "[Backward] Layer loss, bottom blob ip diff: ",
        "[Update] Layer ip, param ip/weights diff: ",
        " images/s, data ",
        " left",
    ):
        assert said in done.err
    assert {json.loads(line)["kind"] for line in (tmp_path / "m.jsonl").read_text().splitlines()} == {
        "inspect",
        "snapshot",
        "test",
        "train",
    }
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_one_batch_is_learned_by_heart_or_not(run: Run, small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("num_output: 10", "num_output: 10 bias_term: true"))
    done = run("train", small, "--overfit-batch", "4", "--iterations", "60")
    assert done.code == 0
    assert "the net can learn them by heart" in done.err
    assert {p.name for p in tmp_path.iterdir()} == {"small.net"}
    small.write_text(SMALL.replace('top: "ip"\n', 'top: "ip" param { lr_mult: 0 } param { lr_mult: 0 }\n'))
    done = run("train", small, "--overfit-batch", "4", "--iterations", "5")
    assert done.code == 1
    assert "not learned" in done.err


def test_a_loss_that_is_not_finite_names_the_layer(run: Run, small: Path) -> None:
    small.write_text(SMALL.replace("base_lr: 0.1", "base_lr: 1e38"))
    done = run("train", small)
    assert done.code == 1
    assert "error[SOL013]: the loss is nan in iteration " in done.err
    assert 'blob "ip" of layer "ip" (InnerProduct) is the first that is not finite' in done.err
    assert "RuntimeWarning" not in done.err
    skipped = run("train", small, "--on-nan", "skip")
    assert skipped.err.count("warning[SOL013]") == 10


def test_early_stopping_says_why(run: Run, small: Path) -> None:
    small.write_text(
        SMALL.replace(
            "test_interval: 20", 'test_interval: 5 early_stop { output: "accuracy" patience: 1 min_delta: 1 }'
        )
    )
    done = run("train", small, "--json")
    assert done.code == 0
    assert "stopped: accuracy has not got better than" in done.err
    assert last_line(done.out)["iterations"] == 5


def test_which_classes_are_confused(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small)
    weights = ("--weights", "small_iter_40.caffemodel", "--iterations", "8")
    found = last_line(run("test", small, *weights, "--json", "--confusion", "c.csv").out)
    classes: dict[str, list[float]] = found["classes"]  # type: ignore[assignment]
    assert sum(classes["count"]) == 400
    right = sum(n * r for n, r in zip(classes["count"], classes["recall"], strict=True))
    assert right / 400 == pytest.approx(found["accuracy"])
    assert (tmp_path / "c.csv").read_text().count("\n") == 11
    (tmp_path / "names.txt").write_text("\n".join([f"digit {i}" for i in range(10)]))
    shown = run("test", small, *weights, "--class-names", "names.txt").out
    assert "digit 7" in shown
    assert "precision" in shown
    (tmp_path / "names.txt").write_text("zero")
    assert "error[CLI012]" in run("test", small, *weights, "--class-names", "names.txt").err


def test_a_net_that_nothing_feeds_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "unfed.net").write_text(
        'layer { name: "d" type: "Input" top: "d" top: "l" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip" inner_product_param { num_output: 2 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "l" top: "loss" }\n'
        "solver { base_lr: 0.1 max_iter: 3 }\n"
    )
    done = run("train", "unfed.net")
    assert done.code == 1
    assert "error[CLI013]: nothing feeds d, l" in done.err


def test_a_view_needs_a_file(run: Run, small: Path) -> None:
    for more in (("--metrics", "-"), ("--overfit-batch", "4")):
        done = run("train", small, "--view", *more)
        assert done.code == 2
        assert "name one with --metrics" in done.err
