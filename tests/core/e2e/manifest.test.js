// Manifests: a throw-away system that the bundle was not built with, on real parts: each option of an endpoint, and wrong
// manifests, with which the edge does not start.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { edge as wranglerEdge } from '../../../dev/edge.js';
import { postgrestKeys } from '../../../dev/issuer.js';
import { postgrest } from '../../../dev/postgrest.js';
import { freePort } from '../../../dev/process.js';
import { authenticatorUrl } from '../../../dev/stack.js';
import { compiled, moduleOf } from '../../../dev/systems.js';
import { BUNDLE } from '../../../dev/workerd.js';
import { startEdge, variables } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';

const ORIGIN = 'https://www.example.org';
const BUILD = dirname(BUNDLE['index.js']);
const FINGERPRINTS = Buffer.from('a key of at least 32 bytes, for the fingerprints').toString('base64url');

const endpoint = (method, path, access, more = {}) => ({ method, path, access, call: 'manifested.echo', ...more });
const fields = (...names) => Object.fromEntries(names.map((name) => [name, { field: name }]));

const MANIFEST = {
  name: 'manifested',
  // PostgREST does not serve the second one.
  schemas: ['manifested', 'unserved'],
  request_headers: ['x-manifested-note'],
  variables: [
    { name: 'NOTES_URL', kind: 'upstream' },
    { name: 'NOTES_FINGERPRINTS', kind: 'key' },
    { name: 'MISSING_FINGERPRINTS', kind: 'key' },
  ],
  error_codes: ['NT001-NT099'],
  errors: [
    { code: 'NT001', name: 'note_missing', status: 404 },
    { code: 'NT002', name: 'note_refused' },
  ],
  endpoints: [
    ...['public', 'open', 'key', 'user', 'service'].map((access) => endpoint('GET', `/v1/who/${access}`, access)),
    endpoint('GET', '/v1/things/{id}/parts/{page}', 'open', {
      arguments: {
        id: { path: 'id', type: 'uuid' },
        page: { path: 'page', type: 'integer' },
        ratio: { query: 'ratio', type: 'number' },
        flag: { query: 'flag', type: 'boolean', default: true },
        title: { query: 'title', header: 'x-manifested-note' },
      },
    }),
    endpoint('GET', '/v1/things/{id}/parts/first', 'open'),
    endpoint('POST', '/v1/forms', 'open', {
      accepts: ['json', 'form', 'multipart'],
      arguments: {
        ...fields('title'),
        page: { field: 'page', type: 'integer' },
        flag: { field: 'flag', type: 'boolean', default: false },
        mail: { field: 'mail', type: 'email', required: true },
      },
    }),
    endpoint('POST', '/v1/objects', 'open', {
      accepts: ['json', 'form', 'multipart', 'ndjson'],
      arguments: { note: { body: 'object', email_fields: ['mail'] } },
    }),
    endpoint('POST', '/v1/values', 'open', { arguments: { note: { body: 'value' } } }),
    endpoint('POST', '/v1/batches', 'open', {
      accepts: ['json', 'ndjson'],
      answer: 'accepted',
      arguments: { note: { body: 'batch' } },
    }),
    endpoint('POST', '/v1/owned', 'user', {
      identity: 'vouched',
      arguments: { id: { caller: 'user' } },
      answer: 'created',
    }),
    endpoint('POST', '/v1/small', 'open', { body_limit: '1 KB', arguments: { note: { body: 'value' } } }),
    endpoint('POST', '/v1/keyed', 'open', { idempotent: true }),
    endpoint('POST', '/v1/unkeyed', 'open'),
    endpoint('POST', '/v1/vouched', 'open', {
      identity: 'vouched',
      device: true,
      form_timestamp: true,
      accepts: ['form', 'json'],
      arguments: fields('title'),
    }),
    endpoint('DELETE', '/v1/things', 'open', { answer: 'no_content' }),
    endpoint('GET', '/v1/streamed', 'open', { answer: 'stream' }),
    endpoint('POST', '/v1/redirected', 'public', {
      accepts: ['form', 'json'],
      redirect: '/thanks',
      arguments: { title: { field: 'title', required: true } },
    }),
    endpoint('GET', '/v1/stepped', 'public', { answer_step_ms: 50 }),
    endpoint('GET', '/v1/unconfigured', 'public', { requires: ['NOTES_URL'] }),
    endpoint('GET', '/v1/refused', 'open', { call: 'manifested.refuse' }),
    endpoint('GET', '/v1/unserved', 'open', { call: 'unserved.echo' }),
    endpoint('GET', '/v1/cached', 'key', {
      call: 'manifested.tick',
      cache: 60,
      arguments: { title: { query: 'title', header: 'x-manifested-note' } },
    }),
    ...[{}, { cache: 60 }, { answer: 'stream' }].map((more, at) =>
      endpoint('GET', `/v1/same/${at}`, 'public', { call: 'manifested.same', ...more }),
    ),
    ...[{}, { cache: 60 }, { answer: 'stream' }].map((more, at) =>
      endpoint('GET', `/v1/large/${at}`, 'public', { call: 'manifested.large', ...more }),
    ),
    ...['violate', 'raise_listed'].flatMap((name) => [
      endpoint('GET', `/v1/${name}/plain`, 'open', { call: `manifested.${name}` }),
      endpoint('GET', `/v1/${name}/cached`, 'open', { call: `manifested.${name}`, cache: 60 }),
      endpoint('GET', `/v1/${name}/streamed`, 'open', { call: `manifested.${name}`, answer: 'stream' }),
      endpoint('GET', `/v1/${name}/vouched`, 'open', { call: `manifested.${name}`, identity: 'vouched' }),
      endpoint('POST', `/v1/${name}/lines`, 'open', {
        call: `manifested.${name}`,
        accepts: ['ndjson'],
        line_limit: '1 KB',
        arguments: { lines: { body: 'lines' } },
      }),
    ]),
    endpoint('PUT', '/v1/nothing', 'open', { call: 'manifested.nothing' }),
    endpoint('DELETE', '/v1/nothing', 'open', { call: 'manifested.nothing', answer: 'no_content' }),
    ...['counted', 'counted_stable'].map((name) =>
      endpoint('POST', `/v1/${name}`, 'open', {
        call: `manifested.${name}`,
        identity: 'vouched',
        limit: { per_minute: 1, burst: 2 },
      }),
    ),
    endpoint('PUT', '/v1/secrets/{id}', 'user', {
      identity: 'vouched',
      call: 'manifested.store',
      arguments: { id: { path: 'id', type: 'uuid' }, owner: { caller: 'user', default: '' } },
      seal: {
        field: 'secret',
        column: 'manifested.keys.secret',
        row: 'id',
        owner: 'owner',
        min_bytes: 4,
        max_bytes: 64,
      },
    }),
    ...['NOTES_FINGERPRINTS', 'MISSING_FINGERPRINTS'].map((fingerprint) =>
      endpoint('POST', `/v1/keys/${fingerprint}`, 'user', {
        identity: 'vouched',
        call: 'manifested.add_key',
        idempotent: true,
        answer: 'created',
        arguments: {
          owner: { caller: 'user' },
          service: { field: 'service', required: true },
          expires_at: { field: 'expires_at' },
        },
        seal: {
          field: 'key',
          column: 'manifested.keys.secret',
          new_row: 'key_id',
          owner: 'owner',
          min_bytes: 16,
          max_bytes: 512,
          fingerprint,
          hint: true,
        },
      }),
    ),
    endpoint('PUT', '/v1/settings/{id}', 'user', {
      identity: 'vouched',
      call: 'manifested.store',
      arguments: { id: { path: 'id', type: 'uuid' }, owner: { caller: 'user' } },
      seal: {
        field: 'variables',
        type: 'object',
        column: 'manifested.settings.variables',
        row: 'id',
        owner: 'owner',
        min_bytes: 2,
        max_bytes: 1000,
      },
    }),
    {
      method: 'GET',
      path: '/v1/rows.csv',
      access: 'key',
      export: {
        relation: 'manifested.rows',
        columns: ['name'],
        more: { column: 'more', names: 'row_names' },
        file_name: 'rows.csv',
      },
    },
    {
      method: 'GET',
      path: '/v1/violate/rows.csv',
      access: 'open',
      export: {
        relation: 'manifested.faulty_rows',
        columns: ['name'],
        more: { column: 'more', names: 'row_names' },
        file_name: 'rows.csv',
      },
    },
  ],
};

