"""The scenario of scenario.mjs with supabase-py; see there.

usage: scenario.py URL SECRET_KEY PUBLISHABLE_KEY TOKEN BUCKET PREFIX
"""

import json
import sys
import urllib.error
import urllib.request

from supabase import Client, ClientOptions, create_client

url, secret, publishable, token, bucket, prefix = sys.argv[1:]


def client(key: str, headers: dict[str, str] | None = None) -> Client:
    options = ClientOptions(
        auto_refresh_token=False, persist_session=False, headers=headers or {}
    )
    return create_client(url, key, options)


service = client(secret)
user = client(publishable, {"Authorization": f"Bearer {token}"})
anon = client(publishable)


def say(step: str, value: object) -> None:
    print(json.dumps({"step": step, "value": value}))


def refusal(call, field: str) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which one is what is asked
        found = getattr(error, field, None)
        return str(found if found is not None else f"{type(error).__name__}: {error}")
    return "no error"


def status(call) -> str:
    return refusal(call, "status")


def code(call) -> str:
    return refusal(call, "code")


own = f"{prefix}/books/b1/hello.txt"
other = "users/22222222-2222-2222-2222-222222222222/books/b1/secret.txt"
text = {"content-type": "text/plain", "metadata": {"by": "scenario"}}
everything = service.storage.from_(bucket)
mine = user.storage.from_(bucket)

say("upload", everything.upload(own, b"hello", dict(text)).path)
say("upload again", status(lambda: everything.upload(own, b"hello", dict(text))))
say("replace", everything.upload(own, b"hello you", {**text, "upsert": "true"}).path)
everything.upload(other, b"secret", dict(text))

info = mine.info(own)
say("info", [info["size"], info["content_type"], info["metadata"]])
say("info of nothing", status(lambda: mine.info(f"{prefix}/books/no.txt")))
say("info of another's", status(lambda: mine.info(other)))
say("exists", mine.exists(own))
say("exists not", mine.exists(other))
say("download", mine.download(own).decode())
say("write to another's", status(lambda: mine.upload(other, b"x", {"upsert": "true"})))
say("remove another's", [it["name"] for it in mine.remove([other])])

signed = mine.create_signed_url(own, 60)["signedURL"]
say("signed", urllib.request.urlopen(signed).read() == b"hello you")
try:
    urllib.request.urlopen(f"{signed}x")
except urllib.error.HTTPError as error:
    say("signed, changed", error.code)

say("remove", [it["name"] for it in everything.remove([own, f"{prefix}/no.txt"])])
say("download of nothing", status(lambda: mine.download(own)) != "no error")

say("function", "number" if isinstance(service.rpc("litink_schema_version", {}).execute().data, int) else "other")
request = {"table": "books", "columns": ["id"], "order": "newest", "limit": 1, "states": []}
say("function with a request", list(service.rpc("litink_list_v1", {"request": request}).execute().data))
say("function of a user", code(lambda: user.rpc("litink_list_v1", {"request": request}).execute()))
say("function of nobody", code(lambda: anon.rpc("litink_list_v1", {"request": request}).execute()))
say("no function", code(lambda: service.rpc("litink_no_such", {}).execute()))

say("user", anon.auth.get_user(token).user.id)
say("user of a wrong token", code(lambda: anon.auth.get_user(f"{token}x")))
