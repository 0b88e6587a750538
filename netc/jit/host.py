"""The processor that kernels are compiled for, and what machine code depends on besides its source."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from netc.errors import Code, Diagnostic, NetError
from netc.kernel_key import library_version

UNKNOWN_FEATURES = Code(
    "RUN002",
    "NETC_FEATURES has an unknown value",
    why="The variable makes kernels use fewer vector instructions than the processor has, for tests.",
    example="NETC_FEATURES=sse netc time nets/digits.net",
    fix="Use avx512, avx2 or plain, or unset it.",
)
BAD_COMPILERS = Code(
    "RUN003",
    "NETC_COMPILERS is not a number of processes",
    why="The variable says how many processes compile kernels at once, where there is much to compile. By default as "
    "many as the process may use cores, at most 4; each takes about 200 MB while it compiles.",
    example="NETC_COMPILERS=many netc train nets/digits.net",
    fix="Use a number from 1 (no other processes) to 64, or unset it.",
)
UNKNOWN_BF16 = Code(
    "RUN004",
    "NETC_BF16 has an unknown value",
    why="The variable says what makes products of bfloat16 numbers (`--precision bf16`): fewer of the processor's "
    "instructions than it has, or none of them, for tests.",
    example="NETC_BF16=fast netc time nets/lenet.net --precision bf16",
    fix="Use amx, avx512_bf16 or emulated, or unset it.",
)
MOST_COMPILERS = 64
FEATURES = ("avx512", "avx2", "plain")
BF16 = ("amx", "avx512_bf16", "emulated")
ASK_FOR_TILES, TILE_DATA = 0x1023, 18  # of Linux's arch_prctl: ARCH_REQ_XCOMP_PERM; the registers' number
ARCH_PRCTL = 158  # the call's number on x86-64
MAKERS = ("compiler.py", "kinds.py", "lines.py", "numbas.py", "objects.py")
"""The files beside this one that say what machine code is like."""
OPTIONS = {"error_model": "numpy", "nogil": True}
"""numba's options of all kernels."""


def _llvm() -> Any:
    return importlib.import_module("llvmlite.binding")


@functools.cache
def features() -> str:
    """The vector instructions that kernels use: "avx512", "avx2" (with FMA) or "plain".

    `$NETC_FEATURES` forces them down, never up. Other processors than x86 are "plain": LLVM then picks what they have.
    """
    host = _llvm().get_host_cpu_features()
    best = "avx512" if host.get("avx512f") else "avx2" if host.get("avx2") and host.get("fma") else "plain"
    wanted = os.environ.get("NETC_FEATURES", best)
    if wanted not in FEATURES:
        message = f"NETC_FEATURES={wanted} is not one of {', '.join(FEATURES)}"
        raise NetError(Diagnostic(UNKNOWN_FEATURES, message))
    return max(best, wanted, key=FEATURES.index)


@functools.cache
def bf16() -> str:
    """What makes products of bfloat16 numbers: "amx", "avx512_bf16", or "" where the processor has neither.

    `$NETC_BF16` forces that down, never up; "emulated" (float32 products of rounded numbers) is there on every
    processor, where it is asked for. Raises NetError(RUN004).
    """
    wanted = os.environ.get("NETC_BF16", BF16[0])
    if wanted not in BF16:
        raise NetError(Diagnostic(UNKNOWN_BF16, f"NETC_BF16={wanted} is not one of {', '.join(BF16)}"))
    host = _llvm().get_host_cpu_features() if features() == "avx512" else {}
    there = {
        "amx": host.get("amx-bf16") and host.get("avx512bf16") and wanted == "amx" and _has_tiles(),
        "avx512_bf16": host.get("avx512bf16"),
        "emulated": wanted == "emulated",
    }
    return next((way for way in BF16[BF16.index(wanted) :] if there[way]), "")


def _has_tiles() -> bool:
    """Whether the system lets this process, and threads that it starts, use the tile registers (AMX): it asks."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).syscall(ARCH_PRCTL, ASK_FOR_TILES, TILE_DATA) == 0)


def forced() -> bool:
    """Whether LLVM must be told about a processor with no more than `features()`: the environment asks for that."""
    return features() != "avx512" and "NETC_FEATURES" in os.environ


def processor() -> tuple[str, str]:
    """The name and the features of the processor that kernels are compiled for, as LLVM writes them."""
    llvm = _llvm()
    if not forced():
        return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    x86 = llvm.get_process_triple().startswith(("x86_64", "i686"))
    avx2 = features() == "avx2"
    name = ("haswell" if avx2 else "x86-64") if x86 else "generic"
    return name, "+avx2,+fma" if avx2 else ""


def compilers(most: int) -> int:
    """How many processes may compile at once: `$NETC_COMPILERS`, else one for each core, at most `most`."""
    if given := os.environ.get("NETC_COMPILERS"):
        if not given.isdecimal() or not 1 <= int(given) <= MOST_COMPILERS:
            message = f"NETC_COMPILERS={given} is not a number from 1 to {MOST_COMPILERS}"
            raise NetError(Diagnostic(BAD_COMPILERS, message))
        return int(given)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(most, cores)


@functools.cache
def machine() -> str:
    """What machine code depends on besides the source of kernels: versions, the processor, how netc compiles."""
    digest = hashlib.sha256()
    own = [(Path(__file__).parent / name).read_bytes().hex() for name in MAKERS]
    versions = [library_version(name) for name in ("numba", "llvmlite", "numpy")]
    numbas = sorted((name, value) for name, value in os.environ.items() if name.startswith("NUMBA_"))
    for part in (*own, *versions, sys.version, OPTIONS, *processor(), numbas):
        digest.update(str(part).encode() + b"\0")
    return digest.hexdigest()[:32]
