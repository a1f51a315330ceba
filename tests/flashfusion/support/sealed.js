// Sealed values through the edge.
import { randomBytes } from 'node:crypto';
import { ask, sql } from '../../support/stack.js';

/** What users' keys are bound to. */
export const KEY_COLUMN = 'flashfusion.user_api_keys.key';

/** A key of OpenAI's form. */
export const openaiKey = () => `sk-proj-${randomBytes(60).toString('base64url').slice(0, 80)}`;

/** Stores a key through an edge. Gives the key and the answer. */
export const addKey = async (who, { key = openaiKey(), ...more } = {}, base = undefined) => {
  const json = { service: 'openai', key, ...more };
  return { key, answer: await ask('/v1/keys', { token: who.token, json, ...(base && { base }) }) };
};

/** What is stored of a key: the sealed text and its version. */
export const sealedKey = async (id) =>
  (await sql('select sealed, key_version::int as version from private.api_key_secrets where key_id = $1', [id]))[0];