let data;
let upstream;
let edge;

before(async () => {
  await sql(`
    create schema manifested;
    grant usage on schema manifested to anon, authenticated, service_role, edge;
    create function manifested.echo(
      id uuid default null, page int default null, ratio float8 default null, flag boolean default null,
      title text default 'its own', mail text default null, note jsonb default null
    ) returns jsonb language sql stable as $$
      select jsonb_build_object('id', id, 'page', page, 'ratio', ratio, 'flag', flag, 'title', title, 'mail', mail, 'note', note,
        'role', claims ->> 'role', 'user', claims ->> 'sub', 'edge', claims -> 'edge',
        'key', current_setting('request.headers', true)::jsonb ->> 'idempotency-key')
      from (select current_setting('request.jwt.claims', true)::jsonb as claims) as c
    $$;
    create function manifested.refuse() returns void language plpgsql as $$ begin
      raise sqlstate 'PGRST' using message = '{"code": "NT001", "message": "There is no such note", "details": null, "hint": "Look again"}',
        detail = '{"status": 404, "headers": {}}';
    end $$;
    create sequence manifested.ticks;
    grant usage on sequence manifested.ticks to anon, authenticated;
    create function manifested.tick(title text default null) returns jsonb language sql volatile
      as $$ select jsonb_build_object('tick', nextval('manifested.ticks'), 'title', title,
        'headers', current_setting('request.headers', true)::jsonb, 'claims', current_setting('request.jwt.claims', true)::jsonb) $$;
    create function manifested.same() returns jsonb language sql stable as $$ select '{"b": [1, 2.50], "a": {"c": null}}'::jsonb $$;
    create function manifested.large() returns jsonb language sql stable as $$ select to_jsonb(repeat('x', 1100000)) $$;
    create table manifested.checked (word text, hidden text constraint hidden_words check (hidden <> 'secret_value'));
    create function manifested.violate(lines jsonb default null) returns jsonb language sql volatile security definer
      as $$ insert into manifested.checked values ('x', 'secret_value') returning '1'::jsonb $$;
    create function manifested.raise_listed(lines jsonb default null) returns jsonb language plpgsql as $$ begin
      raise sqlstate 'NT002' using message = 'Refused', detail = 'The words for all', hint = 'Send others'; end $$;
    create function manifested.raise_check() returns uuid language plpgsql stable as $$ begin
      raise check_violation using message = 'refused', detail = 'secret_value', hint = 'secret_value'; end $$;
    create function manifested.nothing() returns void language sql volatile as $$ select $$;
    create function manifested.counted() returns jsonb language sql volatile as $$ select '1'::jsonb $$;
    create function manifested.counted_stable() returns jsonb language sql stable as $$ select '1'::jsonb $$;
    create function manifested.store(id uuid, owner text, sealed text, key_version int, names text[] default null)
      returns jsonb language sql stable as $$
      select jsonb_build_object('id', id, 'owner', owner, 'sealed', sealed, 'key_version', key_version, 'names', names)
    $$;
    create table manifested.keys (id uuid primary key, owner text, service text, sealed text);
    create function manifested.add_key(
      key_id uuid, owner text, service text, sealed text, key_version int, fingerprint text, prefix text, last_four text, hint text,
      shape_warning text, expires_at text default null
    ) returns jsonb language plpgsql volatile security definer as $$
    declare
      request constant jsonb := jsonb_build_array(owner, service, expires_at, fingerprint);
      answer jsonb := private.idempotency_begin('manifested.add_key', request);
    begin
      if answer is null then
        insert into manifested.keys values (key_id, owner, service, sealed);
        answer := jsonb_build_object('id', key_id, 'service', service, 'fingerprint', fingerprint, 'prefix', prefix,
          'last_four', last_four, 'hint', hint, 'warning', shape_warning, 'expires_at', expires_at);
        perform private.idempotency_end('manifested.add_key', answer);
      end if;
      return answer;
    end $$;
    create function manifested.row_names() returns jsonb language sql stable as $$ select '["colour"]'::jsonb $$;
    create view manifested.rows as select '00000000-0000-4000-8000-000000000001'::uuid as id, '2026-01-01'::timestamptz as created_at,
      array['one, two'] as cells, '{"colour": "red"}'::jsonb as more;
    create view manifested.faulty_rows as select manifested.raise_check() as id, r.created_at, r.cells, r.more
      from manifested.rows as r;
    grant select on manifested.rows to authenticated;
    grant select on manifested.faulty_rows to anon, authenticated, service_role;
    grant execute on all functions in schema manifested to anon, authenticated, service_role, edge`);
  data = mkdtempSync(join(tmpdir(), 'rowgate-manifest-'));
  upstream = postgrest({
    data,
    databaseUrl: await authenticatorUrl(stack.database_url, made.authenticator_password),
    port: await freePort(),
    adminPort: await freePort(),
    jwks: postgrestKeys(made),
    served: ['manifested', 'edge'],
    logFile: join(data, 'postgrest.log'),
    say: () => {},
  });
  await upstream.part.start();
  const set = { POSTGREST_URL: upstream.url, ALLOWED_ORIGINS: ORIGIN, NOTES_FINGERPRINTS: FINGERPRINTS };
  edge = await startEdge(set, [], undefined, [MANIFEST]);
});
after(async () => {
  await edge?.stop();
  await upstream?.part.stop();
  if (data) rmSync(data, { recursive: true, force: true });
  await sql('drop schema if exists manifested cascade');
  await close();
});

