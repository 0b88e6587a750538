"""pycaffe's module: its functions, its names, its messages, and how fast it is there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format

from netc import caffe
from netc.caffe.proto import caffe_pb2

ROOT = Path(caffe.__file__).parents[2]


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    yield
    caffe.set_random_seed(0)


def test_constants_and_modes() -> None:
    assert (caffe.TRAIN, caffe.TEST) == (0, 1)
    assert caffe.__version__ == "1.0.0"
    caffe.set_mode_cpu()
    caffe.set_device(0)
    with pytest.warns(RuntimeWarning, match="runs on the CPU"):
        caffe.set_mode_gpu()
    assert (caffe.check_mode_cpu(), caffe.check_mode_gpu(), caffe.get_device()) == (True, False, 0)


def test_several_devices() -> None:
    assert (caffe.has_nccl(), caffe.solver_count(), caffe.solver_rank()) == (False, 1, 0)
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    caffe.set_multiprocess(True)
    caffe.init_log()
    caffe.log("fine")
    for call in (lambda: caffe.set_solver_count(2), lambda: caffe.set_solver_rank(1), lambda: caffe.NCCL(None, "")):
        with pytest.raises(RuntimeError, match="RUN066"):
            call()


def test_layer_type_list() -> None:
    found = caffe.layer_type_list()
    assert {"Data", "Convolution", "InnerProduct", "Python"} <= set(found)
    assert found == sorted(found)


def test_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    timer, clock = caffe.Timer(), iter([10.0, 12.5, 20.0])
    monkeypatch.setattr("netc.caffe.modes.time.perf_counter", lambda: next(clock))
    timer.start()
    timer.stop()
    assert (timer.seconds, timer.ms, timer.us) == (2.5, 2500, 2_500_000)
    timer.start()
    assert timer.seconds == 0


def test_messages() -> None:
    text = 'name: "x" layer { name: "a" type: "Pooling" pooling_param { pool: AVE } }'
    net = text_format.Parse(text, caffe_pb2.NetParameter())
    assert net.layer[0].pooling_param.pool == caffe_pb2.PoolingParameter.AVE
    assert caffe_pb2.NetParameter.FromString(net.SerializeToString()) == net
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST, caffe_pb2.Phase.Name(1)) == (0, 1, "TEST")
    assert caffe_pb2.Phase.Value("TRAIN") == 0
    assert caffe_pb2.DESCRIPTOR.package == "caffe"
    assert caffe_pb2.V1LayerParameter.LayerType.Value("CONVOLUTION") == 4
    assert {"Datum", "SolverParameter", "Phase", "TRAIN"} <= set(dir(caffe_pb2))
    assert "BlobProto" in caffe_pb2.__all__
    with pytest.raises(AttributeError):
        _ = caffe_pb2.NoSuchMessage


def test_every_name_is_there() -> None:
    for name in caffe.__all__:
        assert getattr(caffe, name) is not None
    assert set(caffe.__all__) <= set(dir(caffe))
    with pytest.raises(AttributeError, match="no attribute 'Nett'"):
        _ = caffe.Nett


def test_it_answers_to_the_name_caffe() -> None:
    script = """
from netc import caffe
import caffe.draw, caffe.io
from caffe import layers as L, params as P, Net
from caffe.proto import caffe_pb2
from caffe.proto.caffe_pb2 import *
import caffe.proto.caffe_pb2 as again
import netc.caffe.io, netc.caffe.net_spec
assert caffe.io is netc.caffe.io and caffe_pb2 is again and NetParameter is caffe_pb2.NetParameter
assert L is netc.caffe.net_spec.layers and caffe.net_spec.params is P
assert caffe.io.__spec__.name == "netc.caffe.io" and Net is caffe.Net
try:
    import caffe.nothing
except ModuleNotFoundError as error:
    assert error.name == "caffe.nothing"
else:
    raise SystemExit("imported")
"""
    found = run(script)
    assert (found.returncode, found.stderr) == (0, "")


def test_it_does_not_take_the_name_from_another() -> None:
    found = run("import sys, types; sys.modules['caffe'] = other = types.ModuleType('caffe')\n"
                "from netc import caffe\nimport caffe as found\nassert found is other and caffe.TEST == 1")  # fmt: skip
    assert found.returncode == 0, found.stderr


def test_importing_it_imports_nothing_slow() -> None:
    slow = "{'numpy', 'numba', 'google.protobuf', 'scipy'}"
    assert run(f"import sys; from netc import caffe; assert not {slow} & set(sys.modules)").returncode == 0


def test_modules_are_one_and_the_same() -> None:
    assert importlib.import_module("caffe.io") is importlib.import_module("netc.caffe.io")
