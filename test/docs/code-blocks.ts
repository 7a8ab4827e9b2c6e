import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** The code blocks of a page of the documentation, by language, in order. */
export function codeBlocks(page: string, language: string): string[] {
  const text = readFileSync(resolve(ROOT, page), 'utf8');
  const blocks = text.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...blocks].flatMap(([, found, code]) => (found === language ? [code!] : []));
}