const call = (path, options) => ask(path, { base: edge.url, ...options });
const form = (values) => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(values).toString(),
});
const multipart = (values) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  return { method: 'POST', body };
};

test('an endpoint lets in whom its access names', async () => {
  const user = await userToken();
  const callers = {
    nobody: {},
    key: { key: made.publishable_key },
    user: { token: user },
    service: { token: stack.service_key },
    forged: { token: `${user.slice(0, -4)}AAAA` },
  };
  const wanted = {
    public: { nobody: 'anon', key: 'anon', user: 'anon', service: 'anon', forged: 'anon' },
    open: { nobody: 'anon', key: 'anon', user: 'authenticated', service: 'service_role', forged: 'RG203' },
    key: { nobody: 'RG207', key: 'anon', user: 'authenticated', service: 'service_role', forged: 'RG203' },
    user: { nobody: 'RG213', key: 'RG213', user: 'authenticated', service: 'RG214', forged: 'RG203' },
    service: { nobody: 'RG213', key: 'RG213', user: 'RG214', service: 'service_role', forged: 'RG203' },
  };
  for (const [access, by] of Object.entries(wanted)) {
    for (const [caller, outcome] of Object.entries(by)) {
      const answer = await call(`/v1/who/${access}`, callers[caller]);
      assert.equal(answer.body.role ?? answer.body.code, outcome, `${access}, ${caller}: ${answer.text}`);
      if (answer.status === 401) assert.match(answer.headers.get('www-authenticate'), /^Bearer/);
    }
  }
  const other = await call('/v1/who/user', { token: stack.service_key });
  assert.deepEqual([other.status, other.body.details], [403, 'It is for signed-in users']);
});

