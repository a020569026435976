"""Arrays that a kernel may use without counting references, and one pointer for all that it uses.

Not for memory management: whoever lends an array keeps it. Numba counts references atomically at every call and slice,
5 ns each; for the hundred of a frame that is as much as its Fourier transform. A borrowed array has no owner to count.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.experimental import structref
from numba.extending import intrinsic, overload


@intrinsic
def _without_owner(typing_context, array):  # type: ignore[no-untyped-def]
    """The same array with neither a reference count nor a Python object behind it."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lent = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
        lent.meminfo = cgutils.get_null_value(lent.meminfo.type)
        lent.parent = cgutils.get_null_value(lent.parent.type)
        return lent._getvalue()

    return array(array), generate


def borrow(value):  # type: ignore[no-untyped-def]
    """The same numbers without an owner: an array, a number, or a named tuple of them. In kernels only."""
    raise NotImplementedError("a kernel: called from compiled code only")


@overload(borrow, jit_options={"forceinline": True})
def _borrow_by_type(value):  # type: ignore[no-untyped-def]
    if isinstance(value, types.Array):
        return lambda value: _without_owner(value)
    if isinstance(value, types.BaseNamedTuple):
        fields = ", ".join(f"borrow(value.{name})" for name in value.fields)
        scope = {"borrow": borrow, "cls": value.instance_class}
        exec(f"def lent(value): return cls({fields})", scope)  # a tuple's length is known to the compiler only
        return scope["lent"]
    return lambda value: value


@structref.register
class _StructureType(types.StructRef):  # type: ignore[misc]
    """Numba's type of a structure."""


class _Structure(structref.StructRefProxy):  # type: ignore[misc]
    """A structure as Python sees it: one pointer to hand to a kernel."""


structref.define_proxy(_Structure, _StructureType, ["content"])


@njit(cache=True)  # type: ignore[untyped-decorator]
def structure(content: Any) -> Any:
    """A structure whose field `content` is a borrowed named tuple; keep the original for as long as it is used."""
    return _Structure(borrow(content))


@intrinsic
def _content(typing_context, held):  # type: ignore[no-untyped-def]
    """The named tuple in a structure, read without counting the references of all its arrays."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return structref._Utils(context, builder, held).get_data_struct(arguments[0]).content

    return held.field_dict["content"](held), generate


@njit(forceinline=True)
def content(held):  # type: ignore[no-untyped-def]
    """The borrowed named tuple that a structure holds."""
    return borrow(_content(held))
