// An audiobook in a dozen lines: no key, no network, no server.
//
//   node examples/node/quickstart.mjs [BOOK] [FOLDER]

import { fileURLToPath } from "node:url";

import { Engine } from "litink";

const ours = fileURLToPath(new URL("../books/the-lamplighters-map.epub", import.meta.url));
const [book = ours, out = "audiobooks"] = process.argv.slice(2);

const engine = await Engine.open("litink-data");
try {
  const made = await engine.make(book, out, {
    options: { formats: ["wav", "vtt"] },
    onProgress: ({ fraction }) => console.error(`${Math.round(fraction * 100)} %`),
  });
  console.log(`${made.book.title}: ${made.book.chapter_count} chapters`);
  for (const file of made.files) console.log(file);
} finally {
  await engine.close();
}
