import { roundHalfEven } from './round.js';

const scratch = new DataView(new ArrayBuffer(4));

/** The binary16 bits of the float32 with these bits, from the definition of the format. */
export function float16FromBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 255 && mantissa !== 0) return sign | 0x7e00 | (mantissa >>> 13);
  scratch.setUint32(0, bits);
  const magnitude = Math.abs(scratch.getFloat32(0));
  if (magnitude >= 65520) return sign | 0x7c00;
  // The number of steps of 2^(e - 10); from 1024 steps on, the exponent field is e + 15.
  const e = Math.max(-14, exponent - 127);
  const steps = roundHalfEven(magnitude / 2 ** (e - 10));
  return sign | ((e + 14) * 1024 + steps);
}

/** The float32 bits of a binary16. */
export function bitsFromFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  const magnitude = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
  scratch.setFloat32(0, magnitude);
  return (sign | scratch.getUint32(0)) >>> 0;
}
