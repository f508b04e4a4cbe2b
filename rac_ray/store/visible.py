"""Text from records, file names and machines, as a terminal may show it."""

import re

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing them, but for tabs and ends of lines."""

_LONG = re.compile(r"(\S{100})\S{900,}")


def visible(text: str) -> str:
    """The text with such characters as Python writes them: ``\\x1b[2J`` does not clear a screen."""
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def in_one_line(text: str) -> str:
    """The text without ends of lines, as what another library says of an error may have."""
    return re.sub(r"\s*\n\s*", " ", text.strip())


def shortened(text: str) -> str:
    """The text with words of more than a thousand letters, as a value may have, cut to their beginnings."""
    return _LONG.sub(lambda found: f"{found[1]}... ({len(found[0])} letters)", text)
