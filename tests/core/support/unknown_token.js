// Texts that have the form of API tokens.
import { createHash, randomBytes } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const base62 = (bytes, chars) => {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  for (let n = 0; n < chars; n += 1) {
    text = DIGITS[Number(number % 62n)] + text;
    number /= 62n;
  }
  return text;
};

/** A token that nobody has made, with the right checksum. */
export const unknownToken = () => {
  const random = base62(randomBytes(32), 43);
  return `rgt_${random}_${base62(createHash('sha256').update(random).digest().subarray(0, 4), 6)}`;
};
