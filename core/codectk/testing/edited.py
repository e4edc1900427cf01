"""What edits in a file must do: be seen, be taken back, and leave the latents alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import UsageError
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.plugins.manager import edits_of
from codectk.spec.edits import Edit
from codectk.testing.subject import CodecSubject


class EditConformance(CodecSubject):
    """The part of the kit about edits."""

    def test_edits_are_taken_back_to_the_byte(self) -> None:
        data, edits = self.small_file(), self.edits()
        every = api.edit(data, {name: edit.maximum or edit.minimum for name, edit in edits.items()})
        assert set(api.info(every).edits) == set(edits)
        assert api.edit(every, clear=True) == data
        for name, edit in edits.items():
            for amount in (edit.minimum, edit.maximum):
                edited = api.edit(data, {name: amount})
                assert api.info(edited).edits == ({name: amount} if amount else {})
                assert read(edited).payloads(LATENTS) == read(data).payloads(LATENTS)
                assert api.edit(edited, {name: 0}) == data
                assert api.edit(every, {name: amount}, clear=True) == edited

    def test_an_edit_is_seen_and_costs_the_latents_nothing(self) -> None:
        data = self.small_file()
        name, edit = next(iter(self.edits().items()))
        edited = api.edit(data, {name: edit.maximum or edit.minimum})
        assert len(edited) - len(data) <= 6 + len(name) + 3
        before, after = (np.asarray(self.decode(file)) for file in (data, edited))
        assert before.shape == after.shape and not np.array_equal(before, after)
        assert np.array_equal(np.asarray(self.decode(api.edit(edited, clear=True))), before)

    def test_wrong_edits_are_refused(self) -> None:
        data, edits = self.small_file(), edits_of(self.codec)
        with pytest.raises(UsageError) as caught:
            api.edit(data, {"no_such_edit": 1})
        assert all(name in str(caught.value) for name in edits)
        for name, edit in edits.items():
            for wrong in (edit.minimum - 1, edit.maximum + 1, float("nan"), "much"):
                with pytest.raises(UsageError, match=name):
                    api.edit(data, {name: wrong})

    def edits(self) -> Mapping[str, Edit]:
        edits = edits_of(self.codec)
        if not edits:
            pytest.skip(f"files of codec '{self.codec}' cannot be edited")
        return edits
