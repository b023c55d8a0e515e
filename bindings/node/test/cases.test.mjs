import assert from "node:assert/strict";
import test from "node:test";

import { cases, check, outcome } from "./cases.mjs";

const all = await cases();

test("there are cases", () => assert.ok(all.length > 0));

for (const each of all) {
  test(`case ${each.id}`, async () => {
    const first = await outcome(each);
    check(each, first);
    assert.ok(first.exports.length > 0);
    assert.deepEqual(await outcome(each), first);
  });
}
