"""Faces in the wild: find the face in an ordinary photo and cut the crop that the generator was trained on."""