test('arguments come from the path, the query and headers, with their types', async () => {
  const id = randomUUID();
  const { body } = await call(`/v1/things/${id.toUpperCase()}/parts/7?ratio=1.5&flag=false&title=a%20b`);
  assert.deepEqual([body.id, body.page, body.ratio, body.flag, body.title], [id, 7, 1.5, false, 'a b']);
  const other = await call(`/v1/things/${id}/parts/7`, { headers: { 'x-manifested-note': 'of the header' } });
  assert.deepEqual([other.body.flag, other.body.title, other.body.ratio], [true, 'of the header', null]);
  const own = await call(`/v1/things/${id}/parts/7`);
  assert.equal(own.body.title, 'its own', 'the default of the function itself');
  const first = await call(`/v1/things/${id}/parts/first`);
  assert.deepEqual([first.status, first.body.id], [200, null], 'a fixed segment wins');
  for (const path of [
    '/v1/things/x/parts/7',
    `/v1/things/${id}/parts/x`,
    `/v1/things/${id}/parts/7/`,
    '/v1/things//parts/7',
  ]) {
    assert.deepEqual([(await call(path)).status, path], [404, path]);
  }
  for (const query of ['ratio=x', 'flag=1']) {
    const refused = await call(`/v1/things/${id}/parts/7?${query}`);
    const [name] = query.split('=');
    assert.deepEqual([refused.status, refused.body.code], [400, 'RG325'], query);
    assert.match(refused.body.details, new RegExp(`^${name}: `));
  }
  const method = await call(`/v1/things/${id}/parts/7`, { method: 'POST' });
  assert.deepEqual([method.status, method.headers.get('allow')], [405, 'GET, HEAD, OPTIONS']);
  assert.equal((await call(`/v1/things/${id}/parts/7`, { method: 'HEAD' })).status, 200);
});

test('three encodings give the same arguments', async () => {
  const values = { title: 'a b', page: '3', flag: 'true', mail: 'zoë@müller.example', extra: 'x' };
  const wanted = ['a b', 3, true, 'zoë@xn--mller-kva.example'];
  for (const [name, options] of Object.entries({
    json: { json: { ...values, page: 3, flag: true } },
    form: form(values),
    multipart: multipart(values),
  })) {
    const { body, text } = await call('/v1/forms', options);
    assert.deepEqual([body.title, body.page, body.flag, body.mail], wanted, `${name}: ${text}`);
    const whole = await call('/v1/objects', options);
    assert.deepEqual(
      [whole.body.note.title, whole.body.note.mail, whole.body.note.extra],
      ['a b', wanted[3], 'x'],
      name,
    );
  }
  const blank = await call('/v1/forms', form({ mail: 'a@b.example', page: '', title: '' }));
  assert.deepEqual([blank.body.page, blank.body.flag, blank.body.title], [null, false, 'its own']);
  const missing = await call('/v1/forms', form({ title: 'x' }));
  assert.deepEqual([missing.status, missing.body.details], [400, 'mail: is missing']);
  const wrong = await call('/v1/forms', { json: { mail: 'a@b.example', page: 'three' } });
  assert.deepEqual([wrong.status, wrong.body.details], [400, 'page: a whole number']);
  const type = await call('/v1/forms', { method: 'POST', body: '<a/>', headers: { 'content-type': 'text/xml' } });
  assert.deepEqual([type.status, type.body.code], [415, 'RG303']);
  assert.match(type.body.details, /application\/json, application\/x-www-form-urlencoded, multipart\/form-data/);
  const lines = (body) =>
    call('/v1/objects', { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } });
  const line = await lines(`\n${JSON.stringify({ title: 'a b', mail: values.mail })}\n`);
  assert.deepEqual([line.status, line.body.note.title, line.body.note.mail], [200, 'a b', wanted[3]], line.text);
  for (const [body, words] of [
    ['{"a":1}\n{"b":2}\n', /more than one line/],
    ['', /JSON/],
    ['{"a":1', /JSON/],
    ['[1]', /not an object/],
  ]) {
    const refused = await lines(body);
    assert.deepEqual([refused.status, refused.body.code], [400, 'RG301'], body);
    assert.match(refused.body.details, words);
  }
  const list = await call('/v1/objects', { json: [1] });
  assert.deepEqual([list.status, list.body.code], [400, 'RG301']);
});

