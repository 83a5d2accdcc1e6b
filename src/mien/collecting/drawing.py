"""Faces for the terminal: what an expression looks like, in characters."""

_PARTS = {
    "neutral": (" __   __ ", "  o   o  ", "    |    ", "         ", "  -----  "),
    "anger": (r" \_   _/ ", "  o   o  ", r"   / \   ", "         ", "  =====  "),
    "disgust": (" ~~   ~~ ", "  -   -  ", "   >w<   ", "  .-~-.  ", r" /     \ "),
    "fear": (r" _/   \_ ", "  O   O  ", "    |    ", "  _____  ", " (_____) "),
    "happiness": (" .-. .-. ", "  ^   ^  ", "    |    ", r" \     / ", "  '---'  "),
    "sadness": (r" _/   \_ ", "  o   o  ", "   '|    ", "  .---.  ", r" /     \ "),
    "surprise": (" .-. .-. ", "  O   O  ", "    |    ", "   .-.   ", "   '-'   "),
}
"""Brows, eyes, nose and two lines of mouth, each nine characters wide."""

_MASKED = ("    |    ", " .-----. ", " |_____| ")


def draw_face(expression: str, *, mask: bool = False, unicode: bool = True) -> str:
    """Return a face of seven lines, or no line for a word that has no drawing.

    Args:
        mask: cover nose and mouth.
        unicode: draw the outline with lines instead of signs that every terminal has.

    Example:
        >>> print(draw_face("happiness", unicode=False))
         .-----------.
        /   .-. .-.   \\
        |    ^   ^    |
        |      |      |
        |   \\     /   |
        \\    '---'    /
         '-----------'
    """
    parts = _PARTS.get(expression)
    if parts is None:
        return ""
    inner = [f"  {part}  " for part in (parts[:2] + _MASKED if mask else parts)]
    if unicode:
        middle = [f"│{line}│" for line in inner]
        return "\n".join(["╭" + "─" * 13 + "╮", *middle, "╰" + "─" * 13 + "╯"])
    sides = [("/", "\\"), *[("|", "|")] * (len(inner) - 2), ("\\", "/")]
    middle = [f"{left}{line}{right}" for (left, right), line in zip(sides, inner, strict=True)]
    return "\n".join([" ." + "-" * 11 + ".", *middle, " '" + "-" * 11 + "'"])
