// API tokens: made over the edge, and texts that have the form of one.
import { createHash, randomBytes } from 'node:crypto';
import { ask, edgeToken } from '../../support/stack.js';

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

export const hashOf = (text) => createHash('sha256').update(text).digest('hex');

/** Makes a token; `token` is the user's or the server's. */
export const makeToken = async (token, scope = {}, options = {}) => {
  const made = await ask('/v1/tokens', { token, json: { name: 'a test', ...scope }, ...options });
  if (made.status !== 201) throw new Error(made.text);
  return made.body;
};

/** What the edge sends upstream for a data API request of the holder. */
export const minted = (made, sub, more = {}, claims = {}) => {
  const { id, systems, endpoints, access } = made;
  return edgeToken({
    iss: 'rowgate',
    role: 'authenticated',
    sub,
    api_token: { id, systems, endpoints, access, ...more },
    ...claims,
  });
};
