"""What is not the two published checkpoints is refused by name, and nothing of it runs."""

from __future__ import annotations

import pickle
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import WeightsError
from codectk.weights import store
from codectk.weights.importing import import_file
from codectk_sgc.published.importing import import_published


@pytest.fixture
def refused(published) -> Callable[[Path, str], str]:
    """Imports a path and gives the sentence with which that fails."""

    def run(path: Path, sentence: str) -> str:
        with pytest.raises(WeightsError, match=sentence) as caught:
            import_published(path, published.options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


def test_one_checkpoint_is_not_enough(published, states, refused):
    diffusion = published.diffusion(states[0])
    assert published.deeplab in refused(
        diffusion, r"zip has the diffusion model; SGC also needs the segmenter.*into one folder"
    )
    assert published.deeplab in refused(published.folder, r"sgc-published lacks the segmenter")
    diffusion.unlink()
    segmenter = published.segmenter(states[1])
    assert published.ldm in refused(segmenter, r"pth has the segmenter; SGC also needs the diffusion model")
    assert published.ldm in refused(published.folder, r"sgc-published lacks the diffusion model")
    segmenter.unlink()
    assert published.ldm in refused(published.folder, r"lacks the diffusion model .* and the segmenter")
    other = published.segmenter({"classifier.weight": torch.zeros(3)}, "other.pth")
    refused(other, r"is neither of the two checkpoints")
    refused(published.folder, r"lacks .*other\.pth holds something else")


def test_two_of_a_kind_are_one_too_many(both, published, states, refused):
    published.diffusion(states[0], "semantic_synthesis256.zip")
    refused(
        both, rf"has the diffusion model twice, in {published.ldm} and in semantic_synthesis256\.zip; leave one there"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("model_ema.diffusion_modelinput_blocks00weight"), "lacks 'model_ema.*input_blocks00weight'"),
        (lambda s: s.pop("model_ema.diffusion_modelmiddle_block1qkvbias"), "lacks 'model_ema.*middle_block1qkvbias'"),
        (lambda s: s.pop("first_stage_model.decoder.up.2.block.0.conv1.weight"), r"lacks '.*up\.2\.block\.0\.conv1"),
        (lambda s: s.pop("cond_stage_model.channel_mapper.weight"), "lacks 'cond_stage_model"),
        (lambda s: s.pop("betas"), "lacks 'betas'"),
        (lambda s: s["betas"].mul_(1.01), "'betas' are of another noising process"),
        (lambda s: s["alphas_cumprod"].sqrt_(), "'alphas_cumprod' are of another noising process"),
        (lambda s: s.update(scale_factor=torch.tensor(0.18215)), "latents are scaled by 0.18215"),
        (lambda s: s.update({"cond_stage_model.bert.bias": torch.zeros(2)}), "holds 'cond_stage_model.bert.bias'"),
        (lambda s: s.update({"model_ema.diffusion_modelnew": torch.zeros(2)}), "holds 'model_ema.diffusion_modelnew'"),
        (lambda s: s.update({"cond_stage_model.channel_mapper.weight": torch.zeros(3, 183, 1, 1)}), r"shape \(3, 183"),
        (
            lambda s: s["first_stage_model.quant_conv.bias"].fill_(np.nan),
            "quant_conv.bias' has values that are not fin",
        ),
    ],
)
def test_what_does_not_fit_of_the_diffusion_is_named(published, states, change, sentence, refused):
    state = {name: value.clone() for name, value in states[0].items()}
    change(state)
    path = published.diffusion(state, "model.ckpt")
    published.segmenter(states[1])
    assert str(path) in refused(published.folder, sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda s: s.pop("base.layer4.block2.reduce.conv.weight"),
            r"lacks 'base\.layer4\.block2\.reduce\.conv\.weight'",
        ),
        (lambda s: s.pop("base.aspp.c3.bias"), r"lacks 'base\.aspp\.c3\.bias'"),
        (lambda s: s.update({"base.layer4.block3.reduce.conv.weight": torch.zeros(3)}), r"holds 'base\.layer4\.block3"),
        (lambda s: s.update({"base.aspp.c0.bias": torch.zeros(21)}), r"c0\.bias' has shape \(21,\), not \(182,\)"),
    ],
)
def test_what_does_not_fit_of_the_segmenter_is_named(published, states, change, sentence, refused):
    change(states[1])
    published.diffusion(states[0], "model.ckpt")
    path = published.segmenter(states[1])
    assert str(path) in refused(published.folder, sentence)


def test_small_widths_are_not_the_published_network(both, own_store):
    with pytest.raises(WeightsError, match=r"conv1.conv.weight' has shape \(4, 3, 7, 7\), not \(64, 3, 7, 7\)"):
        import_file("sgc", both)
    assert store.stored() == ()


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path):
        self.target = str(target)

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_a_pickle_that_could_run_code_is_refused(published, states, tmp_path, refused):
    bomb = Payload(tmp_path / "exploded")
    in_zip = published.diffusion(states[0], hyper_parameters=bomb)
    refused(in_zip, r"\(model\.ckpt\) is refused: it holds \S+, which could run code; if you trust it")
    refused(published.folder, "lacks the diffusion model .* is refused")
    plain = published.folder / "plain.pth"
    plain.write_bytes(pickle.dumps(bomb, protocol=2))
    refused(plain, "is refused: it is no checkpoint, or holds more than weights")
    assert not (tmp_path / "exploded").exists()


def test_classes_of_lightning_are_left_alone(published, states):
    """Objects beside the weights are neither built nor looked for."""
    published.diffusion(states[0], "model.ckpt")
    published.segmenter(states[1])
    trusted = torch.serialization.get_safe_globals()
    import_published(published.folder, published.options)
    assert "pytorch_lightning" not in sys.modules and torch.serialization.get_safe_globals() == trusted


def test_damaged_files_are_refused(published, states, refused):
    whole = published.diffusion(states[0]).read_bytes()
    for name, content in (("text.pth", b"no weights"), ("empty.ckpt", b""), ("cut.zip", whole[: len(whole) // 2])):
        path = published.folder / name
        path.write_bytes(content)
        refused(path, name)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    refused(path, r"cut\.zip")
    tensor = published.folder / "tensor.pth"
    torch.save(torch.zeros(3), tensor)
    refused(tensor, "holds a Tensor instead of tensors by name")
    empty = published.folder / "empty.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme", "")
    refused(empty, r"a zip with no checkpoints \(\.ckpt\)")


def test_a_zip_that_is_too_large_is_not_unpacked(published, states, monkeypatch, refused):
    path = published.diffusion(states[0])
    usage = types.SimpleNamespace(free=80_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    refused(path, r"neither|SGC also needs")
    usage.free = 0
    refused(path, r"To unpack .*, 0\.0 GB are needed in .*, which has 0\.0; unpack it elsewhere and give model\.ckpt")
