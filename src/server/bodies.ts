import { Decoder } from '@msgpack/msgpack';
import parseJson from 'secure-json-parse';
import { HttpError } from './http-error.js';
import { checkMessagePack } from './msgpack-guard.js';

/** Objects in objects: no body of this service needs half of it. */
export const MAX_DEPTH = 32;

/**
 * A body of JSON. Keys that would reach a prototype are refused.
 * @throws HttpError 400
 */
export function decodeJson(text: string): unknown {
  checkDepth(text);
  try {
    return parseJson(text, null, { protoAction: 'error', constructorAction: 'error' });
  } catch (error) {
    throw new HttpError('VBO_HTTP_BAD_REQUEST', `The body is not JSON: ${(error as Error).message}.`);
  }
}

const decoder = new Decoder({ mapKeyConverter: checkKey });

/**
 * A body of MessagePack; see {@link checkMessagePack} for what is refused before anything is allocated.
 * @throws HttpError 400
 */
export function decodeMessagePack(bytes: Uint8Array): unknown {
  try {
    checkMessagePack(bytes, MAX_DEPTH);
    return decoder.decode(bytes);
  } catch (error) {
    throw new HttpError('VBO_HTTP_BAD_REQUEST', `The body is not MessagePack: ${(error as Error).message}.`);
  }
}

function checkKey(key: unknown): string {
  if (typeof key !== 'string') throw new TypeError(`a key is of type ${typeof key}; expected text`);
  if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
    throw new TypeError(`the key ${key} is not allowed`);
  }
  return key;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Are there so few opening brackets that no nesting of them is too deep? So it is with nearly every body. */
function hasFewBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let i = text.indexOf(bracket); i >= 0; i = text.indexOf(bracket, i + 1)) {
      if (++count > MAX_DEPTH) return false;
    }
  }
  return true;
}

/** Counts brackets outside of strings: the parser itself would take a million of them. */
function checkDepth(text: string): void {
  if (hasFewBrackets(text)) return;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      for (i++; i < text.length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === BACKSLASH) i++;
        else if (inner === QUOTE) break;
      }
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) {
        throw new HttpError('VBO_HTTP_BAD_REQUEST', `The body is nested deeper than ${MAX_DEPTH} levels.`);
      }
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
