import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type ErrorCode, VectorBatchError } from '../core/errors.js';

export const EXIT = { done: 0, failed: 1, usage: 2, deadLetters: 3, interrupted: 130 } as const;

const USAGE_CODES: readonly ErrorCode[] = ['VBO_ERR_USAGE', 'VBO_ERR_ARGUMENT', 'VBO_ERR_URL'];

/** How a command that failed with this code exits. */
export function exitOf(code: ErrorCode): number {
  if (code === 'VBO_ERR_ABORTED') return EXIT.interrupted;
  return USAGE_CODES.includes(code) ? EXIT.usage : EXIT.failed;
}

export interface OptionHelp {
  name: string;
  /** The value's placeholder; absent for a flag. */
  value?: string;
  /** Takes every word up to the next option: `--train a.jsonl b.jsonl`. */
  many?: boolean;
  text: string;
}

/** What a command's code gets: parsed words and the two streams. */
export interface Invocation {
  /** The command's usage line, for messages. */
  usage: string;
  positionals: string[];
  /** The option's text, or undefined where it was not given. */
  text(name: string): string | undefined;
  /** The words of an option that takes many. */
  list(name: string): readonly string[];
  flag(name: string): boolean;
  json: boolean;
  /** Prints the command's answer: `document` as one JSON document under --json, else `text`. */
  answer(document: unknown, text: () => string): void;
}

export interface Command {
  summary: string;
  /** The line after `vbo`, for instance `recommend --items N --dim D`. */
  usage: string;
  /** How many words besides options it takes. */
  positionals: number | { readonly min: number };
  /** What the words and options mean that the usage line does not say. */
  note?: string;
  options: OptionHelp[];
  /** Returns the exit code. */
  run(invocation: Invocation): Promise<number>;
}

const COMMON: OptionHelp[] = [
  { name: 'json', text: 'print one JSON document on stdout and nothing else there' },
  { name: 'help', text: 'print this help (also -h)' },
];

export function helpText(name: string, command: Command): string {
  const rows = [...command.options, ...COMMON].map(
    (option) => [`--${option.name}${option.value ? ` ${option.value}` : ''}`, option.text] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
  const note = command.note ? `\n\n${command.note}` : '';
  return `vbo ${name}: ${command.summary}\n\nUsage: vbo ${command.usage}${note}\n\nOptions:\n${lines.join('\n')}\n`;
}

/**
 * Parses the words after the command's name.
 * @throws VBO_ERR_USAGE on an unknown option, a missing value or a wrong number of words.
 */
export function parseInvocation(
  name: string,
  command: Command,
  words: string[],
): Invocation & { help: boolean } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const option of [...command.options, ...COMMON]) {
    options[option.name] = { type: option.value ? 'string' : 'boolean', multiple: option.many === true };
  }
  options.help!.short = 'h';
  const many = new Set(command.options.filter((option) => option.many).map((option) => `--${option.name}`));
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: spread(words, many), options, allowPositionals: true, strict: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('. ')[0]! : String(cause);
    throw new VectorBatchError('VBO_ERR_USAGE', `${reason.replace(/\.$/, '')}. See vbo ${name} --help.`, {
      cause,
    });
  }
  const { values, positionals } = parsed;
  const help = values.help === true;
  const wanted = command.positionals;
  const isEnough =
    typeof wanted === 'number' ? positionals.length === wanted : positionals.length >= wanted.min;
  if (!help && !isEnough) {
    const count = typeof wanted === 'number' ? wanted : `at least ${wanted.min}`;
    throw new VectorBatchError(
      'VBO_ERR_USAGE',
      `vbo ${name} takes ${count} argument(s), ${positionals.length} given. Usage: vbo ${command.usage}`,
    );
  }
  const json = values.json === true;
  return {
    help,
    usage: command.usage,
    positionals,
    json,
    text: (option) => values[option] as string | undefined,
    list: (option) => (values[option] as string[] | undefined) ?? [],
    flag: (option) => values[option] === true,
    answer: (document, text) => {
      process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${text().trimEnd()}\n`);
    },
  };
}

/** Gives each word after an option that takes many its option: `--train a b` becomes `--train=a --train=b`. */
function spread(words: readonly string[], many: ReadonlySet<string>): string[] {
  let option: string | undefined;
  return words.flatMap((word) => {
    if (word.startsWith('-')) option = many.has(word) ? word : undefined;
    else if (option) return `${option}=${word}`;
    return many.has(word) ? [] : word;
  });
}

/**
 * The option's value as a number.
 * @throws VBO_ERR_USAGE if it is missing and there is no `fallback`, or is not a number.
 */
export function numberOption(invocation: Invocation, name: string, fallback?: number): number {
  const text = invocation.text(name);
  if (text === undefined) {
    if (fallback !== undefined) return fallback;
    throw missing(invocation, name);
  }
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) {
    throw new VectorBatchError('VBO_ERR_USAGE', `--${name} is ${JSON.stringify(text)}; expected a number.`);
  }
  return value;
}

/** @throws VBO_ERR_USAGE if the option was not given. */
export function requiredText(invocation: Invocation, name: string): string {
  const text = invocation.text(name);
  if (text === undefined) throw missing(invocation, name);
  return text;
}

const missing = ({ usage }: Invocation, name: string): VectorBatchError =>
  new VectorBatchError('VBO_ERR_USAGE', `--${name} is missing. Usage: vbo ${usage}`);
