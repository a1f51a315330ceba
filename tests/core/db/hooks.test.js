// Functions that systems register: what may be registered, who is asked, and what becomes of the answers.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';

after(close);

const refusal = (query, text, values) =>
  query('savepoint before').then(() =>
    query(text, values).then(
      () => assert.fail('it was accepted'),
      async (error) => {
        await query('rollback to before');
        return error;
      },
    ),
  );

const HOOK = (name, body) => `
  create function private.${name}(person jsonb) returns jsonb language plpgsql set search_path = '' as $$ begin ${body} end $$;
  revoke execute on function private.${name}(jsonb) from public`;

const register = (event, name, system = 'hooks_test') => [
  'insert into private.hooks (system, event, function) values ($1, $2, $3)',
  [system, event, `private.${name}`],
];

/** What is no function of a hook, and why. */
const UNFIT = {
  'a function that is not there': 'select 1',
  'a function that somebody may execute': `${HOOK('unfit', 'return null;')};
    grant execute on function private.unfit(jsonb) to authenticated`,
  'a function that everybody may execute': `create function private.unfit(person jsonb) returns jsonb language sql as 'select person';
    grant execute on function private.unfit(jsonb) to public`,
  'a function of another owner': `create role hooks_test; ${HOOK('unfit', 'return null;')};
    alter function private.unfit(jsonb) owner to hooks_test`,
  'a function of other arguments': `create function private.unfit(person text) returns jsonb language sql as 'select null::jsonb';
    revoke execute on function private.unfit(text) from public`,
  'a function of another result': `create function private.unfit(person jsonb) returns text language sql as 'select null';
    revoke execute on function private.unfit(jsonb) from public`,
};

for (const [what, made] of Object.entries(UNFIT)) {
  test(`${what} is no hook`, () =>
    transaction(async (query) => {
      await query(made);
      const error = await refusal(query, ...register('person_export', 'unfit'));
      assert.equal(error.code, '42883');
      assert.match(error.message, /private\.unfit\(jsonb\) is no function of a hook/);
    }));
}

test('a hook whose function has changed hands since ends the request: nothing is left out silently', () =>
  transaction(async (query) => {
    await query(HOOK('changed', "return '{}';"));
    await query(...register('person_erase', 'changed'));
    await query('grant execute on function private.changed(jsonb) to authenticated');
    const error = await refusal(query, `select edge.erase_person('a@hooks.example')`);
    assert.match(error.message, /private\.changed\(jsonb\) is no function of a hook/);
  }));

test('an export and an erasure ask every system, and unite what they answer', () =>
  transaction(async (query) => {
    const user = randomUUID();
    await query(HOOK('hook_addresses', `return jsonb_build_array('Other@hooks.example');`));
    await query(
      HOOK('hook_users', `return case when person -> 'emails' ? 'Other@hooks.example' then '["${user}"]'::jsonb end;`),
    );
    await query(
      HOOK(
        'hook_found',
        `return jsonb_build_object('keys', person -> 'users', 'unproven', '{"cards": ["1"]}'::jsonb);`,
      ),
    );
    await query(
      HOOK(
        'hook_export',
        `return jsonb_build_object('hooks_test.rows', person #> '{systems,hooks_test,keys}', 'left_off', '{"hooks_test.rows": 3}'::jsonb);`,
      ),
    );
    await query(HOOK('hook_kept', `return '{"hooks_test.kept": 2}'::jsonb;`));
    await query(
      HOOK(
        'hook_erase',
        `return jsonb_build_object('hooks_test.rows', jsonb_array_length(person -> 'users'), 'left', '{"hooks_test.rows": 4}'::jsonb);`,
      ),
    );
    for (const name of ['addresses', 'users', 'found', 'export', 'kept', 'erase'])
      await query(...register(`person_${name}`, `hook_${name}`));
    await query(HOOK('other_found', `return '{"unproven": {"cards": ["2"]}}'::jsonb;`));
    await query(...register('person_found', 'other_found', 'other'));

    const [{ answer: bundle }] = await query(`select edge.export_person(' One@Hooks.example ') as answer`);
    assert.equal(bundle.email, 'one@hooks.example');
    assert.deepEqual(bundle['hooks_test.rows'], [user]);
    assert.deepEqual(bundle.unproven.cards.sort(), ['1', '2']);
    assert.deepEqual([bundle.mentions, bundle.left_off], [{}, { 'hooks_test.rows': 3 }]);
    const [{ answer: receipt }] = await query(`select edge.erase_person('one@hooks.example') as answer`);
    assert.equal(receipt.erased['hooks_test.rows'], 1);
    assert.equal(receipt.kept['hooks_test.kept'], 2);
    assert.deepEqual([receipt.left, receipt.erased.left], [{ 'hooks_test.rows': 4 }, undefined]);
  }));

