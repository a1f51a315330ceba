// What PostgREST answers the edge answers: the same requests to both, as the same user, compared.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, made, stack, userToken } from '../../support/stack.js';

after(close);

const owner = randomUUID();
let token;
let admin;

const JSON_TYPE = { 'content-type': 'application/json' };
const MARKETING = { 'accept-profile': 'sample_more', 'content-profile': 'sample_more' };

/** Headers that a client of PostgREST goes by. */
const COMPARED = [
  'content-location',
  'content-type',
  'content-range',
  'content-profile',
  'preference-applied',
  'range-unit',
];

const send = async (base, { path, method = 'GET', headers = {}, body, as = token }) => {
  const response = await fetch(base + path, { method, headers: { authorization: `Bearer ${as}`, ...headers }, body });
  const text = await response.text();
  const found = Object.fromEntries(COMPARED.map((name) => [name, response.headers.get(name)]));
  // On some errors PostgREST sends a second Content-Type; the edge sends the one that is true.
  if (response.status >= 400) found['content-type'] = found['content-type']?.split(',')[0] ?? null;
  // The edge's paths are PostgREST's under a prefix.
  found['content-location'] = found['content-location']?.replace(/^\/rest\/v1/, '') ?? null;
  let parsed = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // CSV and empty bodies are compared as they are.
  }
  return { status: response.status, body: parsed, headers: found };
};

/** Sends a request to both, and compares. Writes are asked to leave no trace or to name a row of their own. */
const compare = async (request) => {
  const edge = await send(`${stack.edge_url}/rest/v1`, request);
  const postgrest = await send(stack.postgrest_url, request);
  assert.deepEqual(edge, postgrest, `${request.method ?? 'GET'} ${request.path}`);
  return edge;
};

before(async () => {
  token = await userToken(owner);
  admin = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  const rows = Array.from({ length: 12 }, (_, n) => ({
    name: `Project ${String(n).padStart(2, '0')}${n === 7 ? ' "q", (x) & ä 😀' : ''}`,
    description: n % 3 === 0 ? null : `about ${n}`,
    color: n % 2 === 0 ? '#00ff00' : '#0000ff',
  }));
  const made_ = await send(stack.postgrest_url, {
    path: '/projects',
    method: 'POST',
    headers: JSON_TYPE,
    body: JSON.stringify(rows),
  });
  assert.equal(made_.status, 201);
});

const q = (text) => `/projects?select=name,color&order=name&${text}`;

const FILTERS = [
  'name=eq.Project 01',
  'name=neq.Project 01',
  'name=gt.Project 05',
  'name=gte.Project 05',
  'name=lt.Project 05',
  'name=lte.Project 05',
  'name=like.*1',
  'name=ilike.PROJECT*',
  'name=match.^Project 0',
  'name=imatch.^PROJECT 1',
  'name=in.(Project 01,"Project 02")',
  'name=in.()',
  'name=not.in.(Project 01)',
  'description=is.null',
  'description=not.is.null',
  'name=not.eq.Project 01',
  'name=isdistinct.Project 01',
  'name=fts.project',
  'name=plfts.project',
  'name=phfts(english).project',
  'name=wfts.project 01',
  'name=not.fts.project',
  'or=(name.eq.Project 01,name.eq.Project 02)',
  'and=(name.gt.Project 01,name.lt.Project 04)',
  'not.or=(name.eq.Project 01,name.eq.Project 02)',
  'not.and=(color.eq.%2300ff00,description.is.null)',
  'or=(name.eq.Project 01,and(color.eq.%2300ff00,description.is.null))',
  'or=(name.in.(Project 01,Project 02),description.is.null)',
  'color=eq.%2300ff00',
  'color=eq.%2300FF00',
  'name=eq.Project+01',
  'name=eq.Project%2001',
  'name=like(any).{*1,*2}',
  'name=eq(any).{Project 01,Project 02}',
  'name=like(all).{Pro*,*1}',
  'workflow_count=eq.0',
  'workflow_count=gt.0',
  'workflow_count=in.(0,1)',
  'created_at=gt.2020-01-01',
  'created_at=lt.2020-01-01T00:00:00+00:00',
  'name=eq.',
  'name=like.*%25*',
  'name=eq.Project 07 "q", (x) %26 ä 😀',
  'name=ilike.*%F0%9F%98%80*',
  'limit=3',
  'limit=3&offset=2',
  'offset=11',
  'offset=50',
  'limit=0',
  'order=color.desc,name.asc',
  'order=description.nullsfirst',
  'order=description.desc.nullslast',
  'name=eq.a&name=eq.b',
];

