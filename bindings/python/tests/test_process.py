"""What only a process of its own shows: imports, forks, signals, exits, the examples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from conftest import BOOK, ROOT

HERE = Path(__file__).resolve().parent
EXAMPLES = ROOT / "examples" / "python"
START = f"""
import asyncio, os, sys, threading, time
sys.path.insert(0, {str(HERE)!r})
import litink
from conftest import *
"""


def ran(code: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs code in a new interpreter, which must end by itself."""
    command = [sys.executable, "-c", START + textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def passed(code: str) -> str:
    done = ran(code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_importing_starts_nothing() -> None:
    code = f"import sys, os; sys.path.insert(0, {str(HERE.parent / 'python')!r}); import litink; print(len(os.listdir('/proc/self/task')), 'asyncio' in sys.modules)"
    if not Path("/proc/self/task").exists():
        pytest.skip("threads are counted in /proc")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[0] == "1"


def test_a_process_ends_by_itself_with_an_engine_that_was_not_closed() -> None:
    out = passed("""
        class Hangs(AsyncVoice):
            async def generate(self, request, context):
                print("called", flush=True)
                await asyncio.sleep(3600)

        async def main():
            engine = await litink.Engine.in_memory()
            run = await begun(engine, Hangs())
            await asyncio.sleep(0.5)
            globals()["kept"] = engine

        asyncio.run(main())
    """)
    assert "called" in out


def test_a_process_ends_by_itself_while_a_plain_provider_works() -> None:
    began = time.monotonic()
    done = ran("""
        class Hangs(PlainVoice):
            def generate(self, request, context):
                time.sleep(30)

        async def main():
            engine = await litink.Engine.in_memory()
            await begun(engine, Hangs())
            await asyncio.sleep(0.5)
            globals()["kept"] = engine

        asyncio.run(main())
    """)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 20


def test_closing_gives_up_what_hangs() -> None:
    passed("""
        class Hangs(AsyncVoice):
            async def generate(self, request, context):
                await asyncio.sleep(3600)

        async def main():
            async with await litink.Engine.in_memory() as engine:
                await begun(engine, Hangs())
                await asyncio.sleep(0.3)
                began = time.monotonic()
            assert time.monotonic() - began < 5

        asyncio.run(main())
    """)


def test_ctrl_c_ends_a_wait_at_once() -> None:
    code = """
        class Hangs(AsyncVoice):
            async def generate(self, request, context):
                print("called", flush=True)
                await asyncio.sleep(3600)

        async def main():
            async with await litink.Engine.in_memory() as engine:
                await engine.wait((await begun(engine, Hangs())).id)

        asyncio.run(main())
    """
    command = [sys.executable, "-c", START + textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "called\n"
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert stderr.strip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_engine_says_so_and_the_child_may_open_its_own() -> None:
    out = passed("""
        import warnings
        warnings.simplefilter("ignore")

        async def main():
            return await litink.Engine.in_memory()

        async def child(engine):
            for call in (engine.books, lambda: engine.import_file(BOOK)):
                try:
                    await call()
                except litink.UnavailableError as error:
                    print(error.code)
            await engine.close()
            voice = AsyncVoice()
            async with await litink.Engine.in_memory() as own:
                await own.wait((await begun(own, voice)).id)
            print(bool(voice.calls), flush=True)

        engine = asyncio.run(main())
        pid = os.fork()
        if pid == 0:
            asyncio.run(child(engine))
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        asyncio.run(engine.close())
    """)
    assert out.split() == ["forked", "forked", "True", "7"]


def test_a_provider_of_a_loop_that_ended_runs_on_a_loop_of_litinks() -> None:
    passed("""
        voice = AsyncVoice()

        async def main():
            engine = await litink.Engine.in_memory(worker=True)
            run = await begun(engine, voice, chapters=None)
            return engine

        engine = asyncio.run(main())
        deadline = time.monotonic() + 30
        while not any(loop.is_running() for loop in voice.loops) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert any(loop.is_running() for loop in voice.loops)
    """)


@pytest.mark.parametrize("name", ["quickstart.py", "own_provider.py"])
def test_the_examples_run(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / name), str(BOOK), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert ".wav" in done.stdout
    assert list((tmp_path / "out").glob("*.wav"))
