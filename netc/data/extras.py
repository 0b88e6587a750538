"""Packages that only some data needs: imported when such data is opened."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from netc.data.codes import NEEDS_PACKAGE
from netc.errors import Diagnostic, NetError


def package(module: str, name: str, what: str, extra: str = "data") -> ModuleType:
    """A module of a package of an extra. Raises NetError(DAT004) if it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        help = f"pip install 'netc[{extra}]'"
        raise NetError(Diagnostic(NEEDS_PACKAGE, f"{what} need the package {name}", None, (), help)) from None


def pillow(module: str = "PIL.Image") -> ModuleType:
    return package(module, "Pillow", "images")


def h5py() -> ModuleType:
    return package("h5py", "h5py", "HDF5 files")


def lmdb() -> ModuleType:
    return package("lmdb", "lmdb", "new LMDB databases")
