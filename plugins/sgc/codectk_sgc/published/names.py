"""What latent diffusion calls the tensors of its UNet and of its VQ model, by what diffusers calls them."""

from __future__ import annotations

import re

from codectk_sgc.config import Config

_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.resnets.1": "middle_block.2",
    "mid_block.attentions.0": "middle_block.1",
}
_UNET_PARTS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
    "group_norm": "norm",
    "to_out.0": "proj_out",
}
_VQ_PARTS = {
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_MOVE = re.compile(r"\.(down|up)samplers\.0\.conv")


def unet_name(ours: str, config: Config) -> str:
    """Such as "input_blocks.1.0.in_layers.2.weight" for "down_blocks.0.resnets.0.conv1.weight".

    The projections to_q, to_k and to_v keep their names; latent diffusion has them in one tensor, `qkv`.
    """
    # A scale's blocks, and what leads to the next one, are numbered through.
    numbered = config.layers + 1

    def block(match: re.Match[str]) -> str:
        side, level, number = match[1], int(match[2]), int(match[3])
        if side == "down":
            return f"input_blocks.{1 + level * numbered + number}.0"
        return f"output_blocks.{level * numbered + number}.0"

    def move(match: re.Match[str]) -> str:
        side, level = match[1], int(match[2])
        if side == "down":
            return f"input_blocks.{(level + 1) * numbered}.0.op"
        return f"output_blocks.{(level + 1) * numbered - 1}.1.conv"

    name = re.sub(r"^(down|up)_blocks\.(\d+)\.resnets\.(\d+)", block, ours)
    name = re.sub(r"^(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv", move, name)
    for start, theirs in _UNET_ENDS.items():
        if name.startswith(f"{start}."):
            name = theirs + name.removeprefix(start)
    return _replaced(name, _UNET_PARTS)


def vq_name(ours: str, config: Config) -> str:
    """Such as "decoder.up.2.block.0.conv1.weight" for "decoder.up_blocks.0.resnets.0.conv1.weight" of three scales."""
    last = len(config.vq_widths) - 1
    name = re.sub(r"^encoder\.down_blocks\.(\d+)", r"encoder.down.\1", ours)
    # Theirs count from fine to coarse on both sides.
    name = re.sub(r"^decoder\.up_blocks\.(\d+)", lambda match: f"decoder.up.{last - int(match[1])}", name)
    name = _replaced(_MOVE.sub(r".\1sample.conv", name), _VQ_PARTS)
    return name.replace(".resnets.", ".block.")


def _replaced(name: str, parts: dict[str, str]) -> str:
    """A name with whole dotted parts replaced."""
    dotted = f".{name}."
    for part, theirs in parts.items():
        dotted = dotted.replace(f".{part}.", f".{theirs}.")
    return dotted[1:-1]