const READS = [
  ...FILTERS.map((text) => ({ path: q(text) })),
  ...[
    '*',
    'name',
    'name,color',
    'n:name',
    'id,nick:name',
    'name::text',
    'workflow_count::text',
    'workflow_count.sum()',
    'count()',
    '*,name',
    'name,count()',
  ]
    .map((select) => ({ path: `/projects?select=${select}&order=name` }))
    .map((request) =>
      /sum|count\(\)/.test(request.path) ? { path: request.path.replace('&order=name', '') } : request,
    ),
  // Errors, each in PostgREST's words.
  ...[
    'select=name;limit=1&order=name',
    'name=eq.Project 01;select=name',
    'select=name&order',
    'id',
    'select=nothing',
    'nothing=eq.1',
    'name=foo.1',
    'name=eq',
    'order=nothing',
    'order=name.sideways',
    'select=*,children(*)',
    'offset=-1',
    'limit=-1',
    'or=(name.eq.1',
    'or=()',
    'select=name(',
    'workflow_count=eq.x',
    'id=eq.not-a-uuid',
    'created_at=gt.never',
    'name=in.x',
    'description=is.x',
  ].map((text) => ({ path: `/projects?${text}` })),
  { path: '/nothing' },
  { path: '/Projects' },
  { path: '/pro%20jects?select=%22a%22' },
  { path: '/rpc/nothing' },
  { path: '/rpc/nothing', method: 'POST', headers: JSON_TYPE, body: '{}' },
  {
    path: '/projects',
    headers: { 'accept-profile': 'private' },
    differs: 'the edge names only the schemas that it serves',
  },
  ...['0-3', '5-', '0-0', '11-20', '50-60', '3-1', 'x'].map((range) => ({
    path: '/projects?order=name',
    headers: { range, 'range-unit': 'items' },
  })),
  ...['name&order=name', 'name&limit=2&order=name', 'name&name=eq.none'].flatMap((query) =>
    ['GET', 'HEAD'].map((method) => ({
      path: `/projects?select=${query}`,
      method,
      headers: { prefer: 'count=exact' },
    })),
  ),
  ...[
    'text/csv',
    'application/json',
    'application/vnd.pgrst.object+json',
    'application/vnd.pgrst.array+json',
    'application/vnd.pgrst.object',
    'application/vnd.pgrst.object+json;nulls=stripped',
    'application/vnd.pgrst.array+json;nulls=stripped',
    '*/*',
    'application/geo+json',
    'text/xml',
    'application/octet-stream',
    'text/csv, application/json',
    'text/*',
  ].flatMap((accept) => [
    { path: '/projects?select=name,description&order=name&limit=2', headers: { accept } },
    { path: '/projects?select=name,description&name=eq.Project 01', headers: { accept } },
    { path: '/projects?name=eq.none', headers: { accept } },
  ]),
  { path: '/projects?select=name&limit=1&order=name', headers: { prefer: 'handling=strict' } },
  { path: '/projects?select=name&limit=1&order=name', headers: { prefer: 'handling=lenient, count=exact' } },
  { path: '/projects?select=created_at&limit=1&order=name', headers: { prefer: 'timezone=Europe/Berlin' } },
  { path: '/projects?select=created_at&limit=1&order=name', headers: { prefer: 'timezone=Nowhere/Land' } },
  { path: '/entries?select=email', headers: MARKETING },
  { path: '/projects', headers: MARKETING },
  { path: '/entries?select=nothing', headers: MARKETING },
];

test('reads', async (t) => {
  for (const request of READS.filter(({ differs }) => !differs)) {
    await t.test(`${request.path} ${JSON.stringify(request.headers ?? {})}`, () => compare(request));
  }
});

const unique = () => `w ${randomUUID()}`;
const RETURN = { prefer: 'return=representation' };