test('a body is one argument: any JSON, or a batch', async () => {
  for (const value of [[1, { a: null }], 'text', 5, {}]) {
    assert.deepEqual((await call('/v1/values', { json: value })).body.note, value);
  }
  const twice = await call('/v1/values', {
    method: 'POST',
    body: '{"a":1,"a":2}',
    headers: { 'content-type': 'application/json' },
  });
  assert.deepEqual([twice.status, twice.body.code], [400, 'RG301']);
  assert.equal((await call('/v1/values', form({ a: 'b' }))).status, 415);
  const lines = { method: 'POST', body: '{"a":1}\nnothing\n', headers: { 'content-type': 'application/x-ndjson' } };
  const batch = await call('/v1/batches', lines);
  assert.deepEqual([batch.status, batch.body.note], [202, [{ a: 1 }, 'malformed']]);
  assert.deepEqual((await call('/v1/batches', { json: [{ a: 1 }] })).body.note, [{ a: 1 }]);
});

test('limits, keys and identity are as the manifest says', async () => {
  const large = await call('/v1/small', { json: 'x'.repeat(1024) });
  assert.deepEqual([large.status, large.body.details], [413, 'This endpoint takes at most 1024 bytes']);
  const headers = { 'idempotency-key': 'k-1' };
  assert.equal((await call('/v1/keyed', { json: {}, headers })).body.key, 'k-1');
  assert.equal((await call('/v1/unkeyed', { json: {}, headers })).body.key, null);
  const bad = await call('/v1/keyed', { json: {}, headers: { 'idempotency-key': 'a b' } });
  assert.deepEqual([bad.status, bad.body.code], [400, 'RG309']);
  const sub = randomUUID();
  const owned = await call('/v1/owned', { json: {}, token: await userToken(sub) });
  assert.deepEqual([owned.status, owned.body.id, owned.body.user], [201, sub, sub]);
  const agent = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0' };
  const vouched = await call('/v1/vouched', {
    json: { title: 'x', _ts: '1.x' },
    token: await userToken(sub),
    headers: agent,
  });
  assert.equal(vouched.status, 200, vouched.text);
  const { edge: seen, role, user } = vouched.body;
  assert.deepEqual(
    [role, user, seen?.browser, seen?.os, seen?.stamp],
    ['edge', sub, 'Firefox', 'Linux', 'forged'],
    vouched.text,
  );
});

test('an answer is as the manifest says', async () => {
  const gone = await call('/v1/things', { method: 'DELETE' });
  assert.deepEqual([gone.status, gone.text], [204, '']);
  const streamed = await call('/v1/streamed');
  assert.deepEqual([streamed.status, streamed.body.role], [200, 'anon']);
  assert.equal((await call('/v1/stepped')).status, 200);
  const refused = await call('/v1/refused');
  const { code, message, hint } = refused.body;
  assert.deepEqual([refused.status, code, message, hint], [404, 'NT001', 'There is no such note', 'Look again']);
  const unserved = await call('/v1/unserved');
  assert.deepEqual([unserved.status, unserved.body.code], [502, 'RG403']);
  assert.ok(!/manifested|edge/.test(unserved.text), 'it names no schema of PostgREST');
  const [line] = await edge.logged((entry) => entry.code === 'NT001');
  assert.equal(line.error, 'note_missing', 'the log has the name of the manifest');
  const unset = await call('/v1/unconfigured');
  assert.deepEqual([unset.status, unset.body.code, unset.body.details], [501, 'RG903', 'NOTES_URL is not set']);
  const file = await call('/v1/rows.csv?fields=columns', { token: await userToken() });
  assert.deepEqual([file.status, file.text], [200, 'name,"more.colour",more\r\n"one, two","red",""\r\n'], file.text);
  assert.match(file.headers.get('content-disposition'), /rows\.csv/);
});

test('only callers with a token see the details and the hint of an error, unless the manifest lists its code', async () => {
  const callers = {
    nobody: {},
    key: { key: made.publishable_key },
    user: { token: await userToken() },
    service: { token: stack.service_key },
  };
  const ways = ['plain', 'cached', 'streamed', 'vouched', 'lines', 'rows.csv'];
  for (const [caller, credentials] of Object.entries(callers)) {
    const get = (name, way) => {
      const lines = { method: 'POST', body: '{}\n', headers: { 'content-type': 'application/x-ndjson' } };
      return call(`/v1/${name}/${way}`, { ...credentials, ...(way === 'lines' && lines) });
    };
    for (const way of ways) {
      const { status, body, text } = await get('violate', way);
      assert.deepEqual([status, body.code], [400, '23514'], `${caller}, ${way}: ${text}`);
      assert.equal(text.includes('secret_value'), ['user', 'service'].includes(caller), `${caller}, ${way}: ${text}`);
    }
    for (const way of ways.slice(0, -1)) {
      const { body, text } = await get('raise_listed', way);
      assert.deepEqual(
        [body.code, body.details, body.hint],
        ['NT002', 'The words for all', 'Send others'],
        `${caller}, ${way}: ${text}`,
      );
    }
  }
});

test('a function may return nothing', async () => {
  const none = await call('/v1/nothing', { method: 'DELETE' });
  assert.deepEqual([none.status, none.text], [204, '']);
  const nothing = await call('/v1/nothing', { method: 'PUT' });
  assert.deepEqual([nothing.status, nothing.text], [200, 'null']);
});

