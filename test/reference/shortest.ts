const bits = new DataView(new ArrayBuffer(4));

/** The positive finite float32 with these bits as mantissa * 2^exponent. */
function decompose(pattern: number): { mantissa: bigint; exponent: number } {
  const field = pattern >>> 23;
  const fraction = BigInt(pattern & 0x7fffff);
  return field === 0
    ? { mantissa: fraction, exponent: -149 }
    : { mantissa: fraction + (1n << 23n), exponent: field - 150 };
}

const patternOf = (x: number): number => {
  bits.setFloat32(0, x);
  return bits.getUint32(0);
};

/** Every JSON number that is digits * 10^exponent, `digits` without a zero at its end: plain, and with an exponent. */
function forms(digits: string, exponent: number): string[] {
  const plain =
    exponent >= 0
      ? digits + '0'.repeat(exponent)
      : -exponent < digits.length
        ? `${digits.slice(0, exponent)}.${digits.slice(exponent)}`
        : `0.${digits.padStart(-exponent, '0')}`;
  const scientific = Array.from({ length: digits.length }, (_, k) => {
    const point = k + 1 < digits.length ? `${digits.slice(0, k + 1)}.${digits.slice(k + 1)}` : digits;
    return `${point}e${exponent + digits.length - k - 1}`;
  });
  return [plain, ...scientific];
}

/**
 * The decimals of fewest digits that read back to a positive finite float32, of these the nearest (two if it is a tie).
 * From the definition: what lies between the midpoints to the two neighbours reads back, and the midpoints too if the
 * mantissa is even. All in exact integers.
 */
function shortestDecimals(x: number): { digits: bigint; exponent: number }[] {
  const pattern = patternOf(x);
  const { mantissa, exponent } = decompose(pattern);
  const below = pattern === 0 ? undefined : decompose(pattern - 1);
  // In units of 2^(exponent - 2): the value, and the midpoints.
  const unit = exponent - 2;
  const value = 4n * mantissa;
  const lower = (value + (below!.mantissa << BigInt(below!.exponent - unit))) / 2n;
  const upper = value + 2n;
  const closed = mantissa % 2n === 0n;
  for (let power = 39; ; power--) {
    // digits * 10^power against bounds * 2^unit, both sides made whole.
    const scale = (10n ** BigInt(Math.max(power, 0))) << BigInt(Math.max(-unit, 0));
    const measure = (bound: bigint) =>
      (bound << BigInt(Math.max(unit, 0))) * 10n ** BigInt(Math.max(-power, 0));
    const [low, high, middle] = [measure(lower), measure(upper), measure(value)];
    const found: { digits: bigint; exponent: number }[] = [];
    for (let digits = low / scale; digits * scale <= high; digits++) {
      const at = digits * scale;
      if (digits > 0n && (closed ? at >= low && at <= high : at > low && at < high)) {
        found.push({ digits, exponent: power });
      }
    }
    const distance = (digits: bigint) => {
      const difference = digits * scale - middle;
      return difference < 0n ? -difference : difference;
    };
    // One float32 has a shortest decimal that a reader by way of a float64 takes for the neighbour's.
    const safe = found.filter((d) => Math.fround(Number(`${d.digits}e${d.exponent}`)) === x);
    if (safe.length === 0) continue;
    return safe.filter((d) => safe.every((other) => distance(d.digits) <= distance(other.digits)));
  }
}

/** The shortest JSON texts of a finite float32: of its nearest shortest decimals, any form of least length. */
export function shortestTexts(x: number): string[] {
  const sign = Object.is(x, -0) || x < 0 ? '-' : '';
  if (x === 0) return [`${sign}0`];
  const texts = shortestDecimals(Math.abs(x)).flatMap(({ digits, exponent }) => {
    const significant = digits.toString().replace(/0+$/, '');
    return forms(significant, exponent + digits.toString().length - significant.length);
  });
  const length = Math.min(...texts.map((text) => text.length));
  return texts.filter((text) => text.length === length).map((text) => sign + text);
}

/**
 * The length of the shortest text by way of JavaScript's own digits, for millions of values: the least precision of
 * `toPrecision` that reads back. At a power of two, whose interval is uneven, it can be one digit too long.
 */
export function shortLength(x: number): number {
  if (x === 0) return Object.is(x, -0) ? 2 : 1;
  const magnitude = Math.abs(x);
  let precision = 1;
  while (Math.fround(Number(magnitude.toPrecision(precision))) !== magnitude) precision++;
  const [mantissa, power] = magnitude.toExponential(precision - 1).split('e') as [string, string];
  const texts = forms(mantissa.replace('.', ''), Number(power) - precision + 1);
  return Math.min(...texts.map((text) => text.length)) + (x < 0 ? 1 : 0);
}
