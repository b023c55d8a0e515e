/**
 * litink turns books into media.
 *
 * What is named here is camelCase; data (books, runs, progress, options, requests) is the engine's
 * JSON as it is, snake_case: the same over HTTP, in Rust and in Python.
 *
 * @packageDocumentation
 */
export type { Abortable } from "./abort.js";
export type * from "./data.js";
export { Engine } from "./engine.js";
export type {
  Made,
  MakeOptions,
  OpenOptions,
  PageOptions,
  RunOptions,
  StartOptions,
} from "./engine.js";
export {
  CancelledError,
  ConfigurationError,
  ConflictError,
  CorruptError,
  ERROR_CLASSES,
  InternalError,
  InvalidInputError,
  LimitExceededError,
  LitinkError,
  NotFoundError,
  PermissionDeniedError,
  ProviderError,
  QuotaExhaustedError,
  RateLimitedError,
  StorageFullError,
  TimeoutError,
  UnauthenticatedError,
  UnavailableError,
  UnsupportedError,
} from "./errors.js";
export type { Charge, ErrorDetails, ErrorKind, Retry } from "./errors.js";
export type {
  CallContext,
  Capabilities,
  EmbeddingInput,
  EmbeddingReply,
  ImageInput,
  ImageReply,
  Input,
  MediaRef,
  Operation,
  PendingReply,
  Provider,
  ProviderInfo,
  Reply,
  ReplyDetails,
  Request,
  SoundInput,
  SoundReply,
  SpeechInput,
  SpeechMark,
  SpeechReply,
  TextInput,
  TextReply,
  TranscriptionInput,
  TranscriptionReply,
  Usage,
  VideoInput,
  VideoReply,
  Voice,
} from "./provider.js";
