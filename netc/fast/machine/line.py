"""From a line of the table to the arguments of a compiled body.

A line is int64s: an integer or an address takes one, a float32 the low half of one, a structure one for each field.
What numba compiles is the body with these as its parameters; what the table calls is a few loads and a call in LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.jit import BASE_OPTIONS, ccallback, ir, numba
from netc.jit import numba_types as types

I64, F32 = ir.IntType(64), ir.FloatType()


class Fields(types.Type):  # type: ignore[misc]
    """A structure of integers and addresses, read by name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"Fields({', '.join(names)})")


@numba.extending.register_model(Fields)
class _Model(numba.extending.models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Fields) -> None:
        super().__init__(manager, kind, [(name, types.intp) for name in kind.names])


@numba.extending.infer_getattr
class _Attributes(numba.core.typing.templates.AttributeTemplate):  # type: ignore[misc]
    key = Fields

    def generic_resolve(self, kind: Fields, name: str) -> Any:
        return types.intp if name in kind.names else None


@numba.extending.lower_getattr_generic(Fields)  # type: ignore[untyped-decorator]
def _field(_context: Any, b: Any, kind: Fields, value: Any, name: str) -> Any:
    return b.extract_value(value, kind.names.index(name))


def callback(body: Callable[..., None], operands: Sequence[Any]) -> Any:
    """numba's C function of (line, tid, nth) that calls body(tid, nth, *operands), which are of these types."""
    return _Callback(body, ((types.intp, types.intp, *operands), types.void), {}, dict(BASE_OPTIONS))


class _Callback(ccallback.CFunc):  # type: ignore[misc]
    """A C function whose arguments are not the body's."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        customize = self._compiler._customize_flags

        def customized(flags: Any) -> Any:
            customize(flags).no_cfunc_wrapper = True
            return flags

        self._compiler._customize_flags = customized

    def _compile_uncached(self) -> Any:
        compiled = super()._compile_uncached()
        compiled.library.add_ir_module(self._wrapper(compiled.fndesc))
        return compiled

    def _wrapper(self, body: Any) -> Any:
        context = self._targetdescr.target_context
        module = context.create_module("line")
        called = ir.Function(
            module, context.call_conv.get_function_type(body.restype, body.argtypes), body.llvm_func_name
        )
        kind = ir.FunctionType(ir.VoidType(), [I64] * 3)
        function = ir.Function(module, kind, body.llvm_cfunc_wrapper_name)
        b = ir.IRBuilder(function.append_basic_block("entry"))
        line, tid, nth = function.args
        slots = iter(range(1 << 10))

        def load(kind: Any) -> Any:
            return b.load(b.inttoptr(b.add(line, I64(8 * next(slots))), ir.PointerType()), typ=kind)

        arguments = [tid, nth]
        for operand in body.argtypes[2:]:
            if isinstance(operand, Fields):
                value = ir.Constant(context.get_value_type(operand), ir.Undefined)
                for i in range(len(operand.names)):
                    value = b.insert_value(value, load(I64), i)
                arguments.append(value)
            else:
                arguments.append(load(F32 if operand == types.float32 else I64))
        context.call_conv.call_function(b, called, body.restype, body.argtypes, arguments, attrs=("noinline",))
        b.ret_void()
        return module
