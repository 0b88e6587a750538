"""`python -m netc.dnn script.py` and `install()`, in processes whose OpenCV has no Caffe reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.opencv_golden import FOLDER

CV2 = "from cv2 import dnn\nclass error(Exception): pass\n"
SCRIPT = f"""
import sys
import cv2
import beside
import numpy as np

net = cv2.dnn.readNetFromCaffe({str(FOLDER / "branches.prototxt")!r}, {str(FOLDER / "branches.caffemodel")!r})
net.setInput(cv2.dnn.blobFromImage(np.zeros((12, 12, 3), np.uint8)))
print(__name__, sys.argv[1:], net.forward().shape, cv2.dnn.NMSBoxes(), beside.HERE)
try:
    net.forward("nope")
except cv2.error:
    print("caught")
if "fail" in sys.argv:
    sys.exit(3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib/cv2/dnn").mkdir(parents=True)
    (tmp_path / "lib/cv2/__init__.py").write_text(CV2)
    (tmp_path / "lib/cv2/dnn/__init__.py").write_text("def NMSBoxes(): return 'own'\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/script.py").write_text(SCRIPT)
    (tmp_path / "app/beside.py").write_text("HERE = 'beside'\n")
    return tmp_path


def run(folder: Path, *arguments: str, library: str = "lib") -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parent.parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / library), root])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_runs_a_script_as_python_does(folder: Path) -> None:
    done = run(folder, "-m", "netc.dnn", "app/script.py", "--image", "a b", "fail")
    assert done.stdout == "__main__ ['--image', 'a b', 'fail'] (1, 5) own beside\ncaught\n", done.stderr
    assert done.returncode == 3


def test_installs(folder: Path) -> None:
    script = "import runpy, netc.dnn\nnetc.dnn.install()\nrunpy.run_path('app/script.py')\n"
    done = run(folder, "-c", f"import sys; sys.path.insert(0, 'app')\n{script}")
    assert done.stdout == "app.script [] (1, 5) own beside\ncaught\n".replace("app.script", "<run_path>"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"), [((), "usage: python -m netc.dnn"), (("nope.py",), "nope.py: there is no such file")]
)
def test_says_what_is_missing(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(folder, "-m", "netc.dnn", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_says_that_opencv_is_missing(folder: Path) -> None:
    (folder / "none").mkdir()
    (folder / "none/cv2.py").write_text("raise ImportError('libGL.so.1')\n")
    done = run(folder, "-m", "netc.dnn", "app/script.py", library="none")
    assert done.returncode == 1
    assert "needs OpenCV" in done.stderr
    assert "Traceback" not in done.stderr


FULL = """
class error(Exception): pass
from types import SimpleNamespace as _Names
class _Theirs:
    def __init__(self, *given, **named): self.given = given, named
dnn = _Names(readNet=_Theirs, DetectionModel=_Theirs, Model=_Theirs, NMSBoxes=len)
said = []
def dnn_registerLayer(type, cls): said.append(("add", type))
def dnn_unregisterLayer(type): said.append(("take", type))
"""
USES_BOTH = f"""
import cv2
import netc.dnn
netc.dnn.install()
given = {str(FOLDER / "ssd.prototxt")!r}, {str(FOLDER / "ssd.caffemodel")!r}
print(cv2.dnn.DetectionModel("a.onnx").given, cv2.dnn_DetectionModel("a.weights", "a.cfg").given)
print(cv2.dnn.Model(network=3).given, cv2.dnn.NMSBoxes([1, 2]))
own = cv2.dnn_DetectionModel(cv2.dnn.readNet(*given))
print(isinstance(own, cv2.dnn.DetectionModel), isinstance(cv2.dnn.DetectionModel(*given), netc.dnn.DetectionModel))
class Mine(cv2.dnn_DetectionModel): pass
print(type(Mine(*given)).__name__, cv2.dnn.KeypointsModel is netc.dnn.KeypointsModel)
for cls in (1, 2): cv2.dnn_registerLayer("Crop", cls)
for cls in (1, 2): cv2.dnn_unregisterLayer("Crop")
print(cv2.said)
"""


def test_what_opencv_has_for_its_own_nets_goes_on_to_work(folder: Path) -> None:
    (folder / "full").mkdir()
    (folder / "full/cv2.py").write_text(FULL)
    done = run(folder, "-c", USES_BOTH, library="full")
    assert done.stdout.splitlines() == [
        "(('a.onnx',), {}) (('a.weights', 'a.cfg'), {})",
        "((), {'network': 3}) 2",
        "True True",
        "Mine True",
        "[('add', 'Crop'), ('take', 'Crop')]",
    ], done.stderr
