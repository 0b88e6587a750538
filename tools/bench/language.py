"""How long reading a net takes, against protobuf's own text format reader; prints a table in Markdown.

    python -m tools.bench.language [FILE] [--seconds 10]

FILE is a plain prototxt; without one, it is the gallery's ResNet-152 written out by `netc expand`. protobuf reads it
with the schema that netc generates, once into its C messages (upb) and once into its Python messages; its tokenizer is
Python in both. The contenders take turns in processes of their own; medians and the quartiles' spread are milliseconds
of processor time (each runs in one thread, so on a machine that does nothing else this is the time one waits). The
processes check first that protobuf and netc read the same message.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf import text_format
from google.protobuf.internal import api_implementation

from netc import language
from netc.api.definition import expanded, typed
from netc.api.planning import plan_state
from netc.catalogue import Catalogue, catalogue
from netc.errors import Report
from netc.graph import State
from netc.schema.typing import type_document
from netc.schema.wire import encode

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "nets" / "resnet152.net"
STAGES = ("netc: parse", "netc: parse and type", "netc: parse, type and plan")
PROTOBUF = {"upb": "protobuf text_format.Parse (upb)", "python": "protobuf text_format.Parse (Python messages)"}
NAMES = (*STAGES, *PROTOBUF.values())


def contender(name: str, path: Path) -> Callable[[], object]:
    """What is timed; everything that is done once a process is done."""
    text, types = path.read_text(encoding="utf-8"), catalogue()
    document = language.parse(text, str(path))
    schema = typed(document, path, types).schema
    if name in STAGES:
        return partial(_netc, STAGES.index(name), text, path, types)
    if PROTOBUF[api_implementation.Type()] != name:
        raise SystemExit(f"protobuf is running on {api_implementation.Type()}")
    message: Any = schema.message_class("NetParameter")
    report = Report()
    record = type_document(document.block, schema.message("NetParameter"), report)
    report.finish()
    if message.FromString(encode(record)) != text_format.Parse(text, message()):
        raise SystemExit(f"protobuf reads {path} differently")
    return lambda: text_format.Parse(text, message())


def _netc(stage: int, text: str, path: Path, types: Catalogue) -> object:
    document = language.parse(text, str(path))
    if stage == 0:
        return document
    definition = typed(document, path, types)
    return definition if stage == 1 else plan_state(definition, State("TEST"))


def serve(name: str, path: Path) -> None:
    """A contender's process: one call, timed, for each line on standard input."""
    call = contender(name, path)
    call()
    print("ready", flush=True)
    for _ in sys.stdin:
        gc.collect()
        start = time.process_time()
        call()
        print(json.dumps(1e3 * (time.process_time() - start)), flush=True)


def measure(path: Path, seconds: float, least: int = 5) -> dict[str, list[float]]:
    """Milliseconds of processor time of single calls, by contender, in turns."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_process(name, path)) for name in NAMES}
        for process in processes.values():
            if _answer(process).strip() != "ready":
                raise SystemExit(1)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(found[NAMES[-1]]) < least:
            for name, process in processes.items():
                assert process.stdin is not None
                process.stdin.write("again\n")
                process.stdin.flush()
                found[name].append(float(json.loads(_answer(process))))
    return found


def _process(name: str, path: Path) -> subprocess.Popen[str]:
    kind = next((kind for kind, shown in PROTOBUF.items() if shown == name), "upb")
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": kind}
    command = [sys.executable, "-m", "tools.bench.language", str(path), "--serve", name]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def table(found: dict[str, list[float]]) -> list[str]:
    """The lines of a Markdown table; ratios are of the whole way through netc."""
    own = statistics.median(found[STAGES[-1]])
    lines = ["| what | ms | times netc's whole way |", "|---|---:|---:|"]
    for name, times in found.items():
        low, middle, high = statistics.quantiles(times, n=4)
        lines.append(f"| {name} | {middle:.0f} \N{PLUS-MINUS SIGN} {(high - low) / 2:.0f} | {middle / own:.2f} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", choices=NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.file)
        return
    with TemporaryDirectory() as folder:
        path = options.file.resolve() if options.file else Path(folder) / "resnet152.prototxt"
        if not options.file:
            path.write_text(language.write(expanded(language.read(GALLERY), catalogue()).block), encoding="utf-8")
        print(f"{path.name}: {path.read_text(encoding='utf-8').count(chr(10)):,} lines")
        print("\n".join(table(measure(path, options.seconds))))


if __name__ == "__main__":
    main()
