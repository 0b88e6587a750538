"""`netc train --view`: what it writes, that the run is the same with it, and that neither process harms the other."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

import netc
from netc.api.meter import Several
from netc.api.metrics import MetricsFile
from netc.pages import live
from netc.pages.live import Viewer
from netc.pages.watch import WatchServer
from tests.cli.conftest import COMMAND, environment
from tests.pages.browser import BROWSER, needs_browser

NET = """
name: "photos"
train { data, label = ImageFolder() { source: "photos" batch_size: 6 shuffle: true transform_param { scale: 0.004 } } }
test { data, label = ImageFolder() { source: "photos" batch_size: 12 transform_param { scale: 0.004 } } }
c = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } }
c = ReLU(c)
score = InnerProduct(c) { num_output: 2 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(score, label) }
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.01 max_iter: 120 random_seed: 1 test_iter: 1 test_interval: 60 display: 20 }
"""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures of two classes whose names are no HTML, 60 pixels wide; the classes look alike."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("<b>cat", "dog"):
        for i in range(6):
            path = tmp_path / "photos" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    path = tmp_path / "photos.net"
    path.write_text(NET)
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def looks_of(path: Path) -> list[dict[str, Any]]:
    return [line for line in lines_of(path) if line["kind"] == "view"]


def viewed(net: Path, metrics: Path, **options: Any) -> netc.Solver:
    """A solver with a view, run."""
    solver = netc.Solver(net, keep_gradients=False, **options)
    file = MetricsFile(metrics)
    solver.events = Several(file, Viewer(solver, file.write))
    solver.solve()
    return solver


def test_the_run_is_the_same_with_a_view(photos: Path, tmp_path: Path) -> None:
    plain = netc.Solver(photos, keep_gradients=False)
    plain.solve()
    seen = viewed(photos, tmp_path / "a.jsonl")
    for ours, theirs in zip(plain.net.parameters.all, seen.net.parameters.all, strict=True):
        assert ours.array.tobytes() == theirs.array.tobytes()


def test_what_is_written(photos: Path, tmp_path: Path) -> None:
    solver = viewed(photos, tmp_path / "a.jsonl")
    looks = looks_of(tmp_path / "a.jsonl")
    assert [look["iteration"] for look in looks] == list(range(0, 121, 3))
    last = looks[-1]
    assert last["names"] == ["<b>cat", "dog"]
    assert np.sum(last["matrix"], 1).tolist() == [6, 6]
    score = netc.Net(netc.load(photos), keep=True, executor="reference")
    for key, blobs in solver.net.params.items():
        for ours, theirs in zip(score.params[key], blobs, strict=True):
            ours[...] = theirs
    score.forward()
    given = score.blobs["score"].argmax(1)
    wrong = int((given != score.blobs["label"].reshape(-1)).sum())
    assert sum(map(sum, last["matrix"])) - np.trace(last["matrix"]) == wrong
    assert [each["layer"] for each in last["activations"]][-1] == "loss"
    gradient = next(each for each in last["gradients"] if each["blob"] == "score/weights")
    assert gradient["weight_norm"] == pytest.approx(float(np.linalg.norm(solver.net.params["score"][0])))
    assert gradient["norm"] > 0
    assert [(each["name"], each["count"], each["channels"]) for each in last["filters"]] == [("c/weights", 4, 3)]
    first = looks[0]["wrong"]
    assert 0 < len(first) <= live.MOST_WRONG
    assert (first[0]["image"]["height"], first[0]["image"]["width"]) == (40, 30)
    assert max(len(json.dumps(look)) for look in looks) < 100_000


def test_a_run_without_tests_is_looked_into_as_it_trains(photos: Path, tmp_path: Path) -> None:
    text = NET.replace("test_iter: 1 test_interval: 60", "").replace("max_iter: 120", "max_iter: 2")
    photos.write_text(text)
    viewed(photos, tmp_path / "a.jsonl")
    assert [look["iteration"] for look in looks_of(tmp_path / "a.jsonl")] == [0, 1, 2]
    assert np.sum(looks_of(tmp_path / "a.jsonl")[0]["matrix"]) == 6


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}lines?from=0&id=", timeout=10) as answer:
            return bool(json.loads(answer.read())["lines"])
    except (URLError, OSError):
        return False


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(net: Path) -> tuple[subprocess.Popen[str], str]:
    net.write_text(NET.replace("max_iter: 120", "max_iter: 1000000"))
    process = subprocess.Popen(
        [*COMMAND, "train", str(net), "--view"], cwd=net.parent, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", process.stderr.readline())
    assert found is not None
    return process, found[0]


def page_process(address: str) -> int:
    """The process that listens on the port of an address."""
    port = format(int(re.findall(r":(\d+)/", address)[0]), "04X")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    socket = next(row[9] for row in rows if row[1].endswith(f":{port}") and row[3] == "0A")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) == f"socket:[{socket}]" for fd in (folder / "fd").iterdir()):
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("nobody listens")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the process of a port is looked up in Linux's /proc")
def test_killing_either_harms_neither(photos: Path) -> None:
    process, address = started(photos)
    try:
        until(lambda: answers(address))
        page = page_process(address)
        process.kill()  # the run: the page still answers, from its lines
        process.wait()
        assert answers(address)
        with pytest.raises(HTTPError, match="403"):
            urlopen(re.sub(r"/[\w-]+/$", "/x/", address), timeout=10)
        os.kill(page, signal.SIGTERM)
        until(lambda: not answers(address))
        process, address = started(photos)
        until(lambda: answers(address))
        os.kill(page_process(address), signal.SIGKILL)  # the page: the run goes on
        until(lambda: not answers(address))
        metrics = photos.with_name("photos.metrics.jsonl")
        until(metrics.exists)  # the page is there before the first line
        size = metrics.stat().st_size
        until(lambda: metrics.stat().st_size > size)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
    finally:
        process.kill()
        process.wait()


def test_the_page_ends_when_nobody_asks_any_more(tmp_path: Path) -> None:
    server = WatchServer(tmp_path / "a")
    ended = threading.Event()
    server.end_after(ended.wait, 0.2)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    thread.join(0.4)
    assert thread.is_alive()
    ended.set()
    thread.join(30)
    assert not thread.is_alive()
    server.server_close()


@needs_browser
def test_the_looks_in_a_browser(photos: Path, tmp_path: Path) -> None:
    assert BROWSER is not None
    viewed(photos, tmp_path / "a.jsonl", changes={"max_iter": 2, "base_lr": 1e-9})
    server = WatchServer(tmp_path / "a.jsonl")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
        command = [BROWSER, *flags, f"--user-data-dir={tmp_path / 'browser'}", server.address]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    finally:
        server.shutdown()
        server.server_close()
    looks = shown.partition('id="looks"')[2]
    assert "after 2 iterations" in looks
    assert "&lt;b&gt;cat" in looks
    assert "<b>cat" not in shown
    assert 'class="filters"' in looks
    assert looks.count("<figure>") == len(looks_of(tmp_path / "a.jsonl")[-1]["wrong"]) > 0
    assert looks.count('class="spark"') >= 8
