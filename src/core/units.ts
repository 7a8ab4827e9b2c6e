import { describe } from './check.js';
import { VectorBatchError } from './errors.js';

const BYTE_UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6 };

/**
 * Bytes of a text such as `512MB`, `1.5GiB` or `4096`.
 * @throws VBO_ERR_USAGE if it is not of that form.
 */
export function parseBytes(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match && BYTE_UNITS[match[2]!.toUpperCase()];
  if (!match || unit === undefined || unit === null) {
    throw new VectorBatchError(
      'VBO_ERR_USAGE',
      `${name} is ${describe(text)}; expected bytes such as 512MB or 1GiB.`,
    );
  }
  return Math.round(Number(match[1]) * unit);
}

/**
 * Milliseconds of a text such as `30s`, `250ms` or `5m`.
 * @throws VBO_ERR_USAGE if it is not of that form.
 */
export function parseDuration(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (!match) {
    throw new VectorBatchError(
      'VBO_ERR_USAGE',
      `${name} is ${describe(text)}; expected a duration such as 30s or 250ms.`,
    );
  }
  return Number(match[1]) * DURATION_UNITS[match[2]!]!;
}

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1536000` -> `1.54 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What rounds up to a thousand is one of the next unit.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${SIZES[unit]}`;
}

/** 1 up to a thousand. In whole numbers: `toPrecision` takes many times as long. */
function threeDigits(value: number): string {
  if (value >= 99.95) return String(Math.round(value));
  if (value >= 9.995) return formatTenths(value);
  const hundredths = Math.round(100 * value);
  const rest = hundredths % 100;
  return `${(hundredths - rest) / 100}.${rest < 10 ? '0' : ''}${rest}`;
}

/** `2.44` -> `2.4`. */
export function formatTenths(value: number): string {
  const tenths = Math.round(10 * value);
  const rest = tenths % 10;
  return `${(tenths - rest) / 10}.${rest}`;
}

/** `125000` -> `125,000`. By hand: Intl takes many times as long, and a recommendation has half a dozen of these. */
export function formatCount(count: number): string {
  const rounded = Math.round(count);
  if (!(Math.abs(rounded) < 1e15)) return rounded.toLocaleString('en-US');
  const digits = String(Math.abs(rounded));
  let text = digits.slice(-3);
  for (let end = digits.length - 3; end > 0; end -= 3) {
    text = `${digits.slice(Math.max(0, end - 3), end)},${text}`;
  }
  return rounded < 0 ? `-${text}` : text;
}

/** `83500` -> `1 min 24 s`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  if (ms < 1000) return `${ms.toPrecision(3)} ms`;
  if (ms < 59_950) return `${formatTenths(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
