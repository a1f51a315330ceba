// What the kinds of requests share.
import { randomBytes } from 'node:crypto';

/** The group of requests whose answers wait for the next step of `answer_step_ms`: their times are those of the steps. */
export const IN_STEPS = 'answers in steps of time';

export const pick = (list) => list[Math.floor(Math.random() * list.length)];

let addresses = 0;
/** The header with an address from which nobody has called yet, as visitors have. */
export const visitor = () => {
  addresses += 1;
  return { 'cf-connecting-ip': `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}` };
};

/** An id as browsers make them for events. */
export const uuidv7 = () => {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

const WORDS = 'build test error file_102.rs getUserById user_id connection pool retry cache token why fix panic'.split(
  ' ',
);
/** So many words. */
export const prose = (count) => Array.from({ length: count }, () => pick(WORDS)).join(' ');

/** A read of the data API. */
export const rows = (schema, path, token, more = {}) => ({
  ...{ path: `/rest/v1/${path}`, token },
  ...more,
  headers: { 'accept-profile': schema, ...more.headers },
});

/** A write of the data API. */
export const write = (schema, method, path, token, json, more = {}) => ({
  ...{ method, path: `/rest/v1/${path}`, token, json },
  ...more,
  headers: { 'content-profile': schema, prefer: 'return=representation', ...more.headers },
});
