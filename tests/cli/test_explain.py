"""`netc explain`: codes, layer types and fields, and names that others use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import netc
from netc.api.choices import all_choices
from netc.api.planning import check_solver
from netc.catalogue import catalogue
from netc.errors import Report
from netc.report.explain import example_in_language, example_text
from tests.cli.conftest import COMMAND, ROOT, Run, environment


@pytest.mark.parametrize(
    ("name", "head", "holds"),
    [
        ("LAY002", "# LAY002:", "## Fix"),
        ("lay002", "# LAY002:", "## Fix"),
        ("ReLU", "# ReLU", "## Computes"),
        ("relu", "# ReLU", "## Computes"),
        ("num_output", "# num_output", "In `convolution_param { }` of a layer:"),
        ("lr_policy", "# lr_policy", "In `SolverParameter`:"),
        ("msra", "# msra: a filler", "variance 2 / n"),
        ("poly", "# poly: a policy", 'lr_policy: "poly" power: 0.75'),
        ("adamw", "# AdamW: an update rule", "w = w - rate"),
        ("L1", "# L1: a regularization", 'regularization_type: "L1"'),
        ("sigmoid", "# Sigmoid\n", "# sigmoid: a policy"),
        ("transform_param", "# transform_param", "- `crop_size = 0` (uint32): Side of the square crop"),
        ("TransformationParameter", "# TransformationParameter", "written as `transform_param { }`"),
        ("solver", "# solver", "- `max_iter = 0` (int32)"),
        ("lmdb", "# LMDB", "`backend: LMDB` in `DataParameter`"),
    ],
)
def test_pages(run: Run, name: str, head: str, holds: str) -> None:
    done = run("explain", name)
    assert done.code == 0
    assert done.out.startswith(head)
    assert holds in done.out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Convolutoin", "did you mean Convolution?"),
        ("maxpool", 'did you mean "Pooling"'),
        ("conv", 'did you mean "Convolution"?'),
        ("xaver", "did you mean xavier?"),
        ("crop_sice", "did you mean crop_size?"),
        ("", "`netc explain --list` lists all"),
    ],
)
def test_names_that_mean_nothing(run: Run, name: str, hint: str) -> None:
    done = run("explain", name)
    assert (done.code, done.out) == (2, "")
    assert hint in " ".join(done.err.split())


def test_the_list_has_all_that_can_be_explained(run: Run) -> None:
    names = {line.split()[0] for line in run("explain", "--list").out.splitlines()}
    assert {"LSTM", "msra", "poly", "AdamW", "L1L2", "CLI001"} <= names


def test_no_package_is_needed_that_netc_does_not_need(tmp_path: Path) -> None:
    """As on an installation without extras: pages, and the list of all codes."""
    for name in ("pygls", "lsprotocol", "h5py", "lmdb", "PIL", "onnx", "safetensors", "scipy", "sklearn", "torch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ModuleNotFoundError({name!r})")
    for words in (["--list"], ["CNV001"], ["ReLU"], ["num_output"]):
        command = [*COMMAND, "explain", *words]
        there = {**environment(), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        done = subprocess.run(command, env=there, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


EVERY = """
import importlib, pkgutil, netc
from netc.errors import CODES
from netc.report.explain import all_codes
for info in pkgutil.walk_packages(netc.__path__, "netc."):
    if not info.name.startswith(("netc.kernels", "netc.convert.torch.pieces")):
        importlib.import_module(info.name)
print(*sorted(set(CODES) ^ set(all_codes())))
"""


def test_every_code_is_found(tmp_path: Path) -> None:
    """Codes are looked for in the text of modules: a declaration of another form would be overseen."""
    command = [sys.executable, "-c", EVERY]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_examples_of_choices_are_right() -> None:
    for kind in all_choices().values():
        for choice in kind.values():
            text = f"x = Input() {{ shape {{ dim: [2, 4, 5, 5] }} }}\n{choice.example}"
            definition = netc.loads(text)
            report = Report()
            if definition.solver is not None:
                check_solver(definition.solver, report)
            netc.plan(definition)
            assert report.diagnostics == [], choice.name


@pytest.mark.parametrize("name", sorted(catalogue().types))
def test_examples_in_the_language_are_the_same_nets(name: str) -> None:
    layer_type = catalogue().types[name]
    for example in layer_type.examples:
        plain = netc.loads(example_text(layer_type, example)).record.layer
        called = netc.loads(example_in_language(layer_type, example)).record.layer
        assert [(r.type, r.bottom, r.top) for r in called] == [(r.type, r.bottom, r.top) for r in plain]
        one, other = (dict(r.replace(name=None).values) for r in (called[-1], plain[-1]))
        empty = {key for key, value in other.items() if str(value).endswith("Parameter()")}  # `shape_param { }`
        assert {key: str(one[key]) for key in one} == {
            key: str(other[key]) for key in other.keys() - empty | one.keys()
        }
