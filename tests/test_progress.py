"""What is said to people is said as it is."""

import io

from mien.progress import talk


def test_colons_are_no_pictures(monkeypatch):
    """A certificate's fingerprint holds :CD: and :AB:, which rich would draw."""
    heard = io.StringIO()
    monkeypatch.setattr(talk, "file", heard)
    talk.print("12:CD:AB:ED [markup] :smile:", highlight=False)
    assert heard.getvalue() == "12:CD:AB:ED [markup] :smile:\n"
