"""The dictionaries and lists that show a net's blobs: their entries stay, values are written into them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from netc.caffe.errors import refuse
from netc.errors import Code

REPLACED = Code(
    "RUN067",
    "a blob of a net cannot be replaced",
    why="`net.blobs` and `net.params` show the net's own blobs. In pycaffe an array that is put in the place of one "
    "changes the dictionary only, and the net goes on with the old values without a word; netc refuses it.",
    example='net.blobs["data"] = images',
    fix='net.blobs["data"].data[...] = images',
)
T = TypeVar("T")


class FixedDict(OrderedDict[str, T]):
    """An OrderedDict that stays as it was made. Raises CaffeError(RUN067) when it is changed.

    write: how values are written into the entry called NAME.
    """

    _write = ""

    def __init__(self, items: Iterable[tuple[str, T]], write: str) -> None:
        super().__init__(items)
        self._write = write

    def copy(self) -> OrderedDict[str, T]:  # type: ignore[override]
        """A plain OrderedDict of the same entries."""
        return OrderedDict(self)

    def __setitem__(self, name: str, value: T) -> None:
        if self._write:  # it has been made
            self._refuse(name)
        super().__setitem__(name, value)

    def _refuse(self, name: object = None, *_: object, **__: object) -> NoReturn:
        known = isinstance(name, str) and name in self
        what = f'the blobs of "{name}" stay' if known else "a net's blobs follow from its file: they stay"
        raise _replaced(what, self._write.replace("NAME", str(name)) if known else self._write)

    __delitem__ = pop = popitem = clear = update = setdefault = move_to_end = __ior__ = _refuse  # type: ignore


class FixedList(list[T]):
    """The blobs of one layer, as many as they are. Raises CaffeError(RUN067) when it is changed.

    write: how values are written into entry INDEX.
    """

    def __init__(self, items: Iterable[T], write: str) -> None:
        super().__init__(items)
        self._write = write

    def _refuse(self, index: Any = None, *_: object, **__: object) -> NoReturn:
        known = isinstance(index, int)
        what = f"blob {index} of the layer stays" if known else "a layer's blobs follow from its fields: they stay"
        raise _replaced(what, self._write.replace("INDEX", str(index)) if known else self._write)

    __setitem__ = __delitem__ = append = extend = insert = pop = remove = _refuse
    clear = sort = reverse = __iadd__ = __imul__ = _refuse


def _replaced(what: str, write: str) -> Exception:
    return refuse(REPLACED, what, f"to give it values, write `{write}`")