test('a streamed or cached answer has no header that the usual one lacks', async () => {
  // The length of a stream is not known beforehand.
  const framing = ['content-length', 'transfer-encoding'];
  const names = ({ headers }) => [...headers.keys()].filter((name) => !framing.includes(name)).sort();
  const [usual, cached, streamed] = await Promise.all([0, 1, 2].map((at) => call(`/v1/same/${at}`)));
  assert.deepEqual(JSON.parse(streamed.text), usual.body);
  assert.equal(cached.text, usual.text);
  assert.deepEqual(names(streamed), names(usual));
  assert.deepEqual(
    names(cached).filter((name) => name !== 'etag'),
    names(usual),
  );
  for (const { headers } of [cached, streamed])
    assert.equal(headers.get('content-type'), usual.headers.get('content-type'));
});

test('a result beyond 1 MB is an error that names the way out, unless it is streamed', async () => {
  for (const at of [0, 1]) {
    const { status, body } = await call(`/v1/large/${at}`);
    assert.deepEqual([status, body.code, body.details], [502, 'RG408', 'It may have 1048576 bytes']);
    assert.match(body.hint, /answer = "stream"/);
  }
  const streamed = await call('/v1/large/2');
  assert.deepEqual([streamed.status, streamed.text.length], [200, 1_100_002]);
});

test('the database holds each caller to the limit of an endpoint', async () => {
  const [one, two] = [await userToken(), await userToken()];
  const post = (token, path = '/v1/counted', headers = {}) => call(path, { json: {}, token, headers });
  const statuses = [];
  for (let n = 0; n < 3; n += 1) statuses.push((await post(one)).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  const refused = await post(one);
  assert.equal(refused.body.code, 'RG501');
  assert.ok(Number(refused.headers.get('retry-after')) > 30);
  assert.equal((await post(two)).status, 200, 'another user');
  const from = (address) => post(undefined, '/v1/counted', { 'cf-connecting-ip': address });
  for (const [address, wanted] of [
    ['203.0.113.8', 200],
    ['203.0.113.8', 200],
    ['203.0.113.8', 429],
    ['203.0.113.9', 200],
  ])
    assert.equal((await from(address)).status, wanted, address);
  for (let n = 0; n < 4; n += 1) assert.equal((await post(stack.service_key)).status, 200, 'a server');
  const stable = await post(one, '/v1/counted_stable');
  assert.deepEqual([stable.status, stable.body.code], [500, 'RG573'], stable.text);
});

test('a browser is redirected, and sees an error as a page', async () => {
  const browser = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
  const post = (values) => {
    const options = form(values);
    return call('/v1/redirected', { ...options, headers: { ...options.headers, ...browser } });
  };
  const done = await post({ title: 'x' });
  assert.deepEqual([done.status, done.headers.get('location')], [303, '/thanks']);
  const next = await post({ title: 'x', _next: `${ORIGIN}/done` });
  assert.equal(next.headers.get('location'), `${ORIGIN}/done`);
  const away = await post({ title: 'x', _next: 'https://elsewhere.example/' });
  assert.equal(away.headers.get('location'), '/thanks');
  const error = await post({});
  assert.deepEqual([error.status, error.headers.get('content-type')], [400, 'text/html; charset=utf-8']);
  assert.match(error.text, /RG325/);
  assert.match(error.headers.get('content-security-policy'), /default-src 'none'/);
  const script = await call('/v1/redirected', form({}));
  assert.deepEqual([script.status, script.body.code], [400, 'RG325'], 'a script gets JSON');
});

test('a secret is sealed before the database gets it', async () => {
  const sub = randomUUID();
  const id = randomUUID();
  const put = (json) => call(`/v1/secrets/${id}`, { json, method: 'PUT', token: token });
  const token = await userToken(sub);
  const stored = await put({ secret: 'open-sesame' });
  assert.deepEqual([stored.status, stored.body.id, stored.body.owner, stored.body.key_version], [200, id, sub, 1]);
  assert.match(stored.body.sealed, /^v1(\.[\w-]+){4}$/);
  assert.ok(!stored.text.includes('sesame'));
  for (const odd of [{ secret: 'abc' }, { secret: 'a b c d' }, { secret: 'abcd', more: 1 }, {}]) {
    const refused = await put(odd);
    assert.deepEqual([refused.status, refused.body.code], [422, 'RG316'], JSON.stringify(odd));
  }
});

test('a key comes with other fields, and the database learns all of it but the key', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const secret = `gsk_${randomUUID().replaceAll('-', '')}abcdefghijklmnopqrst`;
  const idempotency = randomUUID();
  const post = (json, key = idempotency) =>
    call('/v1/keys/NOTES_FINGERPRINTS', { json, token, headers: { 'idempotency-key': key } });
  const added = await post({ service: 'openai', key: secret, expires_at: '2027-01-01' });
  assert.equal(added.status, 201, added.text);
  const fingerprint = createHmac('sha256', Buffer.from(FINGERPRINTS, 'base64url'))
    .update(`${sub}\0${secret}`)
    .digest('hex');
  const { id, ...rest } = added.body;
  assert.deepEqual(rest, {
    service: 'openai',
    fingerprint,
    prefix: secret.slice(0, 7),
    last_four: 'qrst',
    hint: 'groq',
    warning: null,
    expires_at: '2027-01-01',
  });
  const rows = await sql('select * from manifested.keys where owner = $1', [sub]);
  assert.deepEqual(rows.length, 1);
  const place = { column: 'manifested.keys.secret', row: id, owner: sub, sealed: rows[0].sealed, version: 1 };
  assert.equal(await unseal(made.kek_1, place), secret);

  const again = await post({ service: 'openai', key: secret, expires_at: '2027-01-01' });
  assert.deepEqual([again.status, again.body.id], [201, id], 'a repeated request has another sealed text');
  const other = await post({ service: 'openai', key: `${secret}x`, expires_at: '2027-01-01' });
  assert.deepEqual([other.status, other.body.code], [422, 'RG503'], 'another key under the same Idempotency-Key');
  const second = await post({ service: 'openai', key: secret }, randomUUID());
  assert.deepEqual([second.body.fingerprint, second.body.id === id], [fingerprint, false]);
  const theirs = await call('/v1/keys/NOTES_FINGERPRINTS', {
    json: { service: 'openai', key: secret },
    token: await userToken(),
  });
  assert.notEqual(theirs.body.fingerprint, fingerprint, 'equal keys of two users are not linked');

  for (const [json, status, code] of [
    [{ service: 'openai', key: 'too-short' }, 422, 'RG316'],
    [{ service: 'openai', key: secret, expires: '2027-01-01' }, 422, 'RG316'],
    [{ key: secret }, 400, 'RG325'],
    [[secret], 400, 'RG301'],
  ]) {
    const refused = await post(json, randomUUID());
    assert.deepEqual([refused.status, refused.body.code], [status, code], refused.text);
    assert.ok(!refused.text.includes(secret.slice(0, 12)), 'a refusal does not repeat the key');
  }
  const unset = await call('/v1/keys/MISSING_FINGERPRINTS', { json: { service: 'openai', key: secret }, token });
  assert.deepEqual([unset.status, unset.body.code], [501, 'RG903']);
  assert.match(unset.text, /MISSING_FINGERPRINTS/);
  const ready = await call('/readyz');
  assert.deepEqual([ready.status, ready.body.missing], [200, ['MISSING_FINGERPRINTS', 'NOTES_URL']], ready.text);

  const [{ found }] = await sql(
    `select count(*)::int as found from private.idempotency_keys as k where k::text like '%' || $1 || '%'`,
    [secret],
  );
  assert.equal(found, 0, 'no stored answer has the key');
  assert.ok(!JSON.stringify(edge.log()).includes(secret.slice(0, 12)), 'nor has the log');
});

