"""`netc search`: deterministic, resumable, the best weights kept."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import netc
from netc.api.search import choosing
from netc.api.search.searching import Search
from netc.api.search.written import variables_of
from netc.errors import NetError
from tests.api.search.test_block import NET

BLOCK = 'search { base_lr: log(1e-3, 1.0) width: [8, 16] kind: ["SGD", "Adam"] best: "accuracy" %s }'
PROGRAM = """
import sys
import netc
print("running", flush=True)
netc.search("a.net", tell=lambda trial: print(trial.trial, flush=True), executor=sys.argv[1])
print("done", flush=True)
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write("trials: 4")


def write(fields: str, name: str = "a.net") -> Path:
    path = Path(name)
    path.write_text(NET + BLOCK % fields)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The files that a search leaves."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".jsonl", ".caffemodel")}


def test_trials_are_what_training_with_their_settings_gives(net: Path) -> None:
    found = netc.search(net)
    assert len(found.trials) == 4
    assert len({json.dumps(dict(t.settings)) for t in found.trials}) == 4
    best = max(found.trials, key=lambda t: (t.value or 0, -t.trial))
    assert found.best == best
    assert found.weights is not None
    assert list(Path().glob("*.caffemodel")) == [found.weights]
    settings = {k: v if k == "kind" else float(v) if "." in v else int(v) for k, v in best.settings.items()}
    solver = netc.Solver(net, settings=settings, changes={"snapshot_after_train": False}, keep_gradients=False)
    solver.solve()
    assert float(solver.results[-1].outputs["accuracy"]) == best.value
    assert solver.loss == best.loss
    kept = netc.Net(net, "TEST", weights=found.weights, settings=settings)
    for name, blobs in solver.net.params.items():
        for mine, theirs in zip(kept.params[name], blobs, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_search_goes_on_and_more_trials_do_too(net: Path) -> None:
    whole = netc.search(net, trials=5)
    wanted = contents(Path())
    for file in [*Path().glob("*.jsonl"), *Path().glob("*.caffemodel")]:
        file.unlink()
    assert netc.search(net, trials=2).trials == whole.trials[:2]
    lines = Path("a.search.jsonl").read_bytes()
    Path("a.search.jsonl").write_bytes(lines[:-20])  # the second trial's line was cut
    assert netc.search(net, trials=5) == whole
    assert contents(Path()) == wanted
    assert netc.search(net, trials=3) == whole  # what is there stays


def test_results_of_another_search_are_refused(net: Path) -> None:
    netc.search(net, trials=1)
    for change in ({"settings": {"solver.momentum": 0.1}}, {"seed": 5}, {"iterations": 2}):
        with pytest.raises(NetError) as caught:
            netc.search(net, trials=1, **change)
        assert caught.value.diagnostics[0].code.id == "SOL052"
    assert netc.search(net, trials=1, seed=5, output=Path("b.jsonl")).path == Path("b.jsonl")


def test_two_at_once_are_refused(net: Path) -> None:
    program = "import netc; from netc.errors import NetError\ntry: netc.search('a.net')\n"
    program += "except NetError as e: print(e.diagnostics[0].code.id)"
    running = Search(net)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "SNP029\n"
    assert running.count == 4


def test_grid_is_every_combination(net: Path) -> None:
    Path("g.net").write_text(
        NET + 'search { width: [8, 16] base_lr: [0.1, 0.2, 0.3] best: "loss" mode: MIN method: GRID }'
    )
    found = netc.search("g.net")
    pairs = [tuple(t.settings.values()) for t in found.trials]
    assert pairs == [(w, lr) for w in ("8", "16") for lr in ("0.1", "0.2", "0.3")]
    assert found.best is not None
    assert found.best.value == min(t.value for t in found.trials if t.value is not None)


def test_trials_that_fail_are_told_and_the_search_goes_on(net: Path) -> None:
    Path("f.net").write_text(NET + 'search { width: [8, 0] base_lr: [0.1, 1e30] best: "accuracy" method: GRID }')
    found = netc.search("f.net")
    errors = [t.error and t.error[:6] for t in found.trials]
    assert errors[0] is None
    assert errors[1] == "SOL013"
    assert errors[2] == errors[3]
    assert errors[2] is not None
    assert found.best == found.trials[0]


def test_draws_are_spread_as_they_say() -> None:
    p = netc.loads(NET + BLOCK % "trials: 4").record.search
    variables = variables_of(p)
    drawn = [choosing.choose(p, variables, n, []) for n in range(400)]
    rates = np.log10([float(d["base_lr"]) for d in drawn])
    assert abs(rates.mean() + 1.5) < 0.15
    assert -3 <= rates.min() < -2.9
    assert -0.1 < rates.max() <= 0
    for name in ("width", "kind"):
        counts = [sum(d[name] == v for d in drawn) for v in {d[name] for d in drawn}]
        assert len(counts) == 2
        assert min(counts) > 150
    whole = netc.loads(NET + 'search { width: between(1, 4) best: "accuracy" }').record.search
    numbers = [choosing.choose(whole, variables_of(whole), n, [])["width"] for n in range(400)]
    assert {n: abs(numbers.count(n) - 100) < 40 for n in "1234"} == dict.fromkeys("1234", True)


def test_tpe_is_optunas_and_goes_on(net: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed (netc[search])")
    write("trials: 14 method: TPE", "t.net")
    whole = netc.search("t.net", iterations=3)
    wanted = contents(Path())
    for file in [*Path().glob("t*.jsonl"), *Path().glob("t*.caffemodel")]:
        file.unlink()
    netc.search("t.net", iterations=3, trials=12)
    assert netc.search("t.net", iterations=3) == whole
    assert contents(Path()) == wanted
    assert len({json.dumps(dict(t.settings)) for t in whole.trials}) == 14


def test_tpe_without_optuna(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    write("method: TPE", "t.net")
    with pytest.raises(NetError) as caught:
        netc.search("t.net")
    assert caught.value.diagnostics[0].code.id == "SOL053"


def test_early_stopping_is_judged_by_the_weights_that_stay(net: Path) -> None:
    """With `restore`, the figure and the weights are those of the best test."""
    text = NET.replace("momentum: 0.5", 'early_stop { output: "accuracy" patience: 1 restore: true }')
    Path("e.net").write_text(
        text.replace("max_iter: 6", "max_iter: 60") + 'search { base_lr: [0.3, 5.0] best: "accuracy" method: GRID }'
    )
    for trial in netc.search("e.net").trials:
        if trial.value is None:
            continue
        solver = netc.Solver("e.net", settings={"base_lr": float(trial.settings["base_lr"])}, keep_gradients=False)
        solver.prefix = None
        solver.solve()
        assert trial.value == solver.best
        assert not math.isnan(solver.best)


def test_nothing_to_search(net: Path) -> None:
    Path("n.net").write_text(NET)
    with pytest.raises(NetError) as caught:
        netc.search("n.net")
    assert caught.value.diagnostics[0].code.id == "SOL050"


@pytest.mark.parametrize("executor", ["fast", "reference"])
def test_killed_at_any_moment(net: Path, executor: str) -> None:
    """SIGKILL, again and again: the file and the weights end as those of a search that was never stopped."""
    netc.search(net, executor=executor)
    wanted = contents(Path())
    for name in wanted:
        Path(name).unlink()
    chance, kills, done = random.Random(3), 0, False
    while not done:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, executor], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        if kills < 4:
            if kills % 2:
                process.stdout.readline()  # a trial has ended
            time.sleep(chance.uniform(0.0, 0.25))
            process.kill()
            kills += 1
        done = process.stdout.read().endswith("done\n")
        process.stdout.close()
        process.wait()
    assert contents(Path()) == wanted
