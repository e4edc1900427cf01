"""Pictures to maps: the segmenter and what is built on its answers."""
