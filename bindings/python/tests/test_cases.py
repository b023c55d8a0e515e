"""The cases that every language runs, from `tests/cases` at the top.

`LITINK_CASES_PRINT=1 pytest -s tests/test_cases.py` prints what came out, a JSON line each.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import BOOKS, ROOT

import litink

CASES = sorted((ROOT / "tests" / "cases").glob("*.json"))


def test_there_are_cases() -> None:
    assert CASES


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_a_case_is_the_same_in_every_language(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    actual = await _run(case)
    if os.environ.get("LITINK_CASES_PRINT"):
        line = json.dumps(actual, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        print(f"\n{line}", flush=True)
    for key, expected in case.get("expect", {}).items():
        assert _comparable(actual[key], expected) == expected, key


async def _run(case: dict[str, Any]) -> dict[str, Any]:
    async with await litink.Engine.in_memory() as engine:
        book = await engine.import_file(BOOKS / case["book"])
        if edits := case.get("edits"):
            await engine.edit_book(book.id, book.version, edits)
        plan = await engine.plan(book.id, options=case["options"])
        run = await engine.start(book.id, options=case["options"])
        await engine.wait(run.id)
        exports = [
            {"format": e.format, "bytes": e.bytes, "content_hash": e.content_hash}
            for e in await engine.exports(run.id)
        ]
    return {
        "id": case["id"],
        "book_id": book.id,
        "run_id": run.id,
        "plan": [step.key for step in plan.steps],
        "calls": plan.calls,
        "exports": exports,
    }


def _comparable(actual: Any, expected: Any) -> Any:
    """As much of an answer as the case speaks of; a list of formats speaks of formats."""
    if isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        return [_comparable(a, e) for a, e in zip(actual, expected)]
    if isinstance(actual, dict) and isinstance(expected, dict):
        return {key: actual.get(key) for key in expected}
    if isinstance(actual, dict) and isinstance(expected, str):
        return actual["format"]
    return actual
