// Keys for the tests of the database: what the edge sends after it has sealed one. The sealed texts here are none that anybody opens.
import { randomBytes, randomUUID } from 'node:crypto';
import { as, onBehalf, sql } from '../../support/stack.js';

/** A text of the form of a sealed one. */
export const sealedText = () =>
  `v1${[12, 48, 12, 60].map((bytes) => `.${randomBytes(bytes).toString('base64url')}`).join('')}`;

/** A user, as the edge speaks for them. */
export const user = (sub = randomUUID(), headers = {}) => ({ role: 'authenticated', claims: { sub }, headers });

/** One statement as a request of somebody's own. Gives the rows. */
export const run = (who, text, values) => as(who, (query) => query(text, values));

/** Calls a function with named arguments, as somebody. Gives its result. */
export const call = async (who, name, given) => {
  const names = Object.keys(given);
  const [row] = await run(
    who,
    `select ${name}(${names.map((argument, n) => `"${argument}" => $${n + 1}`).join(', ')}) as result`,
    Object.values(given),
  );
  return row.result;
};

const seen = () => ({
  key_id: randomUUID(),
  sealed: sealedText(),
  key_version: 1,
  fingerprint: randomBytes(32).toString('hex'),
  prefix: 'sk-',
  last_four: 'wxyz',
});

/** What the edge sends for a key of a user's. */
export const keyOf = (who, more = {}) => ({
  service: 'openai',
  owner_id: who.claims.sub,
  ...seen(),
  hint: 'openai',
  ...more,
});

/** Adds a key. Gives its row. */
export const addKey = (who, more) => call(onBehalf(who), 'flashfusion.add_key', keyOf(who, more));

/** Makes the successor of a key. Gives its row. */
export const rotateKey = (who, replaces, more = {}) =>
  call(onBehalf(who), 'flashfusion.rotate_key', {
    replaces,
    owner_id: who.claims.sub,
    ...seen(),
    hint: 'openai',
    ...more,
  });

export const confirmKey = (who, id) => call(who, 'flashfusion.confirm_key', { id });
export const revokeKey = (who, id) => call(who, 'flashfusion.revoke_key', { id });

/** A key's row, as the owner of the database sees it. */
export const keyRow = async (id) =>
  (await sql('select to_jsonb(k) as row from flashfusion.user_api_keys as k where id = $1', [id]))[0]?.row;

/** Whether the sealed text of a key is there. */
export const hasSecret = async (id) =>
  (await sql('select 1 from private.api_key_secrets where key_id = $1', [id])).length === 1;

/** Checks that an error is a refusal of the database's with a code and a status. */
export const refusal = (code, status) => (error) => {
  if (error.code !== 'PGRST') throw error;
  const found = [JSON.parse(error.message).code, JSON.parse(error.detail).status];
  if (found[0] !== code || found[1] !== status)
    throw new Error(`${found} in place of ${code} ${status}`, { cause: error });
  return true;
};
