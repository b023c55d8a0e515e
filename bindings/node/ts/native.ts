// What the native part looks like to the facade, as @napi-rs/cli generates it from the Rust side.

import { createRequire } from "node:module";

import type * as Native from "../native.js";

/** The native part's engine. */
export type NativeEngine = Native.NativeEngine;

/** The bytes of a finished file. */
export type NativeReader = Native.NativeReader;

export const { openEngine, errorKinds }: typeof Native = createRequire(import.meta.url)("../native.js");
