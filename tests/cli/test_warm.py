"""`netc warm` in real processes: what is run afterwards compiles nothing."""

import os
import subprocess
from pathlib import Path

from netc.api.warm import Use, uses
from tests.cli.conftest import COMMAND, ROOT, Run, environment

COMPILES = "compiling kernels"


def kept(folder: Path, *arguments: str) -> str:
    """What a command prints on stderr; the kernel cache is one of its own."""
    env = {**environment(), "NETC_CACHE_DIR": str(folder / "kernels")}
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True, timeout=600
    )
    return done.stderr


def test_training_and_testing_compile_nothing_afterwards(small: Path, tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir(mode=0o700)
    before = set(os.listdir(tmp_path))
    assert f"{small.name}: 2 nets, compiled in " in kept(tmp_path, "warm", small.name)
    assert set(os.listdir(tmp_path)) == before
    assert kept(tmp_path, "warm", small.name) == f"{small.name}: 2 nets, all kernels were there\n"
    trained = kept(tmp_path, "train", small.name, "--iterations", "3")
    assert "wrote small_iter_3.caffemodel" in trained
    assert COMPILES not in trained
    assert COMPILES not in kept(tmp_path, "test", small.name, "--weights", "small_iter_3.caffemodel")


NET = """
layer { name: "d" type: "Data" top: "x" top: "y" data_param { source: "no_such_lmdb" batch_size: 2 }
  include { phase: TRAIN } }
layer { name: "i" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } include { phase: TEST } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" include { phase: TRAIN } }
"""


def phases(found: tuple[Use, ...]) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(use.state.phase, use.state.stages, use.solver is not None) for use in found]


def test_the_nets_of_a_file(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(NET)
    assert phases(uses(net)) == [("TRAIN", (), False), ("TEST", (), False)]
    solver = tmp_path / "solver.prototxt"
    solver.write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 test_iter: 1 test_interval: 2')
    assert phases(uses(solver)) == [("TRAIN", (), True), ("TEST", (), False)]
    found = phases(uses(ROOT / "nets/digits.net"))
    assert found == [("TRAIN", (), True), ("TEST", (), False), ("TEST", ("deploy",), False)]


def test_the_data_need_not_be_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    done = run("warm", "net.prototxt", "--input", "x=2x3", "--input", "y=2", "--executor", "reference")
    assert done.code == 0
    assert "net.prototxt: 2 nets, " in done.err


def test_wrong_usage(run: Run) -> None:
    done = run("warm")
    assert (done.code, done.out) == (2, "")
    assert "name FILES, or say --all" in done.err
