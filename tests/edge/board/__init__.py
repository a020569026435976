"""Tests of edge.board."""
