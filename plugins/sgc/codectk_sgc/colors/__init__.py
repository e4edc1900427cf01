"""Color maps: a few colors per picture, quantized in YCbCr and coded without loss. No torch."""
