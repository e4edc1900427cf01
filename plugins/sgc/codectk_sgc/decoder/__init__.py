"""Maps to pictures: autoencoder, denoiser and the diffusion between them."""
