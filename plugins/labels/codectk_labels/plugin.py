"""codectk-labels needs no hooks: its card names what builds the segmenter."""
