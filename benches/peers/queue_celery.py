"""Celery on Redis: jobs that do nothing, or sleep, enqueued and then executed. Arguments: noop or slow,
URL, jobs, concurrency (of threads), process of Redis.

Prints JSON: enqueued and executed a second, CPU of this process and of Redis in us a job while they
are executed, the latency of single jobs on an idle worker in ms, and the most memory in MiB."""

import json, os, re, sys, threading, time

from celery import Celery, group

what, url, jobs, concurrency, server = sys.argv[1:6]
jobs, concurrency, slow = int(jobs), int(concurrency), what == "slow"
app = Celery("bench", broker=url)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
)
SINGLE = 0 if slow else 60
lock, seen, latencies = threading.Lock(), 0, []
over, single, ready = threading.Event(), threading.Event(), threading.Event()


def server_cpu():
    fields = open(f"/proc/{server}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


@app.task(name="noop")
def noop(sent):
    global seen
    if slow:
        time.sleep(1)
    with lock:
        if sent:
            latencies.append(1000 * (time.time() - sent))
            single.set()
            return
        seen += 1
        if seen == jobs:
            over.set()


def measure():
    over.wait()
    cpu, redis = time.process_time() - before, server_cpu() - redis_before
    executing = time.perf_counter() - begun
    for _ in range(SINGLE):
        time.sleep(0.03)
        single.clear()
        noop.delay(time.time())
        single.wait(5)
    latencies.sort()
    at = lambda share: latencies[min(int(len(latencies) * share), len(latencies) - 1)] if latencies else 0
    peak = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())
    print(
        json.dumps(
            {
                "enqueued_s": jobs / enqueuing,
                "executed_s": jobs / executing,
                "cpu_us": 1e6 * cpu / jobs,
                "server_us": 1e6 * redis / jobs,
                "p50_ms": at(0.5),
                "p99_ms": at(0.99),
                "memory_mib": int(peak[1]) / 1024,
            }
        ),
        flush=True,
    )
    os._exit(0)


begun = time.perf_counter()
group(noop.s(0) for _ in range(jobs)).apply_async()
enqueuing = time.perf_counter() - begun
threading.Thread(target=measure, daemon=True).start()
before, redis_before, begun = time.process_time(), server_cpu(), time.perf_counter()
app.Worker(pool="threads", concurrency=concurrency, loglevel="ERROR", quiet=True).start()
