"""Tests of `edge.contract`."""
