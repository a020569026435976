"""The published methods, a file a paper: network, loss, recipe. `blocks` and `transformer` are what several share."""
