"""Uploads and downloads of one file, with boto3 or supabase-py; prints MB/s, CPU and peak memory.

python bytes.py boto3 ENDPOINT KEY SECRET BUCKET FILE
python bytes.py supabase URL SECRET - BUCKET FILE
"""

import json
import os
import resource
import sys
import time

kind, url, key, secret, bucket, path = sys.argv[1:]
size = os.path.getsize(path)
back = path + ".back"


def boto3_calls():
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    return (
        lambda: client.upload_file(path, bucket, "peer.bin"),
        lambda: client.download_file(bucket, "peer.bin", back),
    )


def supabase_calls():
    from supabase import ClientOptions, create_client

    client = create_client(url, key, ClientOptions(storage_client_timeout=600))
    objects = client.storage.from_(bucket)

    def download():
        with open(back, "wb") as file:
            file.write(objects.download("users/peer.bin"))

    def upload():
        with open(path, "rb") as file:
            objects.upload("users/peer.bin", file, {"upsert": "true"})

    return upload, download


upload, download = boto3_calls() if kind == "boto3" else supabase_calls()


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(call):
    before, begun = cpu(), time.perf_counter()
    call()
    return time.perf_counter() - begun, cpu() - before


up, up_cpu = measured(upload)
down, down_cpu = measured(download)
assert os.path.getsize(back) == size
os.remove(back)
print(
    json.dumps(
        {
            "up_s": up,
            "up_cpu_s": up_cpu,
            "down_s": down,
            "down_cpu_s": down_cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        }
    )
)
