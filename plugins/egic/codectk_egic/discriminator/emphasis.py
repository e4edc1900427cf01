"""Pre-emphasis of fine detail, which is where a decoded picture differs from its original."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def emphasized(x: Tensor, gain: float) -> Tensor:
    """x + gain (x - mean of the 3x3 pixels around): flat areas stay, the finest detail grows about 1 + gain times.

    In a photo the finest octave has about an eighth of the amplitude of what lies below it, while the errors of a codec
    are spread evenly over the octaves. A U-Net that is to judge single pixels then follows brightness and colors,
    which real and fake share, long before it looks at texture. With octaves of like amplitude it starts with both.

    Args:
        x: (B, C, H, W), any float type.
        gain: 0 or more.

    Returns:
        Like `x`; at the border the mean is over the pixels that there are.
    """
    if gain == 0:
        return x
    # No replicating pad: its gradient has no repeatable form on a GPU.
    return x + gain * (x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
