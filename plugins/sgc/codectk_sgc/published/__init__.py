"""Weights of other projects for the configuration `full`: latent diffusion's, and DeepLab v2's for COCO-Stuff."""
