"""Computed breath sound whose contents are known exactly: patients, their sounds, what disturbs, and the bundled demo.

For training, tests, benchmarks, and making the demo. Needs NumPy and soundfile alone, so the tests of the device use
it on a Python that is too old to train with. Not on the device, which has the finished demo
(`edge.sources.file_search`).
"""
