"""Which parameters an object has, and what it declares about them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import attrs
import pydantic
import pytest

from ringacc import DataCollector
from ringacc.errors import EntryClashError, EntryNameError, ParametersError, RestoreWarning


class Side(Enum):
    """An enum whose values are text."""

    LEFT = "left"
    RIGHT = "right"


@dataclass
class Roi:
    """An object within others."""

    width: int = 640
    side: Side = Side.LEFT


@attrs.define
class Lens:
    """An attrs object within others."""

    focus: float = 1.0


class Param:
    """A Param as lightparam has it."""

    def __init__(self, value: Any, limits: Any = None, unit: str = "", loadable: bool = True) -> None:
        self.value = value
        self.limits = limits
        self.unit = unit
        self.loadable = loadable


class Parametrized:
    """An object as lightparam has it: an attribute that is a Param gives and takes its value."""

    def __init__(self, name: str, **params: Param) -> None:
        self.__dict__.update(params)
        self.name = name

    @property
    def params(self) -> SimpleNamespace:
        """Give the Params by name, as lightparam's container does."""
        return SimpleNamespace(items=lambda: {k: v for k, v in self.__dict__.items() if isinstance(v, Param)})

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        return found.value if isinstance(found, Param) else found

    def __setattr__(self, name: str, value: Any) -> None:
        param = self.__dict__.get(name)
        if isinstance(param, Param):
            param.value = value
        else:
            object.__setattr__(self, name, value)


def restore(obj: Any, saved: dict[str, Any]) -> dict[str, str]:
    """Restore an object from settings at "a", and give the outcome of each entry."""
    collector = DataCollector(extra_settings={"a": saved})
    collector.add(obj, "a")
    return {row.path.removeprefix("a/"): row.outcome for row in collector.restore_from_saved()}


def field_of(hint: Any, default: Any, **metadata: Any) -> Any:
    """Give an object with one field "x" of a type."""
    cls = make_dataclass("Field", [("x", hint, field(default_factory=lambda: default, metadata=metadata))])
    return cls()


# Where parameters are found -----------------------------------------------------------------------------


def objects() -> list[Any]:
    """Return the same parameters as an object of each kind."""

    @dataclass
    class AsDataclass:
        age: int = 7
        name: str = "TL"
        shared: ClassVar[int] = 3

    @attrs.define
    class AsAttrs:
        age: int = 7
        name: str = "TL"

    @attr_s
    class AsOldAttrs:
        age = attrs.field(default=7)
        name = attrs.field(default="TL")

    class AsPydantic(pydantic.BaseModel):
        age: int = 7
        name: str = "TL"
        secret: str = pydantic.Field("x", exclude=True)

    @pydantic.dataclasses.dataclass
    class AsPydanticDataclass:
        age: int = 7
        name: str = "TL"

    class Lightparam:
        name = "a"

        def __init__(self) -> None:
            self.params = {"age": Param(7), "name": Param("TL")}

    return [
        AsDataclass(),
        AsAttrs(),
        AsOldAttrs(),
        AsPydantic(),
        AsPydanticDataclass(),
        {"age": 7, "name": "TL"},
        OrderedDict(age=7, name="TL"),
        Parametrized("a", age=Param(7), name_=Param("TL")),
        Lightparam(),
    ]


def attr_s(cls: type) -> type:
    """Make a class of attrs without types, as before attrs.define."""
    return attrs.mutable(cls, these={name: v for name, v in vars(cls).items() if hasattr(v, "validator")})


@pytest.mark.parametrize("place", range(9))
def test_kinds_of_objects(place):
    """An object of each kind is read when asked, and set by restoring."""
    obj = objects()[place]
    collector = DataCollector(extra_settings={"a": {"age": 3}})
    collector.add(obj, "a")
    found = collector.get_clean_dict()["a"]
    assert found.pop("age") == 7
    assert list(found.values()) == ["TL"]
    assert [row.outcome for row in collector.restore_from_saved()] == ["restored"]
    assert collector.get_clean_dict()["a"]["age"] == 3
    if isinstance(obj, Mapping):
        obj["age"] = 5
    elif isinstance(getattr(obj, "params", None), dict):
        obj.params["age"].value = 5
    else:
        obj.age = 5
    assert collector.get_clean_dict()["a"]["age"] == 5


