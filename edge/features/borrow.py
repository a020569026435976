"""Arrays that a kernel may use without counting references, and one address for all that it uses.

Not for memory management: whoever lends an array keeps it. Numba looks at the type and counts the references of every
array that it is handed, at every call and slice, 40 ns and 5 ns each; for the forty arrays and hundred slices of a
frame that is more than its arithmetic. A lent array has no owner to count, and a lent structure is one number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, typeof, types
from numba.core import cgutils
from numba.extending import NativeValue, intrinsic, models, overload, register_model, unbox
from numpy.typing import NDArray

from edge.inlined import OPTIONS, inlined


class Lent(NamedTuple):
    """A named tuple of arrays, numbers and such tuples, written down where kernels read it."""

    address: int
    """What to hand to a kernel for it."""
    kind: types.Type
    """Numba's type of the argument."""
    original: tuple[Any, ...]
    """The tuple, kept because its arrays are used."""
    memory: NDArray[np.int64]
    """What lies at the address."""


def lend(content: tuple[Any, ...]) -> Lent:
    """Write down a named tuple; lent as long as the result is kept."""
    memory = np.zeros(_words_of(content), np.int64)
    _write(content, memory.ctypes.data)
    return Lent(memory.ctypes.data, _LentType(typeof(content)), content, memory)


def borrow(value):  # type: ignore[no-untyped-def]
    """The same numbers without an owner: an array, a number, or a named tuple of them. In kernels only."""
    raise NotImplementedError("a kernel: called from compiled code only")


@overload(borrow, jit_options=OPTIONS)
def _borrow_by_type(value):  # type: ignore[no-untyped-def]
    if isinstance(value, types.Array):
        return lambda value: _without_owner(value)
    if isinstance(value, types.BaseNamedTuple):
        fields = ", ".join(f"borrow(value.{name})" for name in value.fields)
        scope = {"borrow": borrow, "cls": value.instance_class}
        exec(f"def lent(value): return cls({fields})", scope)  # a tuple's length is known to the compiler only
        return scope["lent"]
    return lambda value: value


@inlined
def content(lent):  # type: ignore[no-untyped-def]
    """The named tuple behind an address."""
    return borrow(_load(lent))  # type: ignore[no-untyped-call]


class _LentType(types.Type):  # type: ignore[misc]
    """Numba's type of an address at which a tuple of a certain type lies."""

    def __init__(self, content: types.Type) -> None:
        self.content = content
        super().__init__(name=f"Lent({content})")


@register_model(_LentType)
class _LentModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _LentType) -> None:
        super().__init__(manager, kind, manager.lookup(kind.content).get_value_type().as_pointer())


@unbox(_LentType)
def _unbox(kind, number, c):  # type: ignore[no-untyped-def]
    return NativeValue(c.builder.bitcast(c.pyapi.long_as_voidptr(number), c.context.get_value_type(kind)))


@intrinsic
def _load(typing_context, lent):  # type: ignore[no-untyped-def]
    return lent.content(lent), lambda context, builder, signature, arguments: builder.load(arguments[0])


@intrinsic
def _store(typing_context, content, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        value, number = arguments
        builder.store(value, builder.inttoptr(number, value.type.as_pointer()))
        return context.get_dummy_value()

    return types.void(content, types.int64), generate


@intrinsic
def _size_of(typing_context, content):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return context.get_constant(types.int64, context.get_abi_sizeof(context.get_value_type(content)))

    return types.int64(content), generate


@intrinsic
def _without_owner(typing_context, array):  # type: ignore[no-untyped-def]
    """The same array with neither a reference count nor a Python object behind it."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lent = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
        lent.meminfo = cgutils.get_null_value(lent.meminfo.type)
        lent.parent = cgutils.get_null_value(lent.parent.type)
        return lent._getvalue()

    return array(array), generate


@njit(cache=True)
def _words_of(content):  # type: ignore[no-untyped-def]
    return _size_of(content) // 8 + 1


@njit(cache=True)
def _write(content, address):  # type: ignore[no-untyped-def]
    _store(borrow(content), address)  # type: ignore[no-untyped-call]
