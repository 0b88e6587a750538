"""What docs/ shows really works: the recipes of finetuning.md are run, every command line is one that netc takes."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from netc.api.planning import plan
from netc.cli import cli
from netc.solve import read_weights
from tests.cli.conftest import ROOT

FINETUNING = (ROOT / "docs" / "finetuning.md").read_text()


def commands(text: str) -> list[str]:
    """Lines of code blocks that begin with netc, one line each even if they end with a backslash."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S) + re.findall(r"(?:^    .*\n)+", text, re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("netc ")]


COMMANDS = [(p.name, line) for p in sorted((ROOT / "docs").glob("*.md")) for line in commands(p.read_text())]

Call = Callable[[str], float]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `netc train ...` in this process, in a directory with the documented files; returns the test accuracy."""
    for name, text in re.findall(r"File `(.+?)`:\n\n```\n(.*?)```", FINETUNING, re.S):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> float:
        capsys.readouterr()
        assert cli([*shlex.split(line)[1:], "--json"], standalone_mode=False) == 0
        accuracy = json.loads(capsys.readouterr().out.splitlines()[-1])["test"][0]["accuracy"]
        assert isinstance(accuracy, float)
        return accuracy

    return run


def test_the_three_recipes_reach_what_is_written(call: Call, tmp_path: Path) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", FINETUNING, re.S) for line in block.splitlines()]
    written = dict(re.findall(r"^\| `(netc .+?)` \| ([\d.]+) \|$", FINETUNING, re.M))
    assert len(written) == 4
    assert set(written) < set(lines)
    reached = {line: call(line) for line in lines}
    for line, accuracy in written.items():
        assert reached[line] == pytest.approx(float(accuracy), abs=0.02), line
    base = {layer.name: layer.blobs for layer in read_weights(tmp_path / "base_iter_300.caffemodel").layers}
    for name, frozen in (("last", {"f/c", "f/h"}), ("most", {"f/c"})):
        tuned = {layer.name: layer.blobs for layer in read_weights(tmp_path / f"{name}_iter_100.caffemodel").layers}
        same = {n for n in ("f/c", "f/h") if all(map(np.array_equal, base[n], tuned[n]))}
        assert same == frozen


@pytest.mark.parametrize(
    ("name", "learning"),
    [("last", ["score_big", "loss"]), ("most", ["f/h", "f/h/relu", "score_big", "loss"])],
)
def test_frozen_layers_cost_no_backward(call: Call, tmp_path: Path, name: str, learning: list[str]) -> None:
    found = plan(tmp_path / f"{name}.net", "TRAIN")
    ran = [found.graph.nodes[s.layer].name for s in found.backward if s.kind == "backward"]
    assert ran == learning[::-1]
    first = found.layers[next(n.index for n in found.graph.nodes if n.name == learning[0])]
    assert not any(first.bottom_gradient)


@pytest.mark.parametrize(("file", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_documented_commands_are_commands(file: str, line: str) -> None:
    _, *words = shlex.split(re.split(r" [|>] ", line, maxsplit=1)[0], comments=True)
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None, f"{file}: {line}"
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
    for word in words:
        assert not word.startswith("--") or word.partition("=")[0] in options, f"{file}: {line}: {word}"
