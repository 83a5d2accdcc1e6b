"""What is said to people is said as it is."""

from mien.progress import talk


def test_colons_are_no_pictures(capsys):
    """A certificate's fingerprint holds :CD: and :AB:, which rich would draw."""
    talk.print("12:CD:AB:ED [markup] :smile:", highlight=False)
    assert capsys.readouterr().err == "12:CD:AB:ED [markup] :smile:\n"
