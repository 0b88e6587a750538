"""From a line of memory (`kinds`) to the arguments of numba's code, and back: a few loads and stores in LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.jit.kinds import ARRAY_HEADER, NUMBERS, ArrayKind, Fields, Group, Kind, Nothing, Number
from netc.jit.numbas import arrayobj, extending, ir, numpy_support, target, types, typing

I8, I64 = ir.IntType(8), ir.IntType(64)
POINTER = ir.PointerType()


class UnsupportedError(Exception):
    """What a function gives back does not go into a line, or it needs the interpreter."""


# ---------------------------------------------------------------- operands in numba's eyes


class FieldsType(types.Type):  # type: ignore[misc]
    """A structure of integers and addresses, read by name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"Fields({', '.join(names)})")


@extending.register_model(FieldsType)
class _Model(extending.models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: FieldsType) -> None:
        super().__init__(manager, kind, [(name, types.intp) for name in kind.names])


@extending.infer_getattr
class _Attributes(typing.templates.AttributeTemplate):  # type: ignore[misc]
    key = FieldsType

    def generic_resolve(self, kind: FieldsType, name: str) -> Any:
        return types.intp if name in kind.names else None


@extending.lower_getattr_generic(FieldsType)  # type: ignore[untyped-decorator]
def _field(_context: Any, b: Any, kind: FieldsType, value: Any, name: str) -> Any:
    return b.extract_value(value, kind.names.index(name))


def type_of(kind: Kind) -> Any:
    """numba's type of a kind."""
    match kind:
        case Number():
            return types.boolean if kind.name == "bool" else getattr(types, kind.name)
        case Fields():
            return FieldsType(kind.names)
        case Group():
            return types.BaseTuple.from_types(tuple(map(type_of, kind.items)))
        case ArrayKind():
            layout, mutable = kind.layout, kind.mutable
            return types.Array(
                numpy_support.from_dtype(np.dtype(kind.dtype)), kind.axes, layout, not mutable, aligned=kind.aligned
            )
        case Nothing():
            return types.none


def kind_of(found: Any) -> Kind:
    """The kind of what a function gives back; raises UnsupportedError."""
    found = types.unliteral(found)
    if found == types.none:
        return Nothing()
    if found == types.boolean:
        return Number("bool")
    if isinstance(found, types.Number) and found.name in NUMBERS:
        return Number(found.name)
    if isinstance(found, types.Tuple | types.UniTuple):
        return Group(tuple(map(kind_of, found.types)))
    raise UnsupportedError(f"{found} does not go into a line")


# ---------------------------------------------------------------- from a line to the function


def wrapper(body: Any, leading: int, kinds: Sequence[Kind], result: Kind) -> Any:
    """Code of int64(line, integers...), `leading` of these: calls `body` with the integers and what is in the line.

    It returns 0, or the address of what `body` has raised. If `body` gives something back, the last argument is the
    address where to write that, as a line.
    """
    context = target.target_context
    module = context.create_module("line")
    convention = context.call_conv
    called = ir.Function(module, convention.get_function_type(body.restype, body.argtypes), body.llvm_func_name)
    count = 1 + leading + (result != Nothing())
    function = ir.Function(module, ir.FunctionType(I64, [I64] * count), body.llvm_cfunc_wrapper_name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    line = _Line(context, b, function.args[0])
    arguments = [*function.args[1 : 1 + leading], *map(line.load, kinds)]
    status, value = convention.call_function(b, called, body.restype, body.argtypes, arguments, attrs=("noinline",))
    with b.if_then(status.is_error):
        b.ret(b.ptrtoint(status.excinfoptr, I64))
    _Line(context, b, function.args[-1]).store(result, value)
    b.ret(I64(0))
    return module


class _Line:
    """The words of a line, one after the other."""

    def __init__(self, context: Any, b: Any, address: Any) -> None:
        self.context, self.b = context, b
        self._at = b.inttoptr(address, POINTER)
        self._offset = 0

    def _next(self) -> Any:
        self._offset += 8
        return self.b.gep(self._at, [I64(self._offset - 8)], source_etype=I8)

    def put(self, value: Any) -> None:
        self.b.store(value, self._next())

    def load(self, kind: Kind) -> Any:
        b, found = self.b, type_of(kind)
        match kind:
            case Number(name="bool"):
                return b.trunc(b.load(self._next(), typ=I8), ir.IntType(1))
            case Number():
                return b.load(self._next(), typ=self.context.get_value_type(found))
            case ArrayKind():
                return self._array(found, b.inttoptr(b.load(self._next(), typ=I64), POINTER))
            case Group():
                return self.context.make_tuple(b, found, [self.load(item) for item in kind.items])
            case Fields():
                value = ir.Constant(self.context.get_value_type(found), ir.Undefined)
                for i in range(len(kind.names)):
                    value = b.insert_value(value, b.load(self._next(), typ=I64), i)
                return value
            case Nothing():
                return self.context.get_dummy_value()

    def _array(self, found: Any, place: Any) -> Any:
        """numba's array of a numpy array's object: as PyArrayObject of numpy's C interface has it."""
        context, b = self.context, self.b
        made = context.make_array(found)(context, b)

        def word(base: Any, offset: int) -> Any:
            return b.load(b.gep(base, [I64(offset)], source_etype=I8), typ=I64)

        data = b.inttoptr(word(place, ARRAY_HEADER), context.get_data_type(found.dtype).as_pointer())
        sizes = [b.inttoptr(word(place, ARRAY_HEADER + offset), POINTER) for offset in (16, 24)]
        shape, strides = ([word(size, 8 * axis) for axis in range(found.ndim)] for size in sizes)
        item = context.get_abi_sizeof(context.get_data_type(found.dtype))
        arrayobj.populate_array(made, data, shape, strides, context.get_constant(types.intp, item), None)
        return made._getvalue()

    def store(self, kind: Kind, value: Any) -> None:
        b = self.b
        match kind:
            case Number(name="bool"):
                self.put(b.zext(value, I8))
            case Number():
                self.put(value)
            case Group():
                for i, item in enumerate(kind.items):
                    self.store(item, b.extract_value(value, i))
