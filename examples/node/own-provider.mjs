// A provider of speech in JavaScript. This one hums each text for as long as it would take to say;
// a real one calls a vendor in `generate`.
//
//   node examples/node/own-provider.mjs [BOOK] [FOLDER]

import { fileURLToPath } from "node:url";

import { Engine, ProviderError } from "litink";

const RATE = 16_000;

/** @type {import("litink").Provider} */
const hum = {
  name: "hum",
  capabilities: {
    speech: { max_input_chars: 2_000, voices: [{ id: "low", name: "Low" }, { id: "high", name: "High" }] },
    max_concurrency: 4,
  },

  // A vendor is called here: `fetch(url, { signal })`, which ends when the run is cancelled. Say what
  // to do about its failures: `throw new ProviderError({ kind: "rate_limited", retryAfter: 1.5 })`.
  async generate({ input }, { signal }) {
    signal.throwIfAborted();
    if (input.modality !== "speech") throw new ProviderError({ kind: "unsupported" });
    const pitch = input.voice === "high" ? 440 : 220;
    return { kind: "speech", audio: wav(tone(pitch, input.text.length * 0.06)), mediaType: "audio/wav" };
  },
};

/** @param {number} pitch in Hz @param {number} seconds */
function tone(pitch, seconds) {
  const samples = new Int16Array(Math.ceil(seconds * RATE));
  for (let i = 0; i < samples.length; i++) {
    samples[i] = 8_000 * Math.sin((2 * Math.PI * pitch * i) / RATE);
  }
  return samples;
}

/**
 * Samples as a WAV file: 16 bit, mono.
 * @param {Int16Array} samples
 */
function wav(samples) {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer)]);
}

const ours = fileURLToPath(new URL("../books/the-lamplighters-map.txt", import.meta.url));
const [book = ours, out = "audiobooks"] = process.argv.slice(2);

const engine = await Engine.inMemory();
try {
  engine.registerProvider(hum);
  const options = { provider: "hum", voice: "high", formats: ["wav", "srt"] };
  const { files, exports } = await engine.make(book, out, { options });
  for (const [index, file] of files.entries()) {
    console.log(`${file} (${Math.round((exports[index].duration_ms ?? 0) / 1_000)} s)`);
  }
} finally {
  await engine.close();
}
