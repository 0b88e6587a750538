"""Every command parses and types each of its files once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netc.cli import cli
from netc.language.parser import Parser
from netc.schema import load

NET = """layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: [2, 3] } shape { dim: 2 } data_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
RULES = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 1 test_interval: 1 snapshot: 0 display: 0\n'
COMMANDS = (
    "check",
    "summary",
    "summary --memory",
    "summary --memory --budget 1GB",
    "draw",
    "expand",
    "fmt --check",
    "deploy",
    "gradcheck",
    "time --iterations 1",
    "train",
)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counter[tuple[str, str]]:
    """How often each file is parsed and typed."""
    found = Counter[tuple[str, str]]()
    run, type_document = Parser.run, load.type_document

    def parsed(parser: Parser) -> Any:
        found["parsed", Path(parser.source.path).name] += parser.start != "expression"
        return run(parser)

    def typed(block: Any, *rest: Any) -> Any:
        found["typed", Path(block.span.source.path).name] += 1
        return type_document(block, *rest)

    monkeypatch.setattr(Parser, "run", parsed)
    monkeypatch.setattr(load, "type_document", typed)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["net.prototxt", "solver.prototxt", "both.net"])
def test_each_file_is_read_once(command: str, given: str, counts: Counter[tuple[str, str]]) -> None:
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(f'net: "net.prototxt" {RULES}')
    Path("both.net").write_text(f"{NET}solver {{ {RULES} }}")
    name, *options = command.split()
    done = CliRunner().invoke(cli, [name, given, *options])
    again = {key: count for key, count in counts.items() if key[1] in {"net.prototxt", given} and count > 1}
    assert not again, done.output
    assert counts["parsed", given] == 1, done.output
