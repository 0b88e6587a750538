"""What `import netc` gives: the ten lines of the README."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import netc
from tests.cli.conftest import ROOT, SMALL, environment


def test_from_a_file_to_a_trained_net(tmp_path: Path) -> None:
    path = tmp_path / "small.net"
    path.write_text(SMALL.replace('prefix: "small"', f'prefix: "{tmp_path}/small"'))
    plan = netc.plan(path, phase="TRAIN")
    assert plan.memory.executor == "fast"
    assert plan.memory.arena >= max(plan.memory.curve)
    solver = netc.Solver(path)
    solver.solve()
    result = solver.test()
    assert result is not None
    accuracy = float(result.outputs["accuracy"])
    assert accuracy > 0.8
    net = netc.Net(path, weights=tmp_path / "small_iter_40.caffemodel")
    assert {"accuracy", "loss"} == set(net.forward())


def test_the_name_plan_is_the_function_whatever_was_imported() -> None:
    code = "import netc.plan.model as m, netc; assert isinstance(netc.plan('nets/digits.net'), m.Plan)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment())


def test_set_input_and_forward() -> None:
    text = (
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { scale: 2 shift: 1 } }\n'
    )
    net = netc.Net(netc.loads(text))
    net.set_input("x", np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(net.forward()["y"], 2 * np.arange(6).reshape(2, 3) + 1)
