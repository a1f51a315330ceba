// Passwords as bcrypt keeps them, which is also how Supabase Auth stores them.
import { randomUUID } from 'node:crypto';
import bcrypt from 'bcryptjs';
import { MAX_PASSWORD_BYTES } from './input.js';

const COST = 10;

/** Of no password: what a password is compared with where there is no account, so that this takes as long. Made before it is needed. */
let nobodys;
export const prepare = () => {
  nobodys ??= bcrypt.hash(randomUUID(), COST);
  return nobodys;
};

export const hashOf = (password) => bcrypt.hash(password, COST);

/**
 * Whether a password is that of a hash.
 * @param {string} password
 * @param {string | undefined} hash nothing where there is no account
 */
export const isPassword = async (password, hash) => {
  const same = await bcrypt.compare(password, hash ?? (await prepare()));
  // bcrypt would take a longer one for its first bytes.
  return same && hash !== undefined && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES;
};
