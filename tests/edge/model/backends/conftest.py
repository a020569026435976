"""The machine of these tests."""

from tests.edge.model.backends.machine import fake_library, machine

__all__ = ["fake_library", "machine"]
