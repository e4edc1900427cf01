"""Bundles in the store, found by what a person types and by what a file carries."""

from __future__ import annotations

import numpy as np
import pytest

from codectk.base.errors import InputError, WeightsError
from codectk.weights.bundle import read_bundle, write_bundle
from codectk.weights.bundle_card import BundleCard, NeededPlugin
from codectk.weights.locate import UnknownWeightsError, add_bundle, locate
from codectk.weights.store import stored
from codectk.weights.tensors import save_tensors


def find_bundle(said):
    """The bundle that a person means, or None."""
    try:
        return locate(said).bundle
    except UnknownWeightsError:
        return None


def find_made_with(name, prefix):
    """The bundle that a file names, or None."""
    try:
        return locate(prefix, codec=name).bundle
    except UnknownWeightsError:
        return None


def missing_bundle(name, prefix):
    """The sentence for one that is not there."""
    with pytest.raises(UnknownWeightsError) as caught:
        locate(prefix, codec=name)
    return str(caught.value)


def stored_bundles():
    return stored(".ctkb")


@pytest.fixture
def make(tmp_path):
    """make(name, value=0) -> a bundle outside of the store."""

    def make(name, value=0):
        weights = tmp_path / "weights.safetensors"
        save_tensors(weights, {"x": np.full(3, value, np.float32)}, {"codec": "toy"})
        card = BundleCard(name, "A toy", "CC0-1.0", (NeededPlugin("toy", "codectk-toy", "1.0"),))
        return write_bundle(tmp_path / f"some-{value}.ctkb", card, '[codec]\nname = "toy"\n', weights)

    return make


def test_it_comes_in_under_its_own_name(store, make):
    assert stored_bundles() == ()
    bundle = make("crisp")
    kept = add_bundle(bundle.path)
    assert kept == store / f"crisp-{bundle.sha256[:8]}.ctkb" and kept.read_bytes() == bundle.path.read_bytes()
    assert stored_bundles() == (kept,) and stored() == ()
    assert add_bundle(bundle.path) == kept and stored_bundles() == (kept,)
    kept.write_bytes(b"damaged")
    assert add_bundle(bundle.path) == kept and read_bundle(kept).sha256 == bundle.sha256


def test_what_is_no_bundle_stays_out(store, make, tmp_path):
    (tmp_path / "x.ctkb").write_bytes(b"PK\x03\x04")
    with pytest.raises(WeightsError, match="cut"):
        add_bundle(tmp_path / "x.ctkb")
    with pytest.raises(InputError, match="no bundle"):
        add_bundle(tmp_path / "nowhere.ctkb")
    assert stored_bundles() == ()


def test_every_way_to_say_it(store, make):
    bundle = make("crisp")
    kept = add_bundle(bundle.path)
    for said in ("crisp", kept.stem, bundle.sha256[:8], bundle.sha256):
        found = find_bundle(said)
        assert found.path == kept and found.sha256 == bundle.sha256
    assert find_made_with("crisp", bytes.fromhex(bundle.sha256[:8])).path == kept
    for said in ("cris", "crispy", "ffffffff", ""):
        assert find_bundle(said) is None
    # Four bytes alone could be anybody's.
    assert find_made_with("soft", bytes.fromhex(bundle.sha256[:8])) is None


def test_two_of_one_name(store, make):
    bundles = [make("crisp"), make("crisp", 1)]
    kept = sorted(add_bundle(bundle.path) for bundle in bundles)
    with pytest.raises(WeightsError, match=f"Several bundles are called 'crisp': {kept[0].stem}, {kept[1].stem}"):
        find_bundle("crisp")
    for bundle in bundles:
        assert find_bundle(bundle.sha256[:8]).sha256 == bundle.sha256
        assert find_made_with("crisp", bytes.fromhex(bundle.sha256[:8])).sha256 == bundle.sha256


def test_the_missing_one_is_named(store, make):
    sentence = missing_bundle("crisp", bytes([1, 2, 3, 4]))
    assert "'crisp' (sha256 01020304...)" in sentence and "another" not in sentence
    assert sentence.endswith("codectk weights import crisp.ctkb")
    kept = make("crisp")
    add_bundle(kept.path)
    assert f"another one of that name, {kept.sha256[:8]}" in missing_bundle("crisp", bytes([1, 2, 3, 4]))


def test_damage_in_the_store_is_noticed(store, make):
    one, other = make("crisp"), make("crisp", 1)
    kept = add_bundle(one.path)
    kept.write_bytes(other.path.read_bytes())
    for call in (lambda: find_bundle("crisp"), lambda: find_made_with("crisp", bytes.fromhex(one.sha256[:8]))):
        with pytest.raises(WeightsError, match="damaged or not the right one"):
            call()
    kept.write_bytes(one.path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="cut"):
        find_bundle("crisp")
