"""The paper's Table I as metrics: labels again, judges of quality that need no original, and alignment by CLIP."""
