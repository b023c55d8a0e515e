// Not run: `tsc --strict` reads it, as a user's program.

import {
  Engine,
  LitinkError,
  ProviderError,
  RateLimitedError,
  type AudiobookOptions,
  type Capabilities,
  type CallContext,
  type Provider,
  type Reply,
  type Request,
} from "litink";

class Vendor implements Provider {
  readonly name = "vendor";
  readonly capabilities: Capabilities = { speech: { voices: [{ id: "a", name: "A" }] }, text: {} };

  async generate({ input, model }: Request, { signal, generation }: CallContext): Promise<Reply> {
    switch (input.modality) {
      case "speech": {
        const headers = { "Idempotency-Key": generation };
        const body = JSON.stringify({ model, text: input.text, voice: input.voice });
        const url = "https://vendor.example/speech";
        const response = await fetch(url, { method: "POST", headers, body, signal });
        if (response.status === 429) {
          throw new ProviderError({ kind: "rate_limited", retryAfter: 1.5 });
        }
        const audio = new Uint8Array(await response.arrayBuffer());
        return { kind: "speech", audio, mediaType: "audio/mpeg" };
      }
      case "text":
        return { kind: "text", text: input.messages.map(({ text }) => text).join("\n") };
      case "video":
        return { kind: "pending", id: "1", pollAfterMs: 500 };
      default:
        throw new ProviderError({ kind: "unsupported" });
    }
  }

  poll(): Reply {
    return { kind: "video", video: Buffer.from(""), mediaType: "video/mp4" };
  }
}

// A plain one, and one that says nonsense.
const plain: Provider = {
  name: "plain",
  capabilities: { text: null },
  generate: () => ({ kind: "text", text: "yes" }),
};
const nonsense: Provider = {
  name: "nonsense",
  capabilities: {},
  // @ts-expect-error speech has bytes
  generate: () => ({ kind: "speech", mediaType: "audio/wav" }),
};

export async function main(signal: AbortSignal): Promise<string[]> {
  await using engine = await Engine.open("data", { settings: { max_attempts: 3 } });
  for (const provider of [new Vendor(), plain, nonsense]) engine.registerProvider(provider);
  const options: AudiobookOptions = { provider: "vendor", formats: ["m4b", "vtt"] };
  const { book, existing } = await engine.importFile("book.epub", { signal });
  const calls: number = (await engine.plan(book.id, { options })).calls;
  const run = await engine.start(book.id, { options, idempotencyKey: `${existing} ${calls}` });
  for await (const { fraction, state, error } of engine.watch(run.id, { signal })) {
    if (state === "failed") throw new Error(error?.message ?? String(fraction));
  }
  try {
    await engine.wait(run.id);
  } catch (error) {
    if (error instanceof RateLimitedError) return [String(error.retryAfter ?? 0)];
    if (error instanceof LitinkError && error.kind === "quota_exhausted") return [error.code];
    throw error;
  }
  // @ts-expect-error there is no such format
  await engine.start(book.id, { options: { formats: ["ogg"] } satisfies AudiobookOptions });
  const files = await engine.exports(run.id);
  return Promise.all(files.map((file) => engine.save(file.id, "out", { signal })));
}
