"""Critics for training: OASIS-C, a segmentation network with a class for fakes, and a conditional PatchGAN."""
