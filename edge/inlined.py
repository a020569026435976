"""How Numba is to compile a function that only other kernels call: into them, with no way in from Python.

Not for what Python calls (`njit(cache=True)`). Without the way in and with nothing handed over on the stack, the kernel
of the front-ends compiles a tenth faster and runs twice as fast.
"""

from __future__ import annotations

from numba import njit

OPTIONS = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inlined = njit(**OPTIONS)