test('an object is sealed whole, and the database learns the names of its fields', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const id = randomUUID();
  const put = (json) => call(`/v1/settings/${id}`, { json, method: 'PUT', token });
  const values = { DATABASE_URL: 'postgres://u:p@x/y z', PRIVATE: '-----BEGIN\n', LIST: [1, null] };
  const { status, body, text } = await put({ variables: values });
  assert.deepEqual([status, body.names], [200, ['DATABASE_URL', 'LIST', 'PRIVATE']], text);
  assert.ok(!text.includes('postgres://'));
  const place = { column: 'manifested.settings.variables', row: id, owner: sub, sealed: body.sealed, version: 1 };
  assert.deepEqual(JSON.parse(await unseal(made.kek_1, place)), values);
  for (const odd of [{ variables: 'text' }, { variables: [] }, { variables: { A: 'x'.repeat(1000) } }]) {
    const refused = await put(odd);
    assert.deepEqual([refused.status, refused.body.code], [422, 'RG316'], JSON.stringify(odd));
  }
});

test('anonymous callers share a cached answer, users do not', async () => {
  const entry = join(data, 'entry.js');
  for (const [name, from] of Object.entries(BUNDLE)) copyFileSync(from, join(data, name));
  writeFileSync(join(data, 'systems.js'), moduleOf(JSON.stringify([MANIFEST])));
  const config = join(data, 'wrangler.toml');
  writeFileSync(
    config,
    `name = "rowgate-manifest"\nmain = ${JSON.stringify(entry)}\ncompatibility_date = "2026-11-17"\n`,
  );
  const cached = wranglerEdge({
    data,
    entry,
    config,
    port: await freePort(),
    variables: variables({ POSTGREST_URL: upstream.url }),
    logFile: join(data, 'edge.log'),
    say: () => {},
  });
  try {
    await cached.part.start();
    const get = (query, options) => ask(`/v1/cached${query}`, { base: cached.url, ...options });
    const key = { key: made.publishable_key };
    const own = {
      'user-agent': 'of-the-first',
      referer: 'https://of-the-first.example/',
      'x-request-id': 'of-the-first-caller',
      'x-client-info': 'of-the-first',
      'cf-connecting-ip': '203.0.113.7',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: 'a=of-the-first',
    };
    const first = await get('?title=a', { ...key, headers: own });
    assert.deepEqual([first.status, first.body.title], [200, 'a']);
    assert.ok(
      !/of-the-first|4bf92f35/.test(first.text),
      `nothing of the first caller reaches the function: ${first.text}`,
    );
    const { iat: _, exp: __, ...claims } = first.body.claims;
    assert.deepEqual(claims, { aud: 'authenticated', role: 'anon', edge: { shared: true } });
    assert.equal(first.headers.get('x-request-id'), 'of-the-first-caller');
    const varies = first.headers.get('vary').toLowerCase().split(/, */);
    assert.ok(varies.includes('x-manifested-note') && varies.includes('authorization'), `${varies}`);
    const noted = await get('', { ...key, headers: { 'x-manifested-note': 'b' } });
    assert.equal(noted.body.title, 'b', 'a header that is an argument selects the answer');
    assert.equal(first.headers.get('cache-control'), 'public, max-age=60');
    const etag = first.headers.get('etag');
    assert.match(etag, /^"[0-9a-f]{32}"$/);
    let second = await get('?title=a', key);
    // It is stored after the first answer has been sent.
    for (let tries = 0; tries < 20 && second.text !== first.text; tries += 1) second = await get('?title=a', key);
    const third = await get('?title=a&unknown=1', key);
    assert.equal(third.text, second.text, 'only arguments tell answers apart');
    assert.notEqual((await get('?title=b', key)).text, second.text);
    const user = await get('?title=a', { token: await userToken() });
    assert.notEqual(user.body.tick, second.body.tick);
    assert.equal(user.headers.get('cache-control'), 'private, no-store');
    const same = await get('?title=a', { ...key, headers: { 'if-none-match': second.headers.get('etag') } });
    assert.equal(same.status, 304);
  } finally {
    await cached.part.stop();
  }
});

