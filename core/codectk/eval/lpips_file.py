"""Make the weights file of LPIPS from the two files that are published.

    python -m codectk.eval.lpips_file alexnet-owt-7be5be79.pth alex.pth OUT.safetensors

The first is torchvision's AlexNet, the second `weights/v0.1/alex.pth` of the LPIPS repository or package. Both are read
as tensors only, and the result must give the distance that LPIPS v0.1 gives.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from codectk.base.errors import CodectkError, UsageError
from codectk.weights.pickles import read_state
from codectk.weights.tensors import save_tensors


def convert(backbone: Path, heads: Path, target: Path) -> None:
    """Write the tensors that LPIPS needs into one safetensors file.

    Args:
        backbone: state of torchvision's AlexNet.
        heads: state of the linear layers of LPIPS.
        target: the file to be.

    Raises:
        WeightsError: a file cannot be read, or the two are not LPIPS v0.1 with AlexNet.
        OutputError: the file cannot be written.
    """
    from codectk.eval.perceptual import Lpips
    from codectk.nn.lpips import LPIPS

    state = read_state(backbone) | read_state(heads)
    arrays = {name: value.numpy() for name, value in state.items() if name.startswith(("features.", "lin"))}
    Lpips(LPIPS(arrays)).refuse_others(f"{backbone} with {heads}")
    save_tensors(target, arrays, {"metric": "LPIPS v0.1, AlexNet"})


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    try:
        if len(arguments) != 3:
            raise UsageError("Give AlexNet's file, the file of LPIPS's layers, and the file to write.")
        convert(*map(Path, arguments))
    except CodectkError as error:
        print(f"codectk: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