test('an erased account is erased in every system, its stored answers too, and its token makes nothing', () =>
  transaction(async (query) => {
    const id = randomUUID();
    await query(HOOK('hook_erased', "return jsonb_build_object('was', person);"));
    await query(...register('account_erased', 'hook_erased'));
    await query(
      `insert into private.idempotency_keys (operation, caller, key, request_hash, expires_at) values ('x', $1, 'k', '', now() + interval '1 hour')`,
      [id],
    );
    const [{ answer }] = await query('select private.erase_account($1) as answer', [id]);
    assert.deepEqual(answer.hooks_test, { was: { id } });
    assert.deepEqual(await query('select from private.idempotency_keys where caller = $1', [id]), []);
    const error = await refusal(query, 'select private.refuse_erased($1)', [id]);
    assert.equal(JSON.parse(error.message).code, 'RG521');
  }));

test('only admins and service_role export and erase', async () => {
  const call = (name, role, claims) =>
    as({ role, claims }, (query) => query(`select edge.${name}($1) as answer`, [`${randomUUID()}@hooks.example`]));
  for (const name of ['export_person', 'erase_person']) {
    await call(name, 'service_role');
    await call(name, 'authenticated', { sub: randomUUID(), app_metadata: { role: 'admin' } });
    await assert.rejects(
      call(name, 'authenticated', { sub: randomUUID(), user_metadata: { role: 'admin' } }),
      (error) => JSON.parse(error.message).code === 'RG571',
    );
    for (const role of ['anon', 'edge']) await assert.rejects(call(name, role), { code: '42501' });
  }
  for (const email of [null, 'no address'])
    await assert.rejects(
      as({ role: 'service_role' }, (query) => query('select edge.export_person($1)', [email])),
      (error) => JSON.parse(error.message).code === 'RG572',
    );
});

test('exports and erasures wait for each other: together they would fill the table of locks', async () => {
  const email = `${randomUUID()}@hooks.example`;
  for (const first of ['export_person', 'erase_person'])
    for (const second of ['export_person', 'erase_person'])
      await transaction(async (query) => {
        await query(`select edge.${first}($1)`, [email]);
        await assert.rejects(
          transaction(async (other) => {
            // As long as the request may take, not only as long as its role waits for a lock.
            await other(`set local lock_timeout = '100ms'`);
            await other(`set local statement_timeout = '300ms'`);
            await other(`select edge.${second}($1)`, [email]);
          }),
          { code: '57014' },
        );
      });
});

test('answers with thousands of ids are united at once', () =>
  transaction(async (query) => {
    await query(`set local statement_timeout = '2s'`);
    const [{ answer }] = await query(
      `select private.united(jsonb_build_object('one', jsonb_build_object('ids', to_jsonb(array(select gen_random_uuid() from generate_series(1, 20000)))),
         'two', '{"rows": 1}'::jsonb, 'three', '[]'::jsonb)) as answer`,
    );
    assert.deepEqual([answer.ids.length, answer.rows, Object.keys(answer).length], [20000, 1, 2]);
  }));

test('the job of the core deletes expired keys and old runs, and nothing else', async () => {
  const [fresh, expired] = [randomUUID(), randomUUID()];
  await sql(
    `insert into private.idempotency_keys (operation, caller, key, request_hash, expires_at) values
       ('clean', 'x', $1, '', now() + interval '1 hour'), ('clean', 'x', $2, '', now() - interval '1 hour')`,
    [fresh, expired],
  );
  await sql(
    `insert into private.job_runs (job, started_at, finished_at)
     select 'clean_test', at, at from unnest(array[now() - interval '91 days', now() - interval '89 days']) as at`,
  );
  const [{ answer }] = await as({ role: 'edge' }, (query) => query(`select edge.run_job('clean_core') as answer`));
  assert.deepEqual([answer.error, answer.rows >= 2], [null, true]);
  const keys = await sql(`select key from private.idempotency_keys where operation = 'clean'`);
  assert.deepEqual(keys, [{ key: fresh }]);
  const runs = await sql(`select from private.job_runs where job = 'clean_test'`);
  assert.equal(runs.length, 1);
});
