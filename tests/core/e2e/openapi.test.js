// GET /openapi.json and GET /docs: complete, valid, of what the caller may use and of nothing else, and usable.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import axe from 'axe-core';
import { served as allServed, core, description, descriptionText } from '../../../dev/openapi.js';
import { dataSchemas, moreSystems } from '../../../dev/systems.js';
import { launch } from '../../support/browser.js';
import { faultsOf, sendExamples } from '../../support/schemas.js';
import { as, ask, close, stack, userToken } from '../../support/stack.js';
import { makeToken } from '../support/api_tokens.js';

/** Of JSON Schemas in OpenAPI 3.1. */
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

let browser;
after(async () => {
  await browser?.close();
  await close();
});

/** Schemas in it that are none, and references to nothing: the validator of OpenAPI looks into neither. */
const schemaFaults = (described) => {
  const ajv = new Ajv2020({ strict: false });
  const faults = [];
  const walk = (value, place) => {
    if (value === null || typeof value !== 'object') return;
    if (/\/(schema|schemas\/[^/]+)$/.test(place) && !ajv.validateSchema({ ...value, $schema: DIALECT }))
      faults.push(`${place}: ${ajv.errorsText()}`);
    if (
      typeof value.$ref === 'string' &&
      value.$ref
        .slice(2)
        .split('/')
        .reduce((at, name) => at?.[name], described) === undefined
    )
      faults.push(`${place}: there is no ${value.$ref}`);
    for (const [name, inner] of Object.entries(value)) walk(inner, `${place}/${name}`);
  };
  walk(described.components, '/components');
  walk(described.paths, '/paths');
  return faults;
};

const assertValid = async (described) => {
  assert.deepEqual(schemaFaults(described), []);
  const { valid, errors } = await new Validator().validate(structuredClone(described));
  assert.ok(valid, JSON.stringify(errors)?.slice(0, 4000));
};

const operationsOf = ({ paths }) =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );

