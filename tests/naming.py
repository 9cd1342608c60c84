"""What a parameter is called in the name of a test."""

import re


def named(value):
    """Give the repr without an address: processes that share the tests among them have to agree on their names."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
