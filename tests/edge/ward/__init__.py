"""Tests of `edge.ward`."""
