"""The page of `netc watch`, and the server that gives it, and a run's metrics, to whoever knows its address."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from netc import files
from netc.pages import html

HOST = "127.0.0.1"
MOST_BYTES = 1 << 21
"""Of an answer; a longer file is sent in several."""
_SECONDS = 10  # that a request may take to be sent
_BODY = """
<header><h1>netc watch</h1><span id="state" class="soft" role="status">…</span>
<button id="theme" title="dark or light" aria-label="dark or light">&#9680;</button></header>
<div id="now"></div><div id="charts"></div><div id="looks"></div><div id="layers"></div>
"""


class WatchServer(ThreadingHTTPServer):
    """Serves the page of one run on this machine only: at `address`, which holds a secret; and the run's new lines.

    Nothing else is served, nothing is written, and no other machine can ask. Anything without the secret is 403,
    anything that there is not is 404. path: the metrics file, which may not be there yet.
    """

    daemon_threads = True

    def __init__(self, path: Path, port: int = 0) -> None:
        self.path = path
        self.asked = time.monotonic()
        self.token = secrets.token_urlsafe(24)
        self.page = html.page(
            f"{path.name} - netc watch",
            _BODY,
            {},
            scripts=("base.js", "values.js", "classes.js", "watch.js"),
            styles=("base.css", "watch.css", "tested.css"),
            connect="'self'",
        )
        super().__init__((HOST, port), _Handler)

    def end_after(self, ended: Callable[[], object], patience: float) -> None:
        """End serving once `ended` has returned (it may wait long), and nobody has asked for so many seconds."""

        def wait() -> None:
            ended()
            self.asked = time.monotonic()
            while (left := self.asked + patience - time.monotonic()) > 0:
                time.sleep(left)
            self.shutdown()

        threading.Thread(target=wait, daemon=True).start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser of this machine calls the server; another name is somebody else's page that points here."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: WatchServer
    timeout = _SECONDS
    server_version = "netc"
    sys_version = ""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        parts = asked.path.split("/")
        token, rest = parts[1] if len(parts) > 1 else "", parts[2:]
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        if not known or self.headers.get("Host", "") not in self.server.hosts:
            self._say(HTTPStatus.FORBIDDEN)
            return
        self.server.asked = time.monotonic()
        if rest == [""]:
            self._send("text/html; charset=utf-8", self.server.page)
        elif rest == ["lines"]:
            found = new_lines(self.server.path, parse_qs(asked.query))
            self._send("application/json", json.dumps(found).encode("utf-8", "backslashreplace"))
        else:
            self._say(HTTPStatus.NOT_FOUND)

    def _say(self, status: HTTPStatus) -> None:
        self._send("text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode(), status)

    def _send(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the person's."""


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def new_lines(path: Path, query: dict[str, list[str]]) -> dict[str, Any]:
    """The whole lines of a metrics file that come after a place.

    query: `from`, the place, and `id`, which file it was in. The answer has both as they are now (`id` is empty where
    there is no file), `again` if it begins at the start of another file, and `more` if it is not all.
    """
    place, was = _number(query.get("from", ["0"])[0]), query.get("id", [""])[0]
    nothing = {"name": path.name, "from": 0, "id": "", "lines": [], "again": bool(was), "more": False}
    try:
        with files.open_regular(path) as file:
            found = os.fstat(file.fileno())
            name = f"{found.st_dev:x}-{found.st_ino:x}"
            again = was != name or place > found.st_size
            start = 0 if again else place
            file.seek(start)
            content = file.read(MOST_BYTES)
    except OSError:
        return nothing
    end = content.rfind(b"\n") + 1
    lines = content[:end].decode("utf-8", "replace").splitlines()
    more = len(content) == MOST_BYTES and end > 0
    return {"name": path.name, "from": start + end, "id": name, "lines": lines, "again": again, "more": more}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
