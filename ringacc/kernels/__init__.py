"""Plain functions on bytes, int64 counters and scalars: all that runs compiled.

Belongs here: what touches a ring's bytes at full speed. May not be here: a class of the package, a dtype, an error
message. Nothing in this folder imports anything of ringacc outside this folder but ``errors``.

``compile`` is the only place that spells numba options, ``memory`` emits single machine instructions, ``rows`` moves
rows, ``times`` searches them, ``envelope`` folds them into bins, ``push`` takes one row from Python objects.
"""
