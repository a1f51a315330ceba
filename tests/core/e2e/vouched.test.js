// What the edge vouches for travels in its own token: past the edge and by the data API nobody else calls what depends on it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { exposed } from '../../../proof/catalog.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { ask, close, edgeToken, freshEmail, has, made, sql, stack, userToken } from '../../support/stack.js';
import { claiming, FORGED } from '../../support/vouched.js';

after(close);

test('past the edge and by the data API nobody calls what the edge vouches for', async () => {
  const functions = Object.assign({}, ...Object.values(SYSTEMS).map((system) => system.functions));
  const vouched = (await exposed(sql)).functions.filter(({ name }) => functions[name].depends);
  assert.ok(vouched.length >= (has('growth') && has('clixen') ? 7 : 1));
  const fixtures = new Proxy({}, { get: () => ({ id: randomUUID(), email: freshEmail() }) });
  const callers = {
    'the publishable key': { base: `${stack.edge_url}/rest/v1`, key: made.publishable_key },
    'the token of a request without a user': { token: await edgeToken({ role: 'anon', edge: FORGED }) },
    'an anon key of the issuer’s': { token: await userToken(undefined, { role: 'anon', claims: { edge: FORGED } }) },
    'a user, through the edge': { base: `${stack.edge_url}/rest/v1`, token: await claiming() },
    'a user': { token: await claiming() },
    service_role: { token: stack.service_key },
  };
  for (const { name, schema, function: called, arguments: names } of vouched) {
    for (const [who, { base = stack.postgrest_url, ...credentials }] of Object.entries(callers)) {
      const word = `call-${randomUUID()}`;
      const given = functions[name].arguments?.(word, fixtures) ?? {};
      // PostgREST looks for the function that has just these arguments.
      const json = Object.fromEntries(names.map((each) => [each, given[each] ?? word]));
      const answer = await ask(`/rpc/${called}`, {
        base,
        ...credentials,
        json,
        headers: { 'content-profile': schema },
      });
      // The data API does not serve the schema of the core.
      const wanted = schema === 'edge' && base !== stack.postgrest_url ? [406, 'PGRST106'] : [403, '42501'];
      assert.deepEqual([answer.status, answer.body.code], wanted, `${name}, ${who}: ${answer.text}`);
    }
  }
});
