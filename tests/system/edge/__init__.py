"""Tests of whole programs: processes, brokers, devices, signals."""
