#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { type Command, EXIT, exitOf, helpText, parseInvocation } from './command.js';
import { errorLine } from './error-line.js';

const COMMANDS: Record<string, () => Promise<{ default: Command }>> = {
  recommend: () => import('./recommend.js'),
  tune: () => import('./tune.js'),
  ingest: () => import('./ingest.js'),
  evaluate: () => import('./evaluate.js'),
  compact: () => import('./compact.js'),
  train: () => import('./train.js'),
  history: () => import('./history.js'),
  serve: () => import('./serve.js'),
  monitor: () => import('./monitor.js'),
  audit: () => import('./audit.js'),
};

async function overview(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(COMMANDS).map(
      async ([name, load]) => `  ${name.padEnd(12)}${(await load()).default.summary}`,
    ),
  );
  return [
    'vbo: the right batch size, concurrency and encoding for loading embeddings into a vector database.',
    '',
    'Usage: vbo COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...lines,
    '',
    'vbo COMMAND --help describes one. vbo --version prints the version.',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished with dead letters, 130 interrupted (ledger intact).',
    '',
  ].join('\n');
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

async function main(words: string[]): Promise<number> {
  // `vbo help tune` is `vbo tune --help`.
  const [name, ...rest] =
    words[0] === 'help' && words[1] !== undefined ? [words[1], '--help', ...words.slice(2)] : words;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(await overview());
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version') {
    process.stdout.write(`${version()}\n`);
    return EXIT.done;
  }
  try {
    const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!load) {
      const known = Object.keys(COMMANDS).join(', ');
      throw new VectorBatchError(
        'VBO_ERR_USAGE',
        `Unknown command ${JSON.stringify(name)}; expected one of ${known}. See vbo --help.`,
      );
    }
    const command = (await load()).default;
    const invocation = parseInvocation(name, command, rest);
    if (invocation.help) {
      process.stdout.write(helpText(name, command));
      return EXIT.done;
    }
    return await command.run(invocation);
  } catch (thrown) {
    const error = toVectorBatchError(thrown, 'VBO_ERR_INTERNAL', 'Unexpected failure');
    process.stderr.write(errorLine(error));
    if (error.code === 'VBO_ERR_INTERNAL') process.stderr.write(`${error.stack}\n`);
    if (rest.includes('--json')) process.stdout.write(`${JSON.stringify({ error }, null, 2)}\n`);
    return exitOf(error.code);
  }
}

// A closed pipe (vbo ... | head) is not a failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await main(process.argv.slice(2));
