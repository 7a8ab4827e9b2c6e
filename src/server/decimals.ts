/** 0 to 999: as they are, in three digits, and as thousandths. */
const WHOLE = Array.from({ length: 1000 }, (_, n) => String(n));
const THREE_DIGITS = WHOLE.map((digits) => digits.padStart(3, '0'));
const FRACTION = THREE_DIGITS.map((digits) => `.${digits}`);

/**
 * A number's JSON, positive ones from a thousandth to a million to at least seven digits: put together from texts that are
 * there, in a fraction of the time in which V8 finds the shortest digits that tell a double from every other.
 */
export function decimalText(value: number): string {
  if (value >= 1 && value < 999_999) {
    if (value === Math.floor(value)) return wholeText(value);
    if (value >= 1000) {
      const thousandths = Math.round(1e3 * value);
      const whole = Math.floor(thousandths / 1e3);
      return wholeText(whole) + FRACTION[thousandths - 1e3 * whole]!;
    }
    const millionths = Math.round(1e6 * value);
    const whole = Math.floor(millionths / 1e6);
    return wholeText(whole) + fractionText(millionths - 1e6 * whole);
  }
  if (value >= 1e-3 && value < 0.999) {
    const billionths = Math.round(1e9 * value);
    const millionths = Math.floor(billionths / 1e3);
    return `0${fractionText(millionths)}${THREE_DIGITS[billionths - 1e3 * millionths]!}`;
  }
  return String(value);
}

function wholeText(value: number): string {
  if (value < 1000) return WHOLE[value]!;
  const thousands = Math.floor(value / 1000);
  return WHOLE[thousands]! + THREE_DIGITS[value - 1000 * thousands]!;
}

function fractionText(millionths: number): string {
  const thousandths = Math.floor(millionths / 1000);
  return FRACTION[thousandths]! + THREE_DIGITS[millionths - 1000 * thousandths]!;
}
