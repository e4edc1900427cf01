"""SGC: a label map and a color map, and a diffusion model that paints from them."""
