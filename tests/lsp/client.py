"""A small language-server client: a real process, JSON-RPC over stdio."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.cli.conftest import COMMAND, environment


class Client:
    """Starts `netc lsp`; `ask` waits for the answer, notifications are kept by method."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, env=environment()
        )
        self.number = 0
        self.notes: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self.tell("initialized", {})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.ask("shutdown", None)
            self.tell("exit", None)
        else:
            self.process.kill()
        self.process.wait(timeout=20)

    def tell(self, method: str, params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self._send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.notes.append(message)

    def diagnostics(self) -> list[dict[str, Any]]:
        """Those published last; waits for some if there are none yet."""
        while True:
            found = [n for n in self.notes if n.get("method") == "textDocument/publishDiagnostics"]
            if found:
                self.notes.clear()
                result: list[dict[str, Any]] = found[-1]["params"]["diagnostics"]
                return result
            self.notes.append(self._receive())

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while (line := self.process.stdout.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message
