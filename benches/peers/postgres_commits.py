"""The commits and lists of benches/src/postgres.rs with SQLAlchemy 2 (async, Core) over asyncpg.

On litink's own tables, as their owner: a transaction that adds a generation and changes an account
that is as it was read; a list of one owner's twenty newest generations. Core rather than the ORM,
which does more in Python.

python postgres_commits.py URL CALLERS COMMITS LISTS
"""

import asyncio
import json
import resource
import statistics
import sys
import time
import uuid

import uvloop
from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

OWNER = uuid.uuid4()
metadata = MetaData()


def table(name, **columns):
    common = [
        Column("id", Uuid, primary_key=True),
        Column("owner", Uuid),
        Column("version", BigInteger),
        Column("created_at", DateTime(timezone=True)),
        Column("updated_at", DateTime(timezone=True)),
        Column("state", Text),
    ]
    return Table(name, metadata, *common, *(Column(name, kind) for name, kind in columns.items()))


accounts = table("accounts", email=Text, password_hash=Text, failures=BigInteger)
generations = table(
    "generations",
    fingerprint=Text,
    provider=Text,
    model=Text,
    modality=Text,
    run_id=Uuid,
    step_id=Uuid,
    attempt=BigInteger,
    operation=JSONB(none_as_null=True),
    output=JSONB(none_as_null=True),
    usage=JSONB(none_as_null=True),
    cost_nanos=BigInteger,
    request_id=Text,
    error=JSONB(none_as_null=True),
)


def generation():
    return {
        "id": uuid.uuid4(),
        "owner": OWNER,
        "state": "started",
        "fingerprint": "0" * 64,
        "provider": "p",
        "model": "m",
        "modality": "speech",
        "attempt": 1,
        "operation": None,
        "output": None,
        "usage": None,
        "error": None,
    }


async def caller(engine, count):
    fence = uuid.uuid4()
    async with engine.begin() as connection:
        await connection.execute(
            accounts.insert().values(
                id=fence, owner=OWNER, state="active", email="bench", password_hash="", failures=0
            )
        )
    version = 1
    for number in range(count):
        async with engine.begin() as connection:
            await connection.execute(generations.insert(), generation())
            changed = await connection.execute(
                accounts.update()
                .where(accounts.c.id == fence, accounts.c.version == version)
                .values(failures=number)
            )
            if changed.rowcount != 1:
                raise RuntimeError("the row is not as it was read")
        version += 1


async def commits(engine, callers, count):
    await asyncio.gather(*(caller(engine, count // callers) for _ in range(callers)))


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(url, callers, count, lists):
    url = url.replace("postgres://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=10)
    await commits(engine, callers, count // 10)
    cpu_before, begun = cpu(), time.perf_counter()
    await commits(engine, callers, count)
    took, commit_cpu = time.perf_counter() - begun, cpu() - cpu_before
    newest = (
        select(generations)
        .where(generations.c.owner == OWNER)
        .order_by(generations.c.created_at.desc(), generations.c.id.desc())
        .limit(20)
    )
    latencies = []
    cpu_before = cpu()
    for _ in range(lists):
        begun = time.perf_counter()
        async with engine.connect() as connection:
            rows = (await connection.execute(newest)).mappings().all()
        assert len(rows) == 20
        latencies.append(time.perf_counter() - begun)
    list_cpu = cpu() - cpu_before
    await engine.dispose()
    print(
        json.dumps(
            {
                "commits_s": count / took,
                "commit_us": commit_cpu * 1e6 / count,
                "list_ms": statistics.median(latencies) * 1e3,
                "list_us": list_cpu * 1e6 / lists,
            }
        )
    )


uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
