// What a request says: a body of JSON, an address, a password, each refused as Supabase Auth refuses it.
import { refuse } from './errors.js';

const MAX_BODY_BYTES = 64 * 1024;

/** bcrypt takes no more of a password. */
export const MAX_PASSWORD_BYTES = 72;
const MIN_PASSWORD_BYTES = 6;

const MAX_EMAIL_CHARACTERS = 255;
const EMAIL = /^[\w.!#$%&'*+/=?^`{|}~-]+@[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?)*$/i;

/** The kinds of the members that requests have; others are left alone. */
const KINDS = {
  email: 'string',
  phone: 'string',
  password: 'string',
  refresh_token: 'string',
  type: 'string',
  token: 'string',
  token_hash: 'string',
  code_challenge: 'string',
  data: 'object',
  app_metadata: 'object',
};

const kindOf = (value) => (Array.isArray(value) ? 'array' : typeof value);

const badJson = (why) => refuse(400, 'bad_json', `Could not parse request body as JSON: ${why}`);

const bytesOf = async (request) => {
  const pieces = [];
  let size = 0;
  // Not destroyed: the answer still has to go out.
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    size += piece.length;
    if (size > MAX_BODY_BYTES) {
      request.resume();
      refuse(413, 'validation_failed', `The body has more than ${MAX_BODY_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
};

/** Levels of objects and lists in a body. */
const MAX_DEPTH = 32;

/** Refuses what PostgreSQL stores in no text: U+0000 and halves of characters. */
const checkTexts = (value, depth = 0) => {
  if (depth > MAX_DEPTH) refuse(400, 'validation_failed', `The body is nested more than ${MAX_DEPTH} levels deep`);
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) {
    refuse(400, 'validation_failed', 'No text may have the character U+0000 or half of a surrogate pair');
  }
  if (value === null || typeof value !== 'object') return;
  for (const part of Object.entries(value).flat()) checkTexts(part, depth + 1);
};

/** The members of a body. Only a page of an origin that is let in can send application/json to another origin. */
export const bodyOf = async (request) => {
  const [type] = (request.headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/json') {
    refuse(415, 'bad_json', 'Send the body as JSON, with Content-Type: application/json');
  }
  const bytes = await bytesOf(request);
  let body;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    badJson('it is not JSON in UTF-8');
  }
  if (kindOf(body) !== 'object' || body === null) badJson('it is not an object');
  // A member of the prototype's is no member of the body's.
  const members = Object.assign(Object.create(null), body);
  for (const [name, kind] of Object.entries(KINDS)) {
    if (members[name] === null) delete members[name];
    else if (name in members && kindOf(members[name]) !== kind) badJson(`${name} is no ${kind}`);
  }
  checkTexts(body);
  return members;
};

/** An address in the spelling in which accounts have it. */
export const emailOf = (text) => {
  if (!text) refuse(400, 'validation_failed', 'An email address is required');
  if (text.length > MAX_EMAIL_CHARACTERS) refuse(400, 'validation_failed', 'An email address is too long');
  if (!EMAIL.test(text)) refuse(400, 'validation_failed', 'Unable to validate email address: invalid format');
  return text.toLowerCase();
};

/** A password that somebody chooses. */
export const newPasswordOf = (password) => {
  const bytes = Buffer.byteLength(password);
  if (bytes > MAX_PASSWORD_BYTES) {
    refuse(400, 'validation_failed', `Password cannot be longer than ${MAX_PASSWORD_BYTES} characters`);
  }
  if (bytes < MIN_PASSWORD_BYTES) {
    const reasons = { weak_password: { reasons: ['length'] } };
    refuse(422, 'weak_password', `Password should be at least ${MIN_PASSWORD_BYTES} characters.`, reasons);
  }
  return password;
};
