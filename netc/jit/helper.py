"""A process that compiles for another one: tasks come in on stdin, what was made of them goes out on stdout."""

from __future__ import annotations

import os
import signal
import sys

from netc.jit.objects import Made
from netc.jit.tasks import Task, receive, send

START = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from netc.jit.helper import serve; serve()"
"""The program of such a process. The first message is the list of places where modules are."""


def serve() -> None:
    """Until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who sent the tasks decides when to stop
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # modules may print when they are imported
        while True:
            try:
                task = receive(sys.stdin.buffer)
                send(answers, _answer(task))
            except (EOFError, OSError):
                return


def _answer(task: Task) -> Made | None:
    """None where something is wrong: the other process will find out by itself."""
    try:
        return task.made()
    except Exception:
        return None
