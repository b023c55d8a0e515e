"""Errors, and values on their way in."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from conftest import begun

import litink
from litink import _litink, errors


def test_every_kind_has_a_class_of_its_own() -> None:
    kinds = _litink.error_kinds()
    assert len(kinds) >= 17
    assert set(kinds) == set(errors.BY_KIND)
    for kind in kinds:
        cls = errors.class_of(kind)
        assert issubclass(cls, litink.LitinkError) and cls is not litink.LitinkError
        assert getattr(litink, cls.__name__) is cls
        error = cls("a", code="b", context={"c": "d"}, retry_after=1.5)
        assert (error.kind, error.code, str(error)) == (kind, "b", "a (c: d)")
        with pytest.raises(cls):
            raise error
    assert errors.class_of("of a later version") is litink.LitinkError


def test_the_classes_are_pythons_own_where_python_has_one() -> None:
    assert issubclass(litink.NotFoundError, LookupError)
    assert issubclass(litink.InvalidInputError, ValueError)
    assert issubclass(litink.TimeoutError, builtins.TimeoutError)
    assert issubclass(litink.PermissionDeniedError, PermissionError)


async def test_errors_say_what_and_why(tmp_path: Path) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        with pytest.raises(litink.NotFoundError) as missing:
            await engine.import_file(tmp_path / "none.epub")
        assert missing.value.context["file"].endswith("none.epub")
        assert missing.value.__cause__ is not None
        with pytest.raises(litink.InvalidInputError) as empty:
            await engine.import_bytes("a.txt", b"")
        assert (empty.value.kind, empty.value.retry) == ("invalid_input", "never")
        with pytest.raises(litink.InvalidInputError) as bad:
            await engine.run("not an id")
        assert bad.value.code == "bad_id"
        with pytest.raises(litink.InvalidInputError):
            engine._native.watch("not an id", 0)
    with pytest.raises(litink.ConfigurationError) as setting:
        await litink.Engine.in_memory(leese_s=1)
    assert setting.value.code == "bad_settings"


def _knot() -> list[Any]:
    knot: list[Any] = []
    knot.append(knot)
    return knot


@pytest.mark.parametrize(
    "value", [_knot(), object(), {1: 2}, float("nan"), float("inf"), 2**64, -(2**63) - 1, "\ud800"]
)
async def test_what_is_not_json_is_refused(book: Path, value: Any) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        imported = await engine.import_file(book)
        with pytest.raises((litink.InvalidInputError, UnicodeEncodeError)):
            await engine.plan(imported.id, options={"x": value})


async def test_what_is_json_arrives_as_it_was() -> None:
    state: dict[str, Any] = {"a": [1, -1, 2**64 - 1, 1.5, True, None, "ä", (1, 2)], "b": {"c": {}}}
    seen: list[Any] = []

    class Keeps:
        name = "keeps"
        capabilities: litink.Capabilities = {"speech": {"max_input_chars": 10_000}}

        def generate(self, request: dict[str, Any], context: litink.CallContext) -> Any:
            return litink.Pending("x", state, poll_after_ms=50)

        def poll(self, operation: dict[str, Any], context: litink.CallContext) -> Any:
            seen.append(operation["state"])
            raise litink.QuotaExhaustedError("enough")

    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, Keeps())  # type: ignore[arg-type]
        with pytest.raises(litink.QuotaExhaustedError):
            await engine.wait(run.id)
    assert seen[0] == {**state, "a": [*state["a"][:-1], [1, 2]]}
