"""Options of a network: names with a suggestion, values of the fields' types."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from codectk.base.errors import UsageError
from codectk.programs.configurations import configured


@dataclass(frozen=True)
class Config:
    wide: int = 4
    share: float = 0.5
    exact: bool = True
    layers: tuple[int, ...] = (8, 8)
    nets: tuple[tuple[int, ...], ...] = ((8, 8),)
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.wide < 0:
            raise ValueError("wide counts channels")


CONFIGS = {"small": Config(), "full": Config(wide=8)}


def test_fields_take_values_as_toml_has_them() -> None:
    options = {"config": "full", "share": 1, "layers": [1, 2, 3], "nets": [[1], []], "without": ["a"]}
    made = configured("X", CONFIGS, options)
    assert made == Config(8, 1, True, (1, 2, 3), ((1,), ()), ("a",))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"widht": 3}, r"X has no option 'widht' \(did you mean 'wide'\?\); it has config, wide, share"),
        ({"config": "fulll"}, r"X has no configuration 'fulll' \(did you mean 'full'\?\); it has small, full\."),
        ({"config": 3}, r"X has no configuration 3; it has small, full\."),
        ({"wide": "many"}, r"X's option 'wide' is like 4, not 'many'\."),
        ({"wide": True}, r"X's option 'wide' is like 4, not true\."),
        ({"wide": 4.0}, r"X's option 'wide' is like 4, not 4\.0\."),
        ({"exact": 1}, r"X's option 'exact' is like true, not 1\."),
        ({"layers": 8}, r"X's option 'layers' is like \[8, 8\], not 8\."),
        ({"layers": [8, "x"]}, r"X's option 'layers' is like \[8, 8\], not \[8, 'x'\]\."),
        ({"nets": [8]}, r"X's option 'nets' is like \[\[8, 8\]\], not \[8\]\."),
        ({"wide": -1}, r"X does not take these options: wide counts channels\."),
    ],
)
def test_others_are_refused_with_what_is_wanted(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        configured("X", CONFIGS, options)
