"""Tests of `edge.neighbours`."""
