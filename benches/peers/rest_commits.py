"""The commits and lists of benches/src/rest.rs with supabase-py (its async client).

A commit of two changes is two requests here, since REST has no transactions.

python rest_commits.py URL KEY CALLERS COMMITS LISTS
"""

import asyncio
import json
import resource
import statistics
import sys
import time
import uuid

from supabase import acreate_client

OWNER = str(uuid.uuid4())


def generation():
    return {
        "id": str(uuid.uuid4()),
        "owner": OWNER,
        "state": "started",
        "fingerprint": "0" * 64,
        "provider": "p",
        "model": "m",
        "modality": "speech",
        "attempt": 1,
    }


async def caller(client, count):
    fence = str(uuid.uuid4())
    account = {
        "id": fence, "owner": OWNER, "state": "active", "email": fence, "password_hash": "",
        "failures": 0,
    }
    await client.table("accounts").insert(account).execute()
    version = 1
    for number in range(count):
        await client.table("generations").insert(generation()).execute()
        changed = (
            await client.table("accounts")
            .update({"failures": number})
            .eq("id", fence)
            .eq("version", version)
            .execute()
        )
        if len(changed.data) != 1:
            raise RuntimeError("the row is not as it was read")
        version += 1


async def commits(client, callers, count):
    await asyncio.gather(*(caller(client, count // callers) for _ in range(callers)))


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(url, key, callers, count, lists):
    client = await acreate_client(url, key)
    await commits(client, callers, count // 10)
    before, begun = cpu(), time.perf_counter()
    await commits(client, callers, count)
    took, commit_cpu = time.perf_counter() - begun, cpu() - before
    latencies = []
    before = cpu()
    for _ in range(lists):
        begun = time.perf_counter()
        found = (
            await client.table("generations")
            .select("*")
            .eq("owner", OWNER)
            .order("created_at", desc=True)
            .order("id", desc=True)
            .limit(20)
            .execute()
        )
        assert len(found.data) == 20
        latencies.append(time.perf_counter() - begun)
    list_cpu = cpu() - before
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


asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])))
