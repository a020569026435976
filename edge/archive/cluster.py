"""The machines of a Dask cluster as one pool of processes. Not for one machine, which needs no Dask.

A worker needs Laennec of this version, the archive and the model under the same paths. A worker that dies has its
recordings done by another: Dask sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from edge.errors import SourceError

CONNECT_S = 10


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor on all workers of a scheduler, and how many threads they have together.

    Args:
        address: as `tcp://host:8786`.

    Raises:
        ImportError: Dask is not installed.
        SourceError: there is no such scheduler, or it has no worker.
    """
    from distributed import Client  # an extra

    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise SourceError(f"--scheduler {address}: cannot be reached ({error}); run  dask scheduler  there") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SourceError(f"--scheduler {address}: has no worker; run  dask worker {address} --nthreads 1")
        yield client.get_executor(pure=False), threads
