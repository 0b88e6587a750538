"""Every option that a message, a code's page or a help text names is an option of the command it is for.

Those of documents: tests/docs.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from netc import caffe
from netc.api.session import Solver
from netc.cli import cli
from netc.layers import python
from tests.cli.conftest import ROOT, Run

OPTION = re.compile(r"(?<![\w/-])--[a-z][a-z-]*\w")
CALL = re.compile(r"\bnetc ((?:data )?[a-z]+)\b([^\n`;&|#]*)")

PLANNING = (
    "check",
    "convert",
    "deploy",
    "diff",
    "draw",
    "embed",
    "fit",
    "gradcheck",
    "predict",
    "prune",
    "scale",
    "search",
    "summary",
    "test",
    "time",
    "train",
    "view",
    "warm",
)
RUNNING = ("fit", "predict", "scale", "search", "summary", "test", "time", "train")
READING = ("data boxes", "data images", "fit", "gradcheck", "search", "test", "train")
LOADING = ("fit", "test", "train")
MEANT = {
    "--check": ("convert",),
    "--dynamic": ("convert",),
    "--opset": ("convert",),
    "--upto": ("convert",),
    "--with-preprocessing": ("convert",),
    "--given": ("convert",),
    "--to": ("convert",),
    "--tolerance": ("convert",),
    "--allow-mixed": ("train",),
    "--allow-python": (*PLANNING, "lsp"),
    "--allow-writes": ("test", "train"),
    "--data-changed": ("train",),
    "--executor": RUNNING,
    "--half": ("convert",),
    "--ignore-lock": ("train",),
    "--input": PLANNING,
    "--layers": (*PLANNING, "expand", "lsp"),
    "--map": LOADING,
    "--mean": ("predict",),
    "--metrics": ("train",),
    "--mpi": ("train",),
    "--mpi-overlap": ("train",),
    "--mpi-timeout": ("train",),
    "--on-bad-record": READING,
    "--overfit-batch": ("train",),
    "--precision": RUNNING,
    "--reshape": LOADING,
    "--scores": ("test",),
    "--set": (*PLANNING, "expand"),
    "--json": ("check", "diff", "summary", "train"),
    "--label-map": ("data boxes",),
    "--labels": ("test",),
    "--snapshot": ("train",),
    "--threads": RUNNING,
    "--for": ("convert",),
    "--table": ("embed",),
    "--blob": ("embed",),
    "--weights": ("convert", "predict", "test", "train"),
}
"""Which commands give the messages that name an option, and so must have it."""


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """The names of all commands, with their options."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield before + name, {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


OPTIONS = dict(commands(cli))


