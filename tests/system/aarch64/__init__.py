"""On the workstation: a box with 64-bit ARM that is only a folder and an emulator, to try what a device would do."""
