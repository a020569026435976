"""The detector for programs: what `import laennec` and `laennec detect` are written on."""