test('a preflight names the headers of the manifest', async () => {
  const asked = await call('/v1/forms', { method: 'OPTIONS', headers: { origin: ORIGIN } });
  assert.match(asked.headers.get('access-control-allow-headers'), /\bx-manifested-note\b/);
  assert.ok(!asked.headers.get('access-control-allow-headers').includes('x-session-token'));
});

test('the build refuses a wrong manifest, and says where it is wrong', () => {
  const wrong = { ...MANIFEST, endpoints: [endpoint('GET', '/v1', 'open'), endpoint('GET', 'v1', 'open')] };
  const words = 'systems/manifested.toml: endpoints[1].path: begins with a slash';
  assert.throws(
    () => compiled(BUILD, JSON.stringify([wrong])),
    ({ message }) => message.includes(words),
  );
  assert.match(
    readFileSync(BUNDLE['systems.js'], 'utf8'),
    /^export default "rowgate \d+\\n/,
    'the bundle has checked those beside it',
  );
});

test('with a wrong manifest nothing is served, and the answer says where it is wrong', async () => {
  const changed = (more) => [{ ...MANIFEST, ...more }];
  const faults = {
    'systems/manifested.toml: endpoints[0].path: begins with a slash': changed({
      endpoints: [endpoint('GET', 'v1', 'open')],
    }),
    'systems/manifested.toml: endpoints[0].acces: unknown field': changed({
      endpoints: [endpoint('GET', '/v1', 'open', { acces: 'open' })],
    }),
    'systems/manifested.toml: endpoints[1].path: ': changed({
      endpoints: [endpoint('GET', '/v1/a/{a}', 'open'), endpoint('GET', '/v1/a/{b}', 'open')],
    }),
    'systems/manifested.toml: endpoints[0].handler: code is Rust, and the bundle has none': changed({
      endpoints: [endpoint('GET', '/v1', 'open', { handler: 'code' })],
    }),
    'systems/manifested.toml: schemas[0]: ': changed({ schemas: ['private'] }),
    'systems/*.toml: they may have 262144 bytes': `[${' '.repeat(300_000)}]`,
    'systems/*.toml: ': 'no JSON',
    'systems.js: what this bundle made of the manifests': compiled(BUILD, JSON.stringify([MANIFEST])).replace(
      '/v1/who/',
      '/v2/who/',
    ),
  };
  for (const [words, manifests] of Object.entries(faults)) {
    const wrong = await startEdge({}, [], undefined, manifests);
    try {
      for (const path of ['/healthz', '/rest/v1/anything', '/v1']) {
        const answer = await ask(path, { base: wrong.url });
        assert.deepEqual([answer.status, answer.body.code], [500, 'RG901'], path);
        assert.ok(answer.body.details.startsWith(words), `${words}: ${answer.body.details}`);
      }
    } finally {
      await wrong.stop();
    }
  }
});

test('without manifests the core serves its own endpoints', async () => {
  const core = await startEdge({}, [], undefined, []);
  try {
    assert.equal((await ask('/healthz', { base: core.url })).status, 200);
    assert.equal((await ask('/readyz', { base: core.url })).status, 200);
    assert.equal((await ask('/v1/leads', { base: core.url, json: {} })).status, 404);
    const table = await ask('/rest/v1/leads', {
      base: core.url,
      key: made.publishable_key,
      headers: { 'accept-profile': 'marketing' },
    });
    assert.deepEqual([table.status, table.body.code], [406, 'PGRST106']);
  } finally {
    await core.stop();
  }
});
