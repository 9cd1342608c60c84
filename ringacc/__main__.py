"""``python -m ringacc`` is the command ``ringacc``.

Belongs here: nothing else.
"""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
