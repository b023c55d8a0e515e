// Makes the requests of supabase-js (and, for resumable uploads, of tus-js-client, which Supabase's
// documents name) for the operations that stdin names, one JSON object a line. A request of
// `/mark/N` goes before the operation N, so that the server can tell their requests apart.
//
// usage: node requests.mjs NODE_MODULES URL KEY PUBLISHABLE_KEY BUCKET

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, url, key, publishable, bucket] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { createClient } = require("@supabase/supabase-js");
const { Upload } = require("tus-js-client");

// Before Node 22 it wants to be told what a WebSocket is; none is opened here.
const realtime = { transport: globalThis.WebSocket ?? class {} };
const auth = { autoRefreshToken: false, persistSession: false, detectSessionInUrl: false };
const client = createClient(url, key, { auth, realtime });
const objects = client.storage.from(bucket);

const operations = {
  rpc: ({ name, body }) => client.rpc(name, body),
  async put({ object, type, bytes, metadata }) {
    const body = Buffer.from(bytes, "base64");
    await objects.upload(object, body, { contentType: type, upsert: true, metadata });
    return objects.info(object);
  },
  async put_in_chunks({ object, type, length, metadata }) {
    await new Promise((onSuccess, onError) =>
      new Upload(Buffer.alloc(length), {
        endpoint: `${url}/storage/v1/upload/resumable`,
        headers: { apikey: key, authorization: `Bearer ${key}`, "x-upsert": "true" },
        metadata: {
          bucketName: bucket,
          objectName: object,
          contentType: type,
          metadata: JSON.stringify(metadata),
        },
        chunkSize: 6 * 1024 * 1024,
        retryDelays: null,
        onSuccess,
        onError,
      }).start(),
    );
    return objects.info(object);
  },
  async get({ object }) {
    await objects.info(object);
    return objects.download(object);
  },
  head: ({ object }) => objects.info(object),
  list: ({ body }) => objects.listV2(body),
  delete: ({ object }) => objects.remove([object]),
  async delete_below({ list, objects: below }) {
    await objects.listV2(list);
    return objects.remove(below);
  },
  signed_url: ({ object, seconds }) => objects.createSignedUrl(object, seconds),
  make_bucket: () => client.storage.createBucket(bucket, { public: false }),
  // Another client: the first call of one asks for the keys.
  authenticate: ({ token }) => createClient(url, publishable, { auth, realtime }).auth.getClaims(token),
};

let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...rest } = JSON.parse(line);
  await fetch(`${url}/mark/${number++}`);
  await operations[op](rest);
}
