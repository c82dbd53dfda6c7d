import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** Forty lower-case hex digits: the name of a stream in keys, logs and routes. */
export type StreamId = string & { readonly __brand: 'StreamId' };
/** `<hostname>:<pid>:<nonce>`: the value of an owner lock. */
export type WorkerId = string & { readonly __brand: 'WorkerId' };
/** Random name of one player connection. */
export type ClientId = string & { readonly __brand: 'ClientId' };

/** How the engine is asked for the content; `id` is a hex whose kind nobody told us. */
export const KEY_TYPES = ['id', 'content_id', 'infohash'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export function isKeyType(text: string | undefined): text is KeyType {
  return (KEY_TYPES as readonly (string | undefined)[]).includes(text);
}

const HEX40 = /^[0-9a-f]{40}$/;
const CLIENT_ID = /^[0-9a-f]{24}$/;

/** The id in lower case, or `null` when it is not forty hex digits (engine-api 12). */
export function parseStreamId(text: string): StreamId | null {
  const lower = text.toLowerCase();
  return HEX40.test(lower) ? (lower as StreamId) : null;
}

/** The id in a path or an argument, or `null` when no client can be called so. */
export function parseClientId(text: string): ClientId | null {
  return CLIENT_ID.test(text) ? (text as ClientId) : null;
}

export function newWorkerId(pid: number): WorkerId {
  return `${hostname()}:${String(pid)}:${randomBytes(4).toString('hex')}` as WorkerId;
}

export function newClientId(): ClientId {
  return randomBytes(12).toString('hex') as ClientId;
}
