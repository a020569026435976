"""The published methods, a file a paper: network, loss, recipe. `pooling` and `transformer` are what several share.

Each file says which of its numbers are the paper's; the others are `ours`. Sections are not named where they are not
known.
"""
