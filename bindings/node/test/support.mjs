import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is gone after the test. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "litink-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Two chapters of two paragraphs: four calls of a provider at most. */
export const BOOK = `The Lamp

Chapter 1

The keeper lit the lamp. It burned all night.

In the morning he put it out.

Chapter 2

A ship came in with the tide. Nobody was on it.

The keeper went down to look.
`;

/** That book as a file in a folder. */
export async function bookFile(dir, text = BOOK) {
  const path = join(dir, "lamp.txt");
  await writeFile(path, text);
  return path;
}

/** A tone of this length: WAV, 16 bit, mono, 8 kHz. Silence would be refused. */
export function wav(ms) {
  const rate = 8_000;
  const bytes = Math.round((rate * ms) / 1_000) * 2;
  const wav = Buffer.alloc(44 + bytes);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + bytes, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(bytes, 40);
  for (let i = 0; i < bytes / 2; i++) {
    wav.writeInt16LE(Math.round(6_000 * Math.sin((2 * Math.PI * 440 * i) / rate)), 44 + i * 2);
  }
  return wav;
}

/** A provider of speech by this function, which counts its calls. */
export function speaker(generate = () => {}, rest = {}) {
  return {
    name: "test",
    capabilities: { speech: { max_input_chars: 400 } },
    calls: [],
    async generate(request, context) {
      this.calls.push({ request, context });
      const reply = await generate(request, context, this.calls.length);
      return reply ?? { kind: "speech", audio: wav(300), mediaType: "audio/wav" };
    },
    ...rest,
  };
}

/** Options that need no program on the machine. */
export const OPTIONS = { provider: "test", formats: ["wav", "vtt"] };
