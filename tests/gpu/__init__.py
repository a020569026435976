"""Tests that need an NVIDIA GPU with TensorRT; `make test-gpu`."""