/** Requests whose answers name what was made: built once for each side, compared without the parts that are random. */
const WRITES = {
  insert: () => ({ path: '/projects', method: 'POST', body: JSON.stringify({ name: unique() }) }),
  'insert, returning': () => ({
    path: '/projects?select=color,workflow_count',
    method: 'POST',
    headers: RETURN,
    body: JSON.stringify({ name: unique() }),
  }),
  'insert, headers only': () => ({
    path: '/projects',
    method: 'POST',
    headers: { prefer: 'return=headers-only' },
    body: JSON.stringify({ name: unique() }),
  }),
  'insert many': () => ({
    path: '/projects?select=color',
    method: 'POST',
    headers: { prefer: 'return=representation,count=exact' },
    body: JSON.stringify([{ name: unique() }, { name: unique() }]),
  }),
  'insert with columns': () => ({
    path: '/projects?columns=name&select=color',
    method: 'POST',
    headers: RETURN,
    body: JSON.stringify([{ name: unique(), color: '#111111' }]),
  }),
  'insert with defaults': () => ({
    path: '/projects?columns=name,color&select=color',
    method: 'POST',
    headers: { prefer: 'return=representation,missing=default' },
    body: JSON.stringify([{ name: unique() }]),
  }),
  'insert nothing': () => ({ path: '/projects', method: 'POST', headers: RETURN, body: '[]' }),
  'insert CSV': () => ({
    path: '/projects?select=color',
    method: 'POST',
    headers: { ...RETURN, 'content-type': 'text/csv' },
    body: `name,color\n${unique()},#222222`,
  }),
  'insert a form': () => ({
    path: '/projects?select=color',
    method: 'POST',
    headers: { ...RETURN, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ name: unique() }).toString(),
  }),
  'insert bad JSON': () => ({ path: '/projects', method: 'POST', body: '{' }),
  'insert an unknown column': () => ({ path: '/projects', method: 'POST', body: '{"nothing":1}' }),
  'insert another type': () => ({ path: '/projects', method: 'POST', body: '{"name":"x","color":7}' }),
  'insert without a needed column': () => ({ path: '/projects', method: 'POST', body: '{"color":"#123456"}' }),
  'insert what a check refuses': () => ({ path: '/projects', method: 'POST', body: '{"name":""}' }),
  'insert a forbidden column': () => ({ path: '/projects', method: 'POST', body: '{"name":"x","workflow_count":5}' }),
  'insert for somebody else': () => ({
    path: '/projects',
    method: 'POST',
    body: JSON.stringify({ name: 'x', user_id: randomUUID() }),
  }),
  'insert a duplicate': () => ({ path: '/projects', method: 'POST', body: '{"name":"Project 01"}' }),
  'insert an unreadable type': () => ({
    path: '/projects',
    method: 'POST',
    headers: { 'content-type': 'application/xml' },
    body: '<x/>',
  }),
  update: () => ({ path: '/projects?name=eq.Project 02', method: 'PATCH', body: '{"description":"changed"}' }),
  'update, returning': () => ({
    path: '/projects?name=eq.Project 02&select=name,description',
    method: 'PATCH',
    headers: RETURN,
    body: '{"description":"changed"}',
  }),
  'update, one object': () => ({
    path: '/projects?name=eq.Project 02&select=name',
    method: 'PATCH',
    headers: { ...RETURN, accept: 'application/vnd.pgrst.object+json' },
    body: '{"description":"changed"}',
  }),
  'update none': () => ({
    path: '/projects?name=eq.none&select=name',
    method: 'PATCH',
    headers: { prefer: 'return=representation,count=exact' },
    body: '{"description":"x"}',
  }),
  'update nothing': () => ({ path: '/projects?name=eq.Project 02', method: 'PATCH', body: '{}' }),
  'update a forbidden column': () => ({
    path: '/projects?name=eq.Project 02',
    method: 'PATCH',
    body: '{"workflow_count":3}',
  }),
  'update to a duplicate': () => ({
    path: '/projects?name=eq.Project 02',
    method: 'PATCH',
    body: '{"name":"project 01"}',
  }),
  'delete none': () => ({ path: '/projects?name=eq.none', method: 'DELETE' }),
  'delete none, returning': () => ({
    path: '/projects?name=eq.none&select=name',
    method: 'DELETE',
    headers: { prefer: 'return=representation,count=exact' },
  }),
  'delete by a bad filter': () => ({ path: '/projects?nothing=eq.1', method: 'DELETE' }),
  'upsert, ignored': () => ({
    path: '/projects?on_conflict=nothing',
    method: 'POST',
    headers: { prefer: 'resolution=ignore-duplicates' },
    body: '{"name":"x"}',
  }),
  'put without its key': () => ({ path: '/projects?name=eq.x', method: 'PUT', body: '{"name":"x"}' }),
  'call an unknown function': () => ({ path: '/rpc/nothing', method: 'POST', body: '{"a":1}' }),
  'call a function with other arguments': () => ({
    path: '/rpc/say',
    method: 'POST',
    headers: MARKETING,
    body: '{"nothing":1}',
  }),
  'call a function that refuses': () => ({
    path: '/rpc/say',
    method: 'POST',
    headers: MARKETING,
    body: '{"word":"x"}',
  }),
  'call a function by GET': () => ({ path: '/rpc/say?word=x', headers: MARKETING }),
  'an admin updates leads': () => ({
    path: '/entries?email=eq.none@example.org',
    method: 'PATCH',
    as: admin,
    headers: { ...MARKETING, ...RETURN },
    body: '{"status":"contacted"}',
  }),
  'an admin may not delete leads': () => ({
    path: '/entries?email=eq.none@example.org',
    method: 'DELETE',
    as: admin,
    headers: MARKETING,
  }),
};

