"""The link to microcontrollers: PROTOCOL.md for the bytes, include/auslink.h for devices, this package for the box."""
