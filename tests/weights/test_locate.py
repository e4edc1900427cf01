"""Weights are found by what a person would type, and told apart from others."""

import numpy as np
import pytest

from codectk.base.errors import WeightsError
from codectk.weights.locate import locate
from codectk.weights.store import add, save, sha256_of

PACKAGE = "codectk_fakeweights"


def find(reference, codec, package):
    """Weights for a codec."""
    return locate(reference, codec=codec, package=package)


def kept(name, value=0, codec="toy"):
    return save({"x": np.full(3, value, np.int32)}, {"codec": codec} if codec else {}, name)


def test_every_way_to_say_it(store, package):
    package(None)
    path = kept("first")
    digest = sha256_of(path)
    kept("second", 1)
    for said in ("first", path.stem, digest[:8], digest[:20], digest, bytes.fromhex(digest[:8])):
        found = find(said, "toy", PACKAGE)
        assert found.path == path and digest.startswith(found.sha256) and found.entry is None
        assert str(found) == f"first ({digest[:8]})"


def test_weights_of_the_manifest(store, package, weights_file, manifest_text):
    source, digest = weights_file("small.safetensors")  # says nothing about a codec, but its plugin vouches for it
    package(manifest_text(sha256=digest), [source])
    for said in ("small", f"small-{digest[:8]}", digest[:8], digest, bytes.fromhex(digest[:8])):
        found = find(said, "toy", PACKAGE)
        assert (found.name, found.sha256, found.entry.name) == ("small", digest, "small")
    with pytest.raises(WeightsError, match=rf"no weights 'large' for codec 'toy'; it has small \({digest[:8]}\)\.$"):
        find("large", "toy", PACKAGE)


def test_what_is_missing(store, package):
    package(None)
    kept("mine")
    kept("yours", 1, codec="other")
    with pytest.raises(WeightsError, match=r"no weights 'his' for codec 'toy'; it has mine \([0-9a-f]{8}\)\.$"):
        find("his", "toy", PACKAGE)
    for said in ("min", "0123", "ffffffff", ""):
        with pytest.raises(WeightsError, match="There are no weights"):
            find(said, "toy", PACKAGE)
    with pytest.raises(WeightsError, match="01020304"):
        find(bytes([1, 2, 3, 4]), "toy", PACKAGE)


def test_several_of_one_name(store, package):
    package(None)
    paths = sorted([kept("twin"), kept("twin", 1)])
    with pytest.raises(WeightsError, match=f"Several .* 'twin': {paths[0].stem}, {paths[1].stem}; give one"):
        find("twin", "toy", PACKAGE)
    assert find(paths[1].stem, "toy", PACKAGE).path == paths[1]


def test_another_codecs_weights(store, package, weights_file):
    package(None)
    kept("yours", codec="other")
    with pytest.raises(WeightsError, match=r"yours \(.*\) are for codec 'other'; codec 'toy' was asked for"):
        find("yours", "toy", PACKAGE)
    source, _ = weights_file("plain")
    add(source, "plain")
    with pytest.raises(WeightsError, match="do not say which codec they are for"):
        find("plain", "toy", PACKAGE)


def test_damage(store, package):
    package(None)
    path = kept("one")
    digest = sha256_of(path)
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    for said in ("one", digest, bytes.fromhex(digest[:8])):
        with pytest.raises(WeightsError, match="damaged"):
            find(said, "toy", PACKAGE)


def test_more_digits_than_the_name_has_are_compared_too(store, package):
    package(None)
    digest = sha256_of(kept("one"))
    with pytest.raises(WeightsError, match=digest):
        find(digest[:8] + "0" * 56, "toy", PACKAGE)
