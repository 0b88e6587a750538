"""`netc search` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tests.api.search.test_block import NET
from tests.cli.conftest import Run

SEARCH = NET + 'search { base_lr: [0.1, 0.2] width: [8, 16] best: "accuracy" method: GRID }\n'


def test_a_line_for_each_trial_and_a_table(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(SEARCH)
    done = run("search", "a.net", "--iterations", "3")
    assert done.code == 0, done.err
    assert [line.partition(": ")[0] for line in done.err.splitlines()] == [f"trial {n} of 4" for n in range(1, 5)]
    best = max(json.loads(line)["value"] for line in (tmp_path / "a.search.jsonl").read_text().splitlines()[1:])
    assert f"{best:.6g}" in done.out
    assert "the best: netc train a.net --set base_lr=" in done.out
    again = run("search", "a.net", "--iterations", "3", "--json")
    assert again.err == "a.search.jsonl has 4 of 4 trials\n"
    found = json.loads(again.out)
    assert (found["trials"], found["failed"], found["best"]["value"]) == (4, 0, best)
    assert (tmp_path / found["weights"]).is_file()


def test_all_trials_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(NET + 'search { base_lr: [1e30] best: "accuracy" }\n')
    done = run("search", "a.net", "--trials", "1")
    assert done.code == 1
    assert "failed, SOL013: " in done.err
    assert "1 of 1 trials failed: a.search.jsonl says why" in done.err


def test_prototxt_cannot_say_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(SEARCH)
    assert run("check", "a.net").code == 0
    done = run("expand", "a.net", "-o", "plain.prototxt")
    assert "warning[CLI017]: `search` is left out: Caffe has nothing for it" in done.err
    assert "search" not in (tmp_path / "plain.prototxt").read_text()
    refused = run("search", "plain.prototxt")
    assert refused.code == 1
    assert "SOL050" in refused.err


def test_trials_are_lines_of_a_picture(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(SEARCH)
    assert run("search", "a.net").code == 0
    done = run("plot", "a.search.jsonl", "-o", "a.svg")
    assert done.code == 0, done.err
    texts = {"".join(e.itertext()) for e in ElementTree.fromstring((tmp_path / "a.svg").read_text()).iter()}
    assert {"test accuracy", "trial 1", "trial 4", "a: accuracy of each trial", "best so far"} <= texts
    lines = [json.loads(line) for line in (tmp_path / "a.search.jsonl").read_text().splitlines()[1:]]
    assert [[i for i, _ in line["curve"]] for line in lines] == [[0, 3, 6]] * 4
    assert all(line["curve"][-1][1] == line["value"] for line in lines)
    refused = run("watch", "a.search.jsonl")
    assert refused.code == 1
    assert "error[RUN056]: a.search.jsonl holds the trials of a search" in refused.err
