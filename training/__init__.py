"""Models trained on a workstation, never on the device: datasets, network, fit, evaluate."""
