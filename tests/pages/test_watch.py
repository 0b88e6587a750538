"""`netc watch`: who gets what from its server, and that its page follows a run that another process makes."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc.pages import watch
from netc.pages.watch import MOST_BYTES, WatchServer, new_lines
from tests.cli.conftest import COMMAND, SMALL, environment
from tests.pages.browser import BROWSER, needs_browser

LINE = '{"kind": "train", "iteration": %d, "average_loss": %g, "lr": 0.1}\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchServer]:
    made = WatchServer(tmp_path / "run.metrics.jsonl")
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(server: WatchServer, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{server.server_port}" if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_who_does_not_know_the_secret_gets_nothing(server: WatchServer) -> None:
    server.path.write_text(LINE % (0, 1))
    wrong = "x" * len(server.token)
    for path in (
        "/",
        "/lines",
        f"/{wrong}/",
        f"/{wrong}/lines",
        "/%2e%2e/",
        "//",
        f"/{server.token[:-1]}/",
        "/%C3%BC/",
    ):
        status, content = ask(server, path)
        assert (status, content) == (403, b"403 Forbidden\n"), path


def test_nothing_else_is_served(server: WatchServer) -> None:
    for path in (
        "..",
        "../etc/passwd",
        "%2e%2e/",
        "run.metrics.jsonl",
        "lines/",
        "lines/..",
        "page/lines",
        "./lines",
        "",
    ):
        status, _ = ask(server, f"/{server.token}/{path}" if path else f"/{server.token}")
        assert status == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, f"/{server.token}/lines", method=method)[0] == 501


def test_pages_of_others_cannot_ask(server: WatchServer) -> None:
    """A name of somebody else that leads to this machine (DNS rebinding) is refused, even with the secret."""
    for host in ("evil.example", f"evil.example:{server.server_port}", "", "127.0.0.1"):
        assert ask(server, f"/{server.token}/lines", host)[0] == 403
    assert ask(server, f"/{server.token}/", f"localhost:{server.server_port}")[0] == 200


def test_only_this_machine_is_listened_to(server: WatchServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert len(server.token) >= 32
    assert WatchServer(server.path).token != server.token


def lines(server: WatchServer, **query: Any) -> dict[str, Any]:
    asked = "&".join(f"{k}={v}" for k, v in query.items())
    return dict(json.loads(ask(server, f"/{server.token}/lines?{asked}")[1]))


def test_lines_come_once_and_whole(server: WatchServer) -> None:
    assert lines(server)["id"] == ""
    server.path.write_text(LINE % (0, 2) + '{"kind": "tr')
    first = lines(server, **{"from": 0, "id": ""})
    assert [json.loads(line)["iteration"] for line in first["lines"]] == [0]
    assert first["again"]
    with server.path.open("a") as file:
        file.write('ain", "iteration": 1}\n')
    second = lines(server, **{"from": first["from"], "id": first["id"]})
    assert [json.loads(line)["iteration"] for line in second["lines"]] == [1]
    assert not second["again"]
    assert lines(server, **{"from": second["from"], "id": second["id"]})["lines"] == []
    server.path.rename(server.path.with_suffix(".previous"))  # a run from iteration 0 starts a new file
    server.path.write_text(LINE % (7, 1))
    third = lines(server, **{"from": second["from"], "id": second["id"]})
    assert third["again"]
    assert [json.loads(line)["iteration"] for line in third["lines"]] == [7]


@pytest.mark.parametrize("place", ["-1", "x", "9" * 30, "%00", "1e3", ""])
def test_places_that_make_no_sense(server: WatchServer, place: str) -> None:
    server.path.write_text(LINE % (0, 2))
    assert len(lines(server, **{"from": place})["lines"]) == 1


def test_long_files_come_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    line = "x" * 1000 + "\n"
    path.write_text(line * 5000)
    query, count = {"from": ["0"], "id": [""]}, 0
    for _ in range(5):
        found = new_lines(path, query)
        count += len(found["lines"])
        query = {"from": [str(found["from"])], "id": [found["id"]]}
        if not found["more"]:
            break
    assert count == 5000
    assert 5000 * len(line) > MOST_BYTES


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    assert new_lines(tmp_path, {})["id"] == ""
    assert new_lines(Path("/dev/zero"), {})["lines"] == []


def watching(tmp_path: Path, name: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [*COMMAND, "watch", name],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_the_command_follows_the_run_of_a_net(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "small.net").write_text(SMALL)
    process, address = watching(tmp_path, "sub/small.net")
    try:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{32,})/", address)
        assert found is not None
        subprocess.run(
            [*COMMAND, "train", "sub/small.net", "--iterations", "3"], cwd=tmp_path, env=environment(), check=True
        )
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", f"/{found[2]}/lines?from=0&id=")
        answer = json.loads(connection.getresponse().read())
        assert answer["name"] == "small.metrics.jsonl"
        assert {json.loads(line)["kind"] for line in answer["lines"]} >= {"test", "snapshot"}
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_port_that_is_taken(tmp_path: Path, server: WatchServer) -> None:
    command = [*COMMAND, "watch", "x", "--port", str(server.server_port)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error[CLI016]" in done.stderr


@needs_browser
def test_the_page_follows_a_run_in_a_browser(
    server: WatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser opens the page before there is a run; with each question there are more lines."""
    assert BROWSER is not None
    asked = []

    def growing(path: Path, query: dict[str, list[str]]) -> dict[str, Any]:
        asked.append(query["from"][0])
        if 2 <= len(asked) <= 9:
            with path.open("a") as file:
                file.write(LINE % (len(asked) * 10, 2 / len(asked)))
        if len(asked) == 9:
            with path.open("a") as file:
                file.write('{"kind": "test", "iteration": 90, "outputs": {"accuracy": 0.875, "<b>": 1}}\n')
        return new_lines(path, query)

    monkeypatch.setattr(watch, "new_lines", growing)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000", "--dump-dom"]
    command = [BROWSER, *flags, f"--user-data-dir={tmp_path / 'browser'}", server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert asked[:2] == ["0", "0"]
    assert int(asked[-1]) > int(asked[3]) > 0  # no line is asked for twice
    assert "<b>90</b>iteration" in done.stdout
    assert "<b>0.8750</b>test accuracy" in done.stdout
    assert "test &lt;b&gt;" in done.stdout
    assert done.stdout.count("<polyline") >= 3
