"""The catalogue of edits and the directions that belong to it."""

from __future__ import annotations

import pytest
import torch

from codectk.base.errors import InputError
from codectk.plugins import manager
from codectk_hsc.editing.catalogue import CATALOGUE
from codectk_hsc.editing.directions import directions, moved
from codectk_hsc.training.directions import find, normal_scores, regress


def test_the_plugin_offers_the_catalogue():
    edits = manager.edits_of("hsc")
    assert list(edits) == list(CATALOGUE)
    for name, edit in edits.items():
        assert edit.name == name and not edit.wrong
        for bound in (edit.minimum, edit.maximum):
            assert edit.convert(bound) == bound, "a file carries steps of 1/64"


def test_every_edit_has_a_direction_of_its_own():
    found = directions()
    assert set(found) == set(CATALOGUE)
    matrix = torch.stack(list(found.values()))
    assert matrix.shape == (len(CATALOGUE), 512) and torch.isfinite(matrix).all()
    unit = matrix / matrix.norm(dim=1, keepdim=True)
    likeness = (unit @ unit.T).fill_diagonal_(0)
    assert likeness.abs().max() < 0.8


def test_only_the_slots_of_an_edit_move():
    styles = torch.zeros(1, 16, 512)
    for name, direction in CATALOGUE.items():
        first, last = direction.slots
        change = moved(styles, {name: 1.0})[0]
        still = [slot for slot in range(16) if not change[slot].any()]
        assert still == [slot for slot in range(16) if not first <= slot <= last]
        assert torch.allclose(change[first], directions()[name] / direction.effect, atol=1e-5)
    both = moved(styles, {"smile": 1.0, "yaw": -0.5})
    assert torch.allclose(both, moved(styles, {"smile": 1.0}) + moved(styles, {"yaw": -0.5}), atol=1e-6)
    assert not styles.any()


def test_regression_tells_entangled_attributes_apart():
    import numpy as np

    random = np.random.default_rng(0)
    cause = random.standard_normal((400, 2))
    attributes = cause @ np.array([[1.0, 0.8], [0.0, 0.6]])
    w = attributes @ random.standard_normal((2, 9))
    found = regress(w, attributes)
    assert np.allclose(attributes @ found, w)
    scores = normal_scores(np.exp(cause[:, 0]))
    assert abs(scores.mean()) < 1e-6 and abs(scores.std() - 1) < 0.02
    assert (np.argsort(scores) == np.argsort(cause[:, 0])).all()


def test_tables_that_do_not_fit(tmp_path):
    import numpy as np

    np.savez(tmp_path / "codes.npz", w=np.zeros((5, 4)))
    np.savez(tmp_path / "labels.npz", names=np.array(["yaw"]), values=np.zeros((5, 1)))
    with pytest.raises(InputError, match="has no label"):
        find(tmp_path / "codes.npz", tmp_path / "labels.npz", 0)
    with pytest.raises(InputError, match="cannot be read"):
        find(tmp_path / "codes.npz", tmp_path / "nothing.npz", 0)


def test_the_shipped_directions_are_those_of_the_recipe(data):
    found = find(data / "faces-styles.npz", data / "faces-labels.npz", 200)
    for name, direction in directions().items():
        assert torch.allclose(torch.from_numpy(found[name]).float(), direction, atol=2e-3), name