test('writes', async (t) => {
  for (const [name, build] of Object.entries(WRITES)) {
    await t.test(name, async () => {
      const ask = (base) => {
        const request = build();
        return send(base, { ...request, headers: { ...JSON_TYPE, ...request.headers } });
      };
      const random = ({ body, ...rest }) => ({
        ...rest,
        body: JSON.parse(
          JSON.stringify(body ?? null).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.+]+/g, '*'),
        ),
      });
      assert.deepEqual(random(await ask(`${stack.edge_url}/rest/v1`)), random(await ask(stack.postgrest_url)));
    });
  }
});

/** Each with its reason. */
const INTENDED = [
  ['a delete without a filter: the edge’s words and the database’s', { path: '/projects', method: 'DELETE' }, 400, 400],
  [
    'likewise an update',
    { path: '/projects', method: 'PATCH', headers: JSON_TYPE, body: '{"description":"x"}' },
    400,
    400,
  ],
  ['embeds of more than four levels', { path: '/projects?select=a(b(c(d(e(*)))))' }, 400, 400],
  ['a limit that is none does not lift the cap on rows', { path: '/projects?limit=x' }, 200, 200],
  [
    'the schema edge is the edge’s own',
    { path: '/rpc/ready', method: 'POST', headers: { ...JSON_TYPE, 'content-profile': 'edge' }, body: '{}' },
    406,
    403,
  ],
  [
    'plans show the schema’s insides; PostgREST has them switched off, too',
    { path: '/projects', headers: { accept: 'application/vnd.pgrst.plan' } },
    406,
    415,
  ],
  ['a name with a slash may be taken for a path', { path: '/a%2Fb' }, 400, 404],
  ['types of PostgreSQL’s own name its objects', { path: '/projects?select=workflow_count::regclass' }, 400, 200],
  ['so do system columns', { path: '/projects?select=ctid' }, 400, 200],
  ['a filter that no row can fail', { path: '/projects?id=not.in.()', method: 'DELETE' }, 400, 400],
  [
    'rolled back only where it is',
    { path: '/projects?name=eq.none', method: 'DELETE', headers: { prefer: 'tx=rollback' } },
    400,
    204,
  ],
  [
    'a limit that PostgREST would not hold to',
    { path: '/projects?name=eq.none', method: 'DELETE', headers: { prefer: 'max-affected=1' } },
    400,
    204,
  ],
  [
    'strict means that nothing is left out in silence',
    { path: '/projects', headers: { prefer: 'handling=strict, foo=bar' } },
    400,
    400,
  ],
  [
    'a cap on rows that is no number is no cap',
    { path: '/projects?name=eq.none', method: 'DELETE', headers: { prefer: 'max-affected=ten' } },
    400,
    204,
  ],
  ['the root describes nothing', { path: '/' }, 404, 404],
  [
    'POST to a function needs no body limit there',
    {
      path: '/projects',
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ name: 'x', description: 'x'.repeat(1_100_000) }),
    },
    413,
    400,
  ],
];

test('what differs, differs on purpose', async (t) => {
  for (const [reason, request, edge, postgrest] of INTENDED) {
    await t.test(reason, async () => {
      const found = [await send(`${stack.edge_url}/rest/v1`, request), await send(stack.postgrest_url, request)];
      assert.deepEqual(
        found.map(({ status }) => status),
        [edge, postgrest],
      );
    });
  }
  await t.test('a guess at a count is of everybody’s rows: what is counted is exact', async () => {
    for (const count of ['planned', 'estimated']) {
      const counted = async (base, prefer) => {
        const answer = await send(base, { path: '/projects?select=name&limit=2&order=name', headers: { prefer } });
        return [answer.status, answer.headers['content-range']];
      };
      const exact = await counted(stack.postgrest_url, 'count=exact');
      assert.deepEqual(await counted(`${stack.edge_url}/rest/v1`, `count=${count}`), exact);
    }
  });
  await t.test('nobody in particular gets no details, hints or exact counts', async () => {
    const headers = { apikey: made.publishable_key };
    const answer = await fetch(`${stack.edge_url}/rest/v1/projects`, { headers }).then((response) => response.json());
    assert.deepEqual([answer.code, answer.details, answer.hint], ['42501', null, null]);
  });
});

test('there are enough of them', () => {
  assert.ok(READS.length + Object.keys(WRITES).length >= 150, `${READS.length + Object.keys(WRITES).length}`);
});
