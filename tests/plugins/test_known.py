"""The table of known codecs."""

from __future__ import annotations

from codectk.plugins.known import install_line, known_codecs, missing_codec


def test_known_codecs_are_sorted_and_follow_one_rule():
    known = known_codecs()
    assert list(known) == sorted(known)
    assert known == {codec: f"codectk-{codec}" for codec in known}
    assert {"egic", "hsc", "segpic", "sgc"} <= set(known)


def test_sentences():
    assert install_line("codectk-egic") == "pip install codectk-egic"
    assert missing_codec("egic", []) == "Codec 'egic' is not installed; run: pip install codectk-egic"
    assert missing_codec("egic", [], "evil").endswith("run: pip install codectk-egic")
    assert missing_codec("x", [], "acme").endswith("the file says it comes with: pip install acme")
    assert "did you mean 'segpic'?" in missing_codec("segpik", [])
    assert missing_codec("zzz", ["b", "a"]) == "No plugin offers codec 'zzz'; installed codecs: a, b."
