"""The recipe of the edge's detector: its data, network, training, thresholds and acceptance."""
