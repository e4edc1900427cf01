"""Distances between pictures, each in a file of its own, and the files of weights that some of them need."""
