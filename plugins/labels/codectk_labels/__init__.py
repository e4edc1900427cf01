"""Semantic labels for codectk: thirteen groups of things and stuff, their maps and a small segmenter."""
