"""The coders' integer networks as a part of the codec's network, so that a weights file holds and names them, too."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from codectk_sgc.entropy import Arrays


class Coders(nn.Module):
    """Arrays by dotted name as buffers of nested modules, whose state has the same names.

    Args:
        arrays: int32, as `codectk_sgc.entropy.load_arrays` gives them.
    """

    def __init__(self, arrays: Arrays):
        super().__init__()
        for name, array in arrays.items():
            *path, leaf = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_buffer(leaf, torch.from_numpy(np.array(array)))

    def arrays(self) -> Arrays:
        """The arrays by name."""
        return {name: value.cpu().numpy() for name, value in self.state_dict().items()}
