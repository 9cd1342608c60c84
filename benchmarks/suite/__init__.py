"""The asv suite: what ringacc costs, commit by commit.

Belongs here: one module a topic; input is made and kernels are warmed in ``setup``. May not be here: a peer
(``peers``), a verdict (``growth.py``, ``limits.py``).
"""
