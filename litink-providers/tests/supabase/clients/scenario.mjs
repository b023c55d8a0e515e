// One scenario over a project's storage, functions and Auth with supabase-js; what came of each
// call is printed as JSON, one line a call. `scenario.py` does the same with supabase-py.
//
// usage: node scenario.mjs NODE_MODULES URL SECRET_KEY PUBLISHABLE_KEY TOKEN BUCKET PREFIX

import { createRequire } from "node:module";

const [modules, url, secret, publishable, token, bucket, prefix] = process.argv.slice(2);
const { createClient } = createRequire(`${modules}/`)("@supabase/supabase-js");

// Before Node 22 it wants to be told what a WebSocket is; none is opened here.
const realtime = { transport: globalThis.WebSocket ?? class {} };
const auth = { autoRefreshToken: false, persistSession: false, detectSessionInUrl: false };
const service = createClient(url, secret, { auth, realtime });
const user = createClient(url, publishable, {
  auth,
  realtime,
  global: { headers: { Authorization: `Bearer ${token}` } },
});
const anon = createClient(url, publishable, { auth, realtime });
const say = (step, value) => console.log(JSON.stringify({ step, value }));
const code = (error) => error?.code ?? error?.statusCode ?? "no error";
const status = (error) => String(error?.statusCode ?? "no error");
const bytes = async (blob) => Buffer.from(await blob.arrayBuffer()).toString();

const own = `${prefix}/books/b1/hello.txt`;
const other = "users/22222222-2222-2222-2222-222222222222/books/b1/secret.txt";
const text = { contentType: "text/plain", metadata: { by: "scenario" } };

const all = service.storage.from(bucket);
const mine = user.storage.from(bucket);

say("upload", (await all.upload(own, Buffer.from("hello"), text)).data?.path);
say("upload again", status((await all.upload(own, Buffer.from("hello"), text)).error));
const replaced = await all.upload(own, Buffer.from("hello you"), { ...text, upsert: true });
say("replace", replaced.data?.path);
await all.upload(other, Buffer.from("secret"), text);

const info = (await mine.info(own)).data;
say("info", [info?.size, info?.contentType, info?.metadata]);
say("info of nothing", status((await mine.info(`${prefix}/books/no.txt`)).error));
say("info of another's", status((await mine.info(other)).error));
say("exists", (await mine.exists(own)).data);
say("exists not", (await mine.exists(other)).data);
say("download", await bytes((await mine.download(own)).data));
say("write to another's", status((await mine.upload(other, Buffer.from("x"), { upsert: true })).error));
say("remove another's", (await mine.remove([other])).data?.map((it) => it.name));

const signed = (await mine.createSignedUrl(own, 60)).data?.signedUrl;
say("signed", (await (await fetch(signed)).text()) === "hello you");
say("signed, changed", (await fetch(`${signed}x`)).status);

say("remove", (await all.remove([own, `${prefix}/no.txt`])).data?.map((it) => it.name));
say("download of nothing", (await mine.download(own)).error !== null);

const version = await service.rpc("litink_schema_version");
say("function", typeof version.data);
const request = {
  table: "books", columns: ["id"], order: "newest", limit: 1, states: [],
};
say("function with a request", Object.keys((await service.rpc("litink_list_v1", { request })).data));
say("function of a user", code((await user.rpc("litink_list_v1", { request })).error));
say("function of nobody", code((await anon.rpc("litink_list_v1", { request })).error));
say("no function", code((await service.rpc("litink_no_such")).error));

say("user", (await anon.auth.getUser(token)).data?.user?.id);
say("user of a wrong token", code((await anon.auth.getUser(`${token}x`)).error));
