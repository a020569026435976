"""Tests of the link to microcontrollers."""
