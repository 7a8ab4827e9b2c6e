import { systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { parseDuration } from '../core/units.js';
import { type Command, EXIT } from './command.js';
import { interruptible } from './interrupt.js';
import { lineText, type Pace, paceOf, RateMemory, screenText } from './monitor-screen.js';
import { type Snapshot, takeSnapshot } from './monitor-snapshot.js';

const DEFAULT_URL = 'http://127.0.0.1:8001';
const DEFAULT_INTERVAL = '1s';
const LEAST_INTERVAL_MS = 100;
const CTRL_C = '\u0003';

/** Another screen of the terminal, which is as it was when we leave. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

const command: Command = {
  summary: 'a live view of a running service',
  usage: 'monitor [--url URL] [--interval 1s]',
  positionals: 0,
  options: [
    {
      name: 'url',
      value: 'URL',
      text: `where the service is (default ${DEFAULT_URL}); VBO_API_KEY has its key`,
    },
    { name: 'interval', value: 'TIME', text: `between two looks (default ${DEFAULT_INTERVAL})` },
  ],
  async run(invocation) {
    const url = checkUrl(invocation.text('url') ?? DEFAULT_URL);
    const interval = parseDuration(invocation.text('interval') ?? DEFAULT_INTERVAL, '--interval');
    const intervalMs = Math.max(LEAST_INTERVAL_MS, interval);
    const credential = process.env.VBO_API_KEY?.trim() || undefined;
    return interruptible(async (signal) => {
      if (invocation.json) {
        const snapshot = await takeSnapshot(url, credential, signal);
        invocation.answer(snapshot, () => '');
        return EXIT.done;
      }
      const look = (until: AbortSignal) => takeSnapshot(url, credential, until);
      if (process.stdout.isTTY === true) await watchOnScreen(url, look, intervalMs, signal);
      else await watchInLines(look, intervalMs, signal);
      return EXIT.done;
    });
  },
};

export default command;

type Look = (signal: AbortSignal) => Promise<Snapshot>;

/** Redraws one screen until `signal`, q or Ctrl-C. A service that does not answer is asked again. */
async function watchOnScreen(
  url: string,
  look: Look,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { stdout, stdin } = process;
  const left = new AbortController();
  const until = AbortSignal.any([signal, left.signal]);
  const onKey = (keys: string) => {
    if (/q/i.test(keys) || keys.includes(CTRL_C)) left.abort();
  };
  const rates = new RateMemory();
  let snapshot: Snapshot | undefined;
  let pace: Pace | undefined;
  let trouble: string | undefined;
  const draw = () => {
    // A terminal that does not know its size says 0.
    const text = screenText(url, snapshot, pace, rates, trouble, stdout.columns || 80);
    const lines = text.split('\n').slice(0, (stdout.rows || 24) - 1);
    stdout.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}\r\n${CLEAR_BELOW}`);
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.setEncoding('utf8').on('data', onKey).resume();
  stdout.on('resize', draw);
  stdout.write(ENTER);
  try {
    while (!until.aborted) {
      try {
        const next = await look(until);
        pace = paceOf(next, snapshot);
        snapshot = next;
        rates.add(next);
        trouble = undefined;
      } catch (error) {
        if (until.aborted) break;
        trouble = toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'The monitor').message;
      }
      draw();
      await systemClock.sleep(intervalMs, until).catch(() => {});
    }
  } finally {
    stdout.write(LEAVE);
    stdout.removeListener('resize', draw);
    stdin.removeListener('data', onKey).pause();
    if (stdin.isTTY) stdin.setRawMode(false);
  }
}

/** One line a look, until `signal`. What goes wrong is a line too, except at the first look. */
async function watchInLines(look: Look, intervalMs: number, signal: AbortSignal): Promise<void> {
  let before: Snapshot | undefined;
  while (!signal.aborted) {
    try {
      const snapshot = await look(signal);
      process.stdout.write(`${lineText(snapshot, paceOf(snapshot, before))}\n`);
      before = snapshot;
    } catch (error) {
      if (signal.aborted) return;
      if (before === undefined) throw error;
      const { message } = toVectorBatchError(error, 'VBO_ERR_INTERNAL', 'The monitor');
      process.stdout.write(`${new Date().toISOString()}  ${message}\n`);
    }
    await systemClock.sleep(intervalMs, signal).catch(() => {});
  }
}

/** @throws VBO_ERR_USAGE */
function checkUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new VectorBatchError(
    'VBO_ERR_USAGE',
    `--url is ${JSON.stringify(text)}; expected one such as ${DEFAULT_URL}.`,
  );
}
