"""HSC for codectk: faces coded in the latent spaces of a pre-trained StyleGAN."""