def test_objects_in_objects():
    """An object in a field is a branch, of whatever kind it is; it is set, not replaced."""

    class Camera(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        roi: Roi = pydantic.Field(default_factory=Roi)
        lens: Lens = pydantic.Field(default_factory=Lens)

    @dataclass
    class Rig:
        camera: Camera = field(default_factory=Camera)
        spare: Roi | None = None

    rig = Rig()
    roi = rig.camera.roi
    outcomes = restore(rig, {"camera": {"roi": {"width": 5, "side": "right"}, "lens": {"focus": 2}}, "spare": None})
    assert outcomes == {
        "camera/roi/width": "restored",
        "camera/roi/side": "restored",
        "camera/lens/focus": "restored",
        "spare": "unchanged",
    }
    assert rig.camera.roi is roi
    assert roi == Roi(5, Side.RIGHT)
    assert rig.camera.lens == Lens(2.0)


def test_objects_in_containers():
    """An object in a list or dict, or one where there is none now, is made anew."""

    @dataclass
    class Rig:
        rois: list[Roi] = field(default_factory=list)
        lens: Lens | None = None
        named: dict[str, Roi] = field(default_factory=dict)

    class Model(pydantic.BaseModel):
        x: int = pydantic.Field(1, ge=0)

    rig, models = Rig(), field_of(list[Model], [])
    source = Rig([Roi(1), Roi(2, Side.RIGHT)], Lens(3.0), {"a": Roi(4)})
    collector = DataCollector((source, "a"))
    assert set(restore(rig, collector.get_clean_dict()["a"]).values()) == {"restored"}
    assert rig == source
    restore(models, {"x": [{"x": 3}]})
    assert models.x == [Model(x=3)]
    for bad in ([{"x": -1}], [{"y": 1, "x": "no"}], [3]):
        with pytest.warns(RestoreWarning):
            assert restore(models, {"x": bad}) == {"x": "refused"}
    with pytest.warns(RestoreWarning):
        assert restore(Rig(), {"lens": {"focus": 1.0, "gone": 2}}) == {"lens": "refused"}


def test_mappings_in_mappings():
    """A mapping in a mapping is a branch: keys that are new keep their value, unknown ones are kept."""
    rig = {"camera": {"gain": 1, "new": 2}, "roi": MappingProxyType({"x": 1}), "empty": {}, "lens": Lens()}
    with pytest.warns(RestoreWarning, match="read-only"):
        outcomes = restore(
            rig, {"camera": {"gain": 5, "old": 6}, "roi": {"x": 2}, "empty": {"any": 1}, "lens": {"focus": 3.0}}
        )
    assert outcomes == {
        "camera/gain": "restored",
        "camera/old": "kept",
        "roi/x": "refused",
        "empty": "restored",
        "lens/focus": "restored",
    }
    assert rig == {"camera": {"gain": 5, "new": 2}, "roi": {"x": 1}, "empty": {"any": 1}, "lens": Lens(3.0)}


def test_dict_in_a_field_is_one_value():
    """A dict that is a declared parameter is restored as a whole, with the keys that it had."""
    obj = field_of(dict[str, int], {"a": 1})
    assert restore(obj, {"x": {"b": 2, "c": 3}}) == {"x": "restored"}
    assert obj.x == {"b": 2, "c": 3}
    param = Parametrized("p", x=Param({"a": 1}))
    assert restore(param, {"x": {"b": (1,)}}) == {"x": "restored"}
    assert param.x == {"b": (1,)}


def test_lightparam_path_and_signal():
    """The name is the path where none is given; while a Param is set, the signal is blocked as lightparam does it."""
    seen = []

    class WithSignal(Parametrized):
        block_signal = False

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "gain":
                seen.append((value, self.block_signal))

    camera = WithSignal("camera/params", gain=Param(1.0))
    collector = DataCollector(extra_settings={"camera": {"params": {"gain": 2.0}}})
    collector.add(camera)
    collector.restore_from_saved()
    assert seen == [(2.0, True)]
    assert camera.block_signal is False
    assert camera.gain == 2.0


def test_params_that_come_later():
    """An object that adds itself before it has its Params is read as it is when asked."""
    collector = DataCollector((1, "camera/id"))
    camera = Parametrized("camera")
    collector.add(camera)
    assert collector.get_clean_dict() == {"camera": {"id": 1}}
    camera.__dict__["gain"] = Param(1.0)
    assert collector.get_clean_dict() == {"camera": {"id": 1, "gain": 1.0}}
    camera.__dict__["id"] = Param(2)
    with pytest.raises(EntryClashError, match="camera/id"):
        collector.get_clean_dict()


def test_params_of_plain_values():
    """.params may be a mapping of values without limits."""

    class Plain:
        name = "p"

        def __init__(self) -> None:
            self.params = {"gain": 1.0, "side": Side.LEFT}

    obj = Plain()
    assert restore(obj, {"gain": 2.0, "side": "right"}) == {"gain": "restored", "side": "restored"}
    assert obj.params == {"gain": 2.0, "side": Side.RIGHT}


def test_names_of_params_like_the_objects_own():
    """A Param called as another attribute of its object is set, and the attribute is not."""

    class Plain:
        name = "p"

        def __init__(self) -> None:
            self.params = {"name": Param("TL")}

    obj = Plain()
    assert restore(obj, {"name": "WT"}) == {"name": "restored"}
    assert (obj.name, obj.params["name"].value) == ("p", "WT")


def test_bad_objects():
    """Objects without a path, with names that are no text, or that hold themselves are refused."""
    collector = DataCollector()
    with pytest.raises(EntryNameError):
        collector.add(Parametrized(""))
    with pytest.raises(ParametersError, match="text as names"):
        collector.add({1: 2}, "a")
    holds_itself: dict[str, Any] = {}
    holds_itself["x"] = holds_itself
    with pytest.raises(ParametersError, match="itself"):
        collector.add(holds_itself, "a")
    circle = field_of(Any, None)
    circle.x = circle
    with pytest.raises(ParametersError, match="itself"):
        collector.add(circle, "a")
    for limits in ((1,), 3, "ab", (1, 2, 3)):
        with pytest.raises(ParametersError, match="limits"):
            collector.add(field_of(int, 1, limits=limits), "a")
    for choices in (3, "ab"):
        with pytest.raises(ParametersError, match="choices"):
            collector.add(field_of(int, 1, choices=choices), "a")
    assert collector.get_clean_dict() == {}


def test_fields_that_are_not_set_yet():
    """A field without a value is none of the parameters until it has one."""

    @dataclass
    class Late:
        now: int = 1
        later: int = field(init=False)

    obj = Late()
    assert restore(obj, {"now": 2, "later": 3}) == {"now": "restored", "later": "kept"}
    obj.later = 1
    assert restore(obj, {"later": 3}) == {"later": "restored"}


def test_frozen_objects_are_saved_and_refused():
    """What cannot be set is saved, and refused with the reason."""

    @dataclass(frozen=True)
    class Frozen:
        x: int = 1

    class FrozenModel(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(frozen=True)
        x: int = 1

    for obj in (Frozen(), FrozenModel(), attrs.make_class("F", {"x": attrs.field(default=1, type=int)}, frozen=True)()):
        with pytest.warns(RestoreWarning, match="rozen"):
            assert restore(obj, {"x": 2}) == {"x": "refused"}
        assert restore(obj, {"x": 1}) == {"x": "unchanged"}


# Limits -----------------------------------------------------------------------------------------------


def outcome_of(obj: Any, saved: Any) -> str:
    """Restore the parameter "x" of an object, and tell whether it now has the saved value."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RestoreWarning)
        (outcome,) = restore(obj, {"x": saved}).values()
    return outcome


def with_limits() -> list[Any]:
    """Return a parameter "x" of 5 that has to be within 0 and 10, declared in each way."""

    class Model(pydantic.BaseModel):
        x: int = pydantic.Field(5, ge=0, le=10)

    class AnnotatedModel(pydantic.BaseModel):
        x: Annotated[int, pydantic.Field(ge=0), pydantic.Field(lt=11)] = 5

    @pydantic.dataclasses.dataclass
    class ModelDataclass:
        x: pydantic.conint(gt=-1, le=10) = 5

    class ModelWithLimits(pydantic.BaseModel):
        x: int = pydantic.Field(5, json_schema_extra={"limits": (0, 10), "unit": "mm"})

    @dataclass
    class Constrained:
        x: Annotated[int, pydantic.Field(ge=0, le=10)] = 5

    @attrs.define
    class Validated:
        x: int = attrs.field(default=5, validator=[attrs.validators.ge(0), attrs.validators.le(10)])

    @attrs.mutable(on_setattr=[])
    class ValidatedOnce:
        x: int = attrs.field(
            default=5, validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(10))
        )

    @attrs.define
    class WithMetadata:
        x: int = attrs.field(default=5, metadata={"limits": [0, 10]})

    return [
        field_of(int, 5, limits=(0, 10), unit="mm"),
        Model(),
        AnnotatedModel(),
        ModelDataclass(),
        ModelWithLimits(),
        Constrained(),
        Validated(),
        ValidatedOnce(),
        WithMetadata(),
        Parametrized("p", x=Param(5, limits=(0, 10))),
    ]


@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize("saved", [-1, 0, 3, 10, 11])
def test_limits(place, saved):
    """A number within its limits, these included, is set; one outside is refused."""
    obj = with_limits()[place]
    inside = 0 <= saved <= 10
    assert outcome_of(obj, saved) == ("restored" if inside else "refused")
    assert obj.x == (saved if inside else 5)


def test_limits_of_other_values():
    """Open ends, floats that are no number, None, and each item of a tuple."""
    assert outcome_of(field_of(float, 1.0, limits=(0, None)), 1e300) == "restored"
    assert outcome_of(field_of(float, 1.0, limits=(None, 0)), 1.5) == "refused"
    assert outcome_of(field_of(float, 1.0, limits=(0, 10)), math.nan) == "refused"
    assert outcome_of(field_of(int | None, 1, limits=(0, 10)), None) == "restored"
    assert outcome_of(field_of(tuple, (1, 2), limits=(0, 10)), [3, 4]) == "restored"
    assert outcome_of(field_of(tuple, (1, 2), limits=(0, 10)), [3, 11]) == "refused"
    assert outcome_of(field_of(str, "a", limits=(0, 10)), "b") == "refused"
    assert outcome_of(field_of(int, 99, limits=(0, 10)), 99) == "unchanged"


def with_choices() -> list[Any]:
    """Return a parameter "x" of "a" that has to be "a" or "b", declared in each way."""

    class Model(pydantic.BaseModel):
        x: str = pydantic.Field("a", json_schema_extra={"choices": ["a", "b"]})

    @attrs.define
    class Validated:
        x: str = attrs.field(default="a", validator=attrs.validators.in_(["a", "b"]))

    return [
        field_of(str, "a", choices=["a", "b"]),
        field_of(Literal["a", "b"], "a"),
        Model(),
        Validated(),
        Parametrized("p", x=Param("a", ["a", "b"])),
    ]


@pytest.mark.parametrize("place", range(5))
def test_choices(place):
    """One of the choices is set, any other value is refused."""
    obj = with_choices()[place]
    assert outcome_of(obj, "c") == "refused"
    assert obj.x == "a"
    assert outcome_of(obj, "b") == "restored"
    assert obj.x == "b"


def test_choices_are_of_one_kind():
    """True is not the choice 1, and a tuple is one."""
    assert outcome_of(field_of(Any, 1, choices=[1, 2]), True) == "refused"
    assert outcome_of(field_of(tuple, (1, 2), choices=[(1, 2), (3, 4)]), [3, 4]) == "restored"


def test_not_loadable():
    """What is not to be loaded is left alone, and saved all the same."""

    class Model(pydantic.BaseModel):
        x: int = pydantic.Field(1, json_schema_extra={"loadable": False})

    for obj in (field_of(int, 1, loadable=False), Model(), Parametrized("p", x=Param(1, loadable=False))):
        assert outcome_of(obj, 2) == "unchanged"
        assert outcome_of(obj, "text") == "unchanged"
        assert obj.x == 1


def test_constraints_of_pydantic():
    """The constraints of lengths, patterns, multiples and finiteness are checked."""

    class Model(pydantic.BaseModel):
        x: Any = None

    def of(hint: Any, default: Any) -> Any:
        return pydantic.create_model("Model", x=(hint, default))()

    cases = [
        (Annotated[str, pydantic.Field(max_length=2)], "a", "ab", "abc"),
        (Annotated[str, pydantic.Field(pattern="^[ab]+$")], "a", "ba", "c"),
        (Annotated[list[int], pydantic.Field(min_length=1)], [1], [2, 3], []),
        (Annotated[float, pydantic.Field(multiple_of=0.1)], 0.1, 0.3, 0.35),
        (Annotated[float, pydantic.Field(allow_inf_nan=False)], 0.1, 0.3, math.inf),
        (pydantic.PositiveInt, 1, 2, 0),
        (Annotated[int, pydantic.Field(ge=0)] | None, 1, None, -1),
        (list[Annotated[int, pydantic.Field(ge=0)]], [1], [2], [1, -1]),
        (tuple[pydantic.NegativeInt, ...], (-1,), [-2], [-1, 1]),
    ]
    for hint, default, good, bad in cases:
        assert outcome_of(of(hint, default), good) == "restored"
        assert outcome_of(of(hint, default), bad) == "refused"


def test_validation_on_assignment():
    """A model that validates when it is set refuses, and is left as it was before."""

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(validate_assignment=True)
        low: int = 0
        x: int = 3

        @pydantic.model_validator(mode="after")
        def check(self) -> Model:
            if self.low >= self.x:
                raise ValueError("low must be below x")
            return self

    obj = Model()
    assert outcome_of(obj, -1) == "refused"
    assert (obj.low, obj.x) == (0, 3)
    assert set(restore(obj, {"low": 5, "x": 9}).values()) == {"restored"}


def test_a_setter_that_fails_is_the_reason():
    """Whatever the user's class raises is the reason, and the rest is restored."""

    @dataclass
    class Touchy:
        a: int = 1
        b: int = 2

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "a" and value == 13:
                raise ZeroDivisionError("not this\none")
            object.__setattr__(self, name, value)

    obj = Touchy()
    with pytest.warns(RestoreWarning, match="a/a: ZeroDivisionError: not this one"):
        assert restore(obj, {"a": 13, "b": 3}) == {"a": "refused", "b": "restored"}
    assert obj == Touchy(1, 3)