/** What a description lacks: each operation has an id of its own, and bodies with a schema and an example. */
const gaps = (described) => {
  const operations = operationsOf(described);
  const ids = operations.map(({ operation }) => operation.operationId);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${id} stands twice`);
  return [
    ...twice,
    ...operations.flatMap(({ name, operation: { requestBody, responses, security } }) => {
      const good = Object.entries(responses).filter(([status]) => status >= 200 && status < 300 && status !== '204');
      const bodies = [requestBody, ...good.map(([, response]) => response)].filter(Boolean);
      const json = bodies.flatMap(({ content }) => content?.['application/json'] ?? []);
      const lines = requestBody?.content['application/x-ndjson']?.['x-line'] ?? [];
      return [
        ...(security ? [] : [`${name}: nobody may call it`]),
        ...bodies.filter(({ content }) => !content).map(() => `${name}: a body without a schema`),
        ...[...json, lines]
          .flat()
          .filter(({ schema, examples }) => !schema || !examples)
          .map(() => `${name}: a body without an example`),
      ];
    }),
  ];
};

test('the core describes its endpoints as manifests do', () => assert.deepEqual(faultsOf(core()), []));

test('without a token it is a valid description of every endpoint, each with schemas and examples', async () => {
  const { status, body, headers } = await ask('/openapi.json');
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
  await assertValid(body);
  assert.deepEqual(gaps(body), []);
  const wanted = allServed().flatMap(({ endpoints }) => endpoints.map(({ method, path }) => `${method} ${path}`));
  assert.deepEqual(
    operationsOf(body)
      .map(({ name }) => name)
      .sort(),
    wanted.sort(),
  );
  assert.ok(
    !Object.keys(body.paths).some((path) => /^\/rest\/v1\/(rpc\/)?\w/.test(path) && !path.startsWith('/rest/v1/rpc/{')),
  );
});

test('a gap is found', () => {
  const described = description(moreSystems());
  assert.deepEqual(gaps(described), []);
  const { post } = described.paths['/v1/entries'];
  delete post.requestBody.content['application/json'].examples;
  post.operationId = 'get_healthz';
  assert.deepEqual(gaps(described), ['get_healthz stands twice', 'POST /v1/entries: a body without an example']);
});

test('the text has the two places where the edge adds more', () => {
  const described = description();
  const parts = descriptionText(described).split('\u001e');
  assert.equal(parts.length, 3);
  assert.deepEqual(JSON.parse(parts.join('')), described);
});

test('it may be cached: an ETag of its content, and 304', async () => {
  const first = await ask('/openapi.json');
  const etag = first.headers.get('etag');
  assert.match(etag, /^"[\w-]{16}"$/);
  assert.equal(first.headers.get('cache-control'), 'public, max-age=60');
  // A server's token may stand in either.
  assert.equal(first.headers.get('vary'), 'Apikey, Authorization, Origin');
  const again = await ask('/openapi.json', { headers: { 'if-none-match': etag } });
  assert.deepEqual([again.status, again.text], [304, '']);
  const head = await ask('/openapi.json', { method: 'HEAD' });
  assert.deepEqual([head.status, head.text, head.headers.get('etag')], [200, '', etag]);
  const token = await userToken();
  const signedIn = await ask('/openapi.json', { token });
  assert.equal(signedIn.headers.get('cache-control'), 'private, no-cache');
  const own = signedIn.headers.get('etag');
  assert.notEqual(own, etag);
  const known = await ask('/openapi.json', { token, headers: { 'if-none-match': own } });
  assert.deepEqual([known.status, known.text], [304, '']);
});

/** What a role may do in the served schemas, by the catalog's own views of rights: verbs by relation, and functions. */
const rightsOf = (role) =>
  as({ role }, async (sql) => {
    const served = dataSchemas();
    const verbs = await sql(
      `select distinct c.relname as name, v.verb
       from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = any($1) and has_schema_privilege(n.oid, 'usage')
       cross join (values ('get', 'select'), ('post', 'insert'), ('patch', 'update'), ('delete', 'delete')) as v (verb, privilege)
       where c.relkind in ('r', 'v', 'p', 'm', 'f') and not c.relispartition and (has_table_privilege(c.oid, v.privilege) or exists (
         select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and v.privilege <> 'delete'
           and has_column_privilege(c.oid, a.attnum, v.privilege)))`,
      [served],
    );
    const functions = await sql(
      `select distinct p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace and n.nspname = any($1)
         and has_schema_privilege(n.oid, 'usage')
       where has_function_privilege(p.oid, 'execute') and p.prokind = 'f' and pg_get_function_result(p.oid) <> 'trigger'`,
      [served],
    );
    const columns = await sql(
      `select n.nspname || '.' || c.relname as relation, a.attname as name
       from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'v', 'p', 'm', 'f') and not c.relispartition
       join pg_namespace n on n.oid = c.relnamespace and n.nspname = any($1) and has_schema_privilege(n.oid, 'usage')
       where a.attnum > 0 and not a.attisdropped and has_column_privilege(c.oid, a.attnum, 'select, insert, update')`,
      [served],
    );
    return {
      operations: [
        ...verbs.map(({ name, verb }) => `${verb.toUpperCase()} /rest/v1/${name}`),
        ...functions.map(({ name }) => `POST /rest/v1/rpc/${name}`),
      ].sort(),
      columns: columns.map(({ relation, name }) => `${relation}.${name}`).sort(),
    };
  });

const assertShows = async (body, role) => {
  await assertValid(body);
  const { operations, columns } = await rightsOf(role);
  assert.ok(operations.length > 3);
  const shown = operationsOf(body).map(({ name }) => name);
  assert.deepEqual(shown.filter((name) => / \/rest\/v1\/(?!\{|rpc\/\{)/.test(name)).sort(), operations);
  const found = Object.entries(body.components.schemas)
    .filter(([name]) => name.startsWith('data.'))
    .flatMap(([name, { properties }]) =>
      Object.keys(properties).map((column) => `${name.slice('data.'.length)}.${column}`),
    );
  assert.deepEqual(found.sort(), columns);
};

test('a user gets what the role authenticated may use, and nothing else', async () => {
  const { status, body } = await ask('/openapi.json', { token: await userToken() });
  assert.equal(status, 200);
  await assertShows(body, 'authenticated');
  const ids = operationsOf(body).map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const { post } = body.paths['/rest/v1/projects'];
  assert.equal(post.operationId, 'post_rest_projects');
  const projects = body.components.schemas['data.sample.projects'].properties;
  assert.deepEqual(projects.id, { type: 'string', format: 'uuid', readOnly: true });
  assert.equal(body.paths['/rest/v1/rpc/erase_user'], undefined);
  const { schema } = body.paths['/rest/v1/rpc/add_project'].post.requestBody.content['application/json'];
  assert.deepEqual(schema, {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
    additionalProperties: false,
  });
});

test('a server gets what the role service_role may use, and nothing else', async () => {
  const { body } = await ask('/openapi.json', { token: stack.service_key });
  await assertShows(body, 'service_role');
});

test('a name of unusual characters is percent-encoded in paths', () =>
  as({ role: 'none' }, async (sql) => {
    await sql('create table sample."größer {x}" (id int, hidden int)');
    await sql('grant select (id) on sample."größer {x}" to authenticated');
    await sql('set local role authenticated');
    const [{ made }] = await sql("select edge.data_api(array['sample']) as made");
    const path = Object.keys(made.paths).find((name) => name.includes('%'));
    assert.equal(decodeURIComponent(path), '/rest/v1/größer {x}');
    const { $ref } = made.paths[path].get.responses[200].content['application/json'].schema.items;
    assert.deepEqual(made.schemas[$ref.split('/').at(-1)].properties, {
      id: { anyOf: [{ type: 'integer' }, { type: 'null' }], readOnly: true },
    });
    const described = description();
    const { components, paths } = described;
    const schemas = { ...components.schemas, ...made.schemas };
    await assertValid({ ...described, components: { ...components, schemas }, paths: { ...paths, ...made.paths } });
    await sql('set local role none');
    await sql('drop table sample."größer {x}"');
  }));

test('a token that is not valid, and an API token, are refused', async () => {
  const wrong = await ask('/openapi.json', { token: 'a.b.c' });
  assert.equal(wrong.status, 401);
  const { token } = await makeToken(await userToken(), { systems: ['sample'], access: 'read' });
  const narrow = await ask('/openapi.json', { token });
  assert.deepEqual([narrow.status, narrow.body.code], [403, 'RG219']);
});

test("the examples of the core's endpoints get answers that fit their schemas", async () => {
  const admin = { token: await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } }) };
  const user = { token: await userToken() };
  const rows = { ...user, headers: { 'content-profile': 'sample', prefer: 'return=representation' } };
  const named = `/rest/v1/projects?name=eq.${randomUUID()}`;
  await sendExamples(core(), ask, {
    'POST /v1/admin/gdpr/export': () => admin,
    'POST /v1/admin/gdpr/erase': () => admin,
    'POST /v1/tokens': () => user,
    'GET /v1/tokens': () => user,
    'DELETE /v1/tokens/{id}': async () => ({
      ...user,
      path: `/v1/tokens/${(await makeToken(user.token, { systems: ['sample'], access: 'read' })).id}`,
    }),
    // The stream ends with the token.
    'GET /v1/changes': async () => ({
      token: await userToken(randomUUID(), { ttl: 2 }),
      path: '/v1/changes?table=sample.projects',
    }),
    'POST /v1/admin/keys/rewrap': () => ({ token: stack.service_key }),
    'GET /rest/v1/{relation}': () => ({ ...user, path: '/rest/v1/projects?limit=0' }),
    'POST /rest/v1/{relation}': async (example) => ({
      ...rows,
      token: await userToken(),
      path: '/rest/v1/projects?columns=name',
      json: example,
    }),
    'PATCH /rest/v1/{relation}': () => ({ ...rows, path: named }),
    'PUT /rest/v1/{relation}': () => {
      const id = randomUUID();
      return {
        ...rows,
        token: stack.service_key,
        path: `/rest/v1/user_profiles?id=eq.${id}`,
        json: { id, full_name: 'x' },
      };
    },
    'DELETE /rest/v1/{relation}': () => ({ ...rows, path: named }),
    'GET /rest/v1/rpc/{function}': () => ({ ...user, path: '/rest/v1/rpc/count_projects' }),
    'POST /rest/v1/rpc/{function}': () => ({ ...user, path: '/rest/v1/rpc/count_projects' }),
  });
});

for (const [name, options] of Object.entries({
  'a phone': { viewport: { width: 390, height: 844 }, colorScheme: 'light' },
  'a desktop in the dark': { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
})) {
  test(`the page of /docs is usable on ${name}: axe finds no fault, nothing is cut off, and the filter filters`, async () => {
    browser ??= await launch();
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints = [];
    const hosts = new Set();
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => hosts.add(new URL(request.url()).origin));
    await page.goto(`${stack.edge_url}/docs`);
    const shown = () => page.locator('article:visible').count();
    const all = allServed().flatMap(({ endpoints }) => endpoints).length;
    assert.equal(await shown(), all);
    await page.getByRole('searchbox', { name: 'Filter' }).fill('post /v1/tokens');
    assert.equal(await shown(), 1);
    assert.equal(await page.getByRole('status').textContent(), `1 of ${all} endpoints`);
    const article = page.locator('article:visible');
    await article.getByText('Request', { exact: true }).click();
    assert.ok(await article.getByText('nightly import').first().isVisible());
    // Evaluated, not loaded: the page's policy lets no script in.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(
      violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html)]),
      [],
    );
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${wide} of ${room}`);
    assert.deepEqual(complaints, []);
    assert.deepEqual(
      [...hosts].filter((host) => host.startsWith('http')),
      [new URL(stack.edge_url).origin],
    );
    await context.close();
  });
}

test('the page loads files of its own address only', async () => {
  const { headers, text } = await ask('/docs');
  const policy = headers.get('content-security-policy');
  assert.match(policy, /^default-src 'self'; img-src 'self' data:;/);
  assert.doesNotMatch(policy, /unsafe|http|\*/);
  assert.doesNotMatch(text, /<style|style=|<script>|onclick/);
  for (const header of ['apikey: &lt;key&gt;', 'Authorization: Bearer &lt;token&gt;'])
    assert.ok(text.includes(`<code>${header}</code>`), header);
});
