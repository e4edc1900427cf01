"""Manifests, the store and hashes of weights on disk. No torch."""
