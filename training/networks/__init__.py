"""Blocks and backbones of the published methods. A backbone turns frames and their validity into embeddings.

The contract: an `nn.Module` with the attribute `embedding_size` and `forward(frames, valid) -> (B, D)`, where frames is
(B, S, T, M) float32, S spectrograms of one sound, normalised, and valid is (B, T) float32, 1 where valid. Classifiers
and losses are elsewhere (`training.losses`), so that any backbone goes with any of them.
"""
