"""The light engine: a codec's programs over numpy arrays, and its networks as ONNX graphs; no torch."""
