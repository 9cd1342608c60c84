"""What the package gives at its door."""

import subprocess
import sys

import pytest

import ringacc


def run(code, *options):
    """Run code in a fresh interpreter and give what it prints."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_but_the_standard_library():
    """No package is loaded before a name is used."""
    loaded = run(
        "import sys; before = set(sys.modules); import ringacc\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )

    assert loaded.strip() == "['ringacc']"


@pytest.mark.parametrize("name", ringacc.__all__)
def test_every_public_name_is_there(name):
    """What ``__all__`` promises can be imported, and ``dir`` shows it."""
    assert getattr(ringacc, name) is not None
    assert name in dir(ringacc)


def test_unknown_name_is_an_attribute_error():
    """A name that is not there is an AttributeError that says so."""
    with pytest.raises(AttributeError, match="no attribute 'Rnig'"):
        ringacc.Rnig  # noqa: B018


def test_look_ups_load_no_tables():
    """Rings need neither pandas nor pyarrow nor tables, whose import would stall the first row."""
    loaded = run(
        "import sys\nfrom ringacc import TimeRing, EstimatorLog\nfrom collections import namedtuple\n"
        "ring = TimeRing(10, {'x': 'f8'}); ring.append(0.1, (1.0,)); ring.window(1.0)\n"
        "log = EstimatorLog(); log.update_list(0.1, namedtuple('E', 'v')(1.0)); log.get_last_t(1.0)\n"
        "print([name for name in ('pandas', 'pyarrow', 'tables') if name in sys.modules])"
    )

    assert loaded.strip() == "[]"


def test_append_is_a_builtin_where_anything_is_compiled():
    """The compiled append is installed; should CPython or numba change what it stands on, this says so."""
    from ringacc.kernels import capi
    from ringacc.kernels.compile import JIT

    assert capi.AVAILABLE is JIT
    if JIT:
        appends = (ringacc.TimeRing(1, {"x": "f8"}).append, ringacc.RingBuffer(1).append)
        assert [type(append).__name__ for append in appends] == ["builtin_function_or_method"] * 2


def test_kernels_work_where_nothing_can_be_cached(tmp_path):
    """Without a folder to write compiled code to, kernels are compiled in each process."""
    code = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from ringacc import TimeRing\n"
        "ring = TimeRing(10, {'x': 'f8'}); ring.append(0.1, (1.5,)); print(ring.window(1.0)['x'][0])"
    )

    assert run(code).strip() == "1.5"