def strings(path: Path) -> Iterator[str]:
    """The strings of a Python file; a formatted one with a word in place of each value."""
    tree = ast.parse(path.read_text())
    parts = {id(p) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for p in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def wrong(text: str, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """Options that a text names and the commands do not have. own: those of the command that the text is of."""
    for match in CALL.finditer(text):
        name = match[1] if match[1] in OPTIONS else match[1].split()[0]
        if name in OPTIONS:
            yield from (f"netc {name} {o}" for o in OPTION.findall(match[2]) if o not in OPTIONS[name])
    for option in OPTION.findall(CALL.sub("", text)):
        if option in own or option == text:  # alone it is where a command declares it
            continue
        if not any(option in known for known in OPTIONS.values()):
            yield option
        elif option not in MEANT:
            yield f"which command's {option}?"
        else:
            yield from (f"netc {name} {option}" for name in MEANT[option] if option not in OPTIONS[name])


@pytest.mark.parametrize("path", sorted((ROOT / "netc").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_messages_name_options_that_are_there(path: Path) -> None:
    in_cli = path.parent.name == "cli"
    its = [n for n in OPTIONS if in_cli and (n.split()[0] == path.stem or path.stem.startswith("_"))]
    own = frozenset(option for name in its for option in OPTIONS[name])
    assert {found for text in strings(path) for found in wrong(text, own)} == set()


def test_the_question_finds_what_is_not_there() -> None:
    assert list(wrong("say `netc check x.net --weights y` or --keep")) == ["netc check --weights", "--keep"]


def test_messages_that_name_input_and_allow_python_mean_every_command_that_plans() -> None:
    assert {name for name, options in OPTIONS.items() if "--input" in options} == set(PLANNING)
    assert {name for name, options in OPTIONS.items() if "--allow-python" in options} == {*PLANNING, "lsp"}


MISSING = """
data, label = Data() { source: "not_here" batch_size: 64 backend: LMDB }
ip = InnerProduct(data) { num_output: 4 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(ip, label)
"""
DIGITS = """
data, label = Digits() { split: "train" batch_size: 16 }
ip = InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(ip, label)
solver { base_lr: 0.1 lr_policy: "fixed" max_iter: 2 test_iter: 2 test_interval: 2 }
"""


def test_input_says_the_shape_of_data_that_is_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "missing.net").write_text(MISSING)
    assert "error[LAY010]" in run("check", "missing.net").err
    assert run("check", "missing.net", "--input", "data=2x1x4x4").code == 0
    done = run("check", "missing.net", "--input", "dta=2x1x4x4")
    assert done.err.count("error[PLN008]") == 1
    assert 'did you mean "data"?' in done.err
    done = run("gradcheck", "missing.net", "--input", "data=2x1x4x4", "--values", "2", "--json")
    assert done.code == 0, done.err
    assert [blob["shape"] for blob in json.loads(done.out)] == [[4, 16], [4]]


@pytest.mark.parametrize("command", ["train", "test"])
def test_who_needs_the_data_is_told_that_it_is_not_there(run: Run, tmp_path: Path, command: str) -> None:
    """A shape that is said with --input would be of no use."""
    (tmp_path / "missing.net").write_text(MISSING + "solver { base_lr: 0.1 max_iter: 2 }")
    weights = ["--weights", "w.caffemodel"] if command == "test" else []
    done = run(command, "missing.net", *weights)
    assert done.code == 1
    assert done.err.startswith('missing.net:2:32: error[DAT016]: layer "data" (Data): there is no database "not_here"')
    assert "it is tried from here, then from the net's folder" in done.err
    assert "--input" not in done.err


def test_scripts_are_told_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("missing.net").write_text(MISSING)
    Path("s.prototxt").write_text('train_net: "missing.net" base_lr: 0.1 lr_policy: "fixed" max_iter: 2')
    for open_it in (lambda: caffe.Net("missing.net", caffe.TRAIN), lambda: caffe.SGDSolver("s.prototxt")):
        with pytest.raises(RuntimeError) as caught:
            open_it()
        assert "LAY010" in str(caught.value)
        assert "--input" not in str(caught.value)
        assert "put the data where the layer looks for it" in str(caught.value)


def test_input_reaches_the_train_net_and_the_test_nets(tmp_path: Path) -> None:
    (tmp_path / "digits.net").write_text(DIGITS)
    solver = Solver(tmp_path / "digits.net", inputs={"data": (4, 1, 8, 8)})
    assert [net.plan.shapes[0] for net in (solver.net, solver.tests[0].net)] == [(4, 1, 8, 8)] * 2
    solver.step(2)


def test_a_shape_that_the_data_does_not_have_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "digits.net").write_text(DIGITS)
    done = run("train", "digits.net", "--input", "data=16x1x4x4")
    assert done.code == 1
    assert 'error[RUN011]: layer "data" (Digits): the data gives "data" the shape 16x1x8x8, not 16x1x4x4' in done.err


def test_python_layers_run_where_they_are_allowed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mylayers.py").write_text(
        "import caffe\n"
        "class Mine(caffe.Layer):\n"
        "    def reshape(self, b, t): t[0].reshape(*b[0].data.shape)\n"
        "    def forward(self, b, t): t[0].data[...] = b[0].data * 2\n"
    )
    net = 'x = Input() { shape { dim: [2, 3] } }\ny = Python(x) { module: "mylayers" layer: "Mine" }\n'
    (tmp_path / "mine.net").write_text(net)
    assert "error[LAY105]" in run("check", "mine.net").err
    for command in ("check", "summary", "draw", "deploy"):
        done = run(command, "mine.net", "--allow-python")
        assert "LAY105" not in done.err, (command, done.err)


def test_a_command_that_allows_python_allows_it_for_itself(tmp_path: Path) -> None:
    (tmp_path / "x.net").write_text("x = Input() { shape { dim: [2, 3] } }\n")
    cli(["check", str(tmp_path / "x.net"), "--allow-python"], standalone_mode=False)
    assert not python.allowed()
