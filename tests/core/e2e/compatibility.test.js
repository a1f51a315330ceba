// Answers as every version of PostgREST from 12.0 to 16 gives them, imitated from its sources: docs/compatibility.md says what
// differs. Only 12.0.2 can be had as a package; the other tests run on it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { ask, close, made, userToken } from '../../support/stack.js';

after(close);

const VERSIONS = ['12.0.2', '12.2.12', '13.0.8', '14.17', '16.1'];
const major = (version) => Number.parseInt(version, 10);

/** What stays the same in all versions. */
const always = (status, code, more) => () => ({ status, code, ...more });
/** What changed with a version: [first version, status, code, more]. */
const since =
  (...steps) =>
  (version) => {
    const number = (text) =>
      text
        .split(' ')[0]
        .split('.')
        .reduce((sum, part, at) => sum + Number(part) * 1000 ** (2 - at), 0);
    const [, status, code, more] = steps.findLast(([first]) => number(first) <= number(version));
    return { status, code, ...more };
  };

const EXPIRED = { message: 'JWT expired' };
const SECRET = { message: 'secret_table', details: 'secret_detail', hint: 'secret_hint' };
const LIST = { details: [{ cardinality: 'many-to-one', embedding: 'a with b', relationship: 'c' }] };

/** What PostgREST answers, by version, and what the edge makes of it: status, code, and what else is to be seen. */
const ERRORS = {
  'a table that is not there': [since(['12.0', 404, '42P01'], ['13.0', 404, 'PGRST205'])],
  'a function that is not there': [always(404, 'PGRST202')],
  'one object of none': [
    since(
      ['12.0', 406, 'PGRST116', { message: 'JSON object requested, multiple (or no) rows returned' }],
      ['13.0', 406, 'PGRST116', { message: 'Cannot coerce the result to a single JSON object' }],
    ),
  ],
  'an embed that is not the only one': [always(300, 'PGRST201', LIST)],
  'a preference that is not known': [always(400, 'PGRST122')],
  'more rows than max-affected': [since(['12.0', 400, 'PGRST122'], ['12.2', 400, 'PGRST124'])],
  'a function with max-affected': [since(['12.0', 400, 'PGRST122'], ['13.0', 400, 'PGRST128'])],
  'a token that has expired': [since(['12.0', 401, 'PGRST301', EXPIRED], ['13.0', 401, 'PGRST303', EXPIRED])],
  'a token of another key': [always(401, 'PGRST301')],
  'a role that is not there': [since(['12.0', 400, '22023'], ['13.0', 401, '22023'])],
  'two rows where one is needed': [
    since(['12.0', 400, '21000', SECRET], ['12.2', 500, '21000', SECRET]),
    [400, '21000'],
  ],
  'too complex': [since(['12.0', 413, '54001', SECRET], ['12.2', 500, '54001', SECRET]), [400, '54001']],
  'beyond a limit of the configuration': [
    since(['12.0', 503, '53400', SECRET], ['12.2', 500, '53400', SECRET]),
    [400, '53400'],
  ],
  'a policy that refers to itself': [
    since(['12.0', 400, '42P17', SECRET], ['12.2', 500, '42P17', SECRET]),
    [502, 'RG403'],
  ],
  'no row for a strict select': [always(500, 'P0002', SECRET), [404, 'P0002']],
  'a view that takes no writes': [always(500, '55000', SECRET), [409, '55000']],
  'a lock that is not to be had': [always(500, '55P03', SECRET), [503, '55P03', '1']],
  'a deadlock': [always(500, '40P01', SECRET), [503, '40P01', '1']],
  'a serialisation failure, which versions before 16 repeat for ever': [
    always(500, '40001', SECRET),
    [503, '40001', '1'],
  ],
  'a statement that took too long': [always(500, '57014', SECRET), [504, 'RG402']],
  'PostgreSQL stops': [since(['12.0', 500, '57P01', SECRET], ['12.2', 503, '57P01', SECRET]), [503, 'RG401', '1']],
  'an internal error': [always(500, 'XX000', SECRET), [502, 'RG403']],
  'no schema cache yet': [always(503, 'PGRST002', SECRET), [503, 'RG401', '1']],
  'no database': [always(503, 'PGRST000', SECRET), [503, 'RG401', '1']],
  'no connection in time': [always(504, 'PGRST003', SECRET), [503, 'RG404', '1']],
  'a raised error that cannot be read': [always(500, 'PGRST121', SECRET), [502, 'RG403']],
  'no secret for tokens': [always(500, 'PGRST300', SECRET), [502, 'RG403']],
  'an application that is closed': [always(503, 'PT503', { message: 'Closed today' }), [503, 'PT503', '1']],
  'an application that failed': [always(500, 'PT500', { message: 'No paper' }), [500, 'PT500']],
};

/** Answers the row that the address names, as a version does. */
const imitated =
  (version, asked) =>
  (response, { url, method, headers }) => {
    asked.push({ method, url, headers });
    const row = Object.keys(ERRORS)[Number(new URL(url, 'http://x').searchParams.get('place')?.replace('eq.', ''))];
    const { status, code, ...more } = ERRORS[row][0](version);
    const said = { code, message: `message of ${code}`, details: null, hint: null, ...more };
    const body = JSON.stringify(version.endsWith('minimal') ? { code, message: said.message } : said);
    const now = major(version);
    response.writeHead(status, {
      server: `postgrest/${version}`,
      'content-type': 'application/json; charset=utf-8',
      ...(now >= 13 && { 'content-length': Buffer.byteLength(body), 'proxy-status': `PostgREST; error=${code}` }),
      ...(now >= 16 && { vary: 'Accept, Prefer, Range' }),
      ...(status === 503 && { 'retry-after': '0' }),
    });
    response.end(method === 'HEAD' ? undefined : body);
  };

/** An edge in front of a version. */
const withVersion = async (version, body) => {
  const asked = [];
  await withUpstream(imitated(version, asked), async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      await body(edge, asked);
    } finally {
      await edge.stop();
    }
  });
};

for (const version of [...VERSIONS, '16.1 minimal']) {
  test(`errors of PostgREST ${version} are the same to a client, with or without a body`, () =>
    withVersion(version, async (edge, asked) => {
      const token = await userToken();
      for (const [at, [name, [answer, wanted]]] of Object.entries(ERRORS).entries()) {
        const upstream = answer(version);
        const [status, code, retryAfter = null] = wanted ?? [upstream.status, upstream.code];
        const path = `/rest/v1/test_notes?place=eq.${at}`;
        const got = await ask(path, { base: edge.url, token });
        const found = [got.status, got.body.code, got.headers.get('retry-after'), got.headers.get('proxy-status')];
        assert.deepEqual(found, [status, code, retryAfter, `PostgREST; error=${code}`], name);
        if (status === 401) assert.equal(got.headers.get('www-authenticate'), 'Bearer error="invalid_token"');
        if (!wanted && version !== '16.1 minimal') {
          assert.deepEqual(got.body.details, upstream.details ?? null, name);
          assert.equal(got.body.message, upstream.message ?? `message of ${upstream.code}`);
        }
        assert.ok(!got.text.includes('secret_'), got.text);
        assert.deepEqual(Object.keys(got.body), ['code', 'message', 'details', 'hint']);

        asked.length = 0;
        const head = await ask(path, { base: edge.url, token, method: 'HEAD' });
        const named = unnamed(version, upstream) ?? [status, code];
        assert.deepEqual(
          [head.status, head.headers.get('proxy-status')],
          [named[0], `PostgREST; error=${named[1]}`],
          name,
        );
        const again = major(version) < 13 && ![503, 504].includes(upstream.status);
        assert.deepEqual(
          asked.map(({ method }) => method),
          again ? ['HEAD', 'GET'] : ['HEAD'],
          name,
        );
      }
    }));
}

/** What a 503 or 504 without a code is taken for. */
const unnamed = (version, { status }) =>
  major(version) < 13 ? { 503: [503, 'RG401'], 504: [504, 'RG402'] }[status] : undefined;

test('a token of the edge’s own that PostgREST refuses is no fault of the caller’s', () =>
  withVersion('16.1', async (edge, asked) => {
    for (const row of ['a token of another key', 'a token that has expired']) {
      const at = Object.keys(ERRORS).indexOf(row);
      const anonymous = { base: edge.url, key: made.publishable_key };
      const answer = await ask(`/rest/v1/test_notes?place=eq.${at}`, anonymous);
      assert.deepEqual([answer.status, answer.body.code, answer.headers.get('www-authenticate')], [502, 'RG403', null]);
    }
    await edge.logged(({ event, code }) => event === 'upstream_failed' && code === 'PGRST303');
    // What every version asks of a token: a key of its name, whole numbers, an audience as text.
    const [header, payload] = asked[0].headers.authorization
      .replace('Bearer ', '')
      .split('.')
      .map((part, place) => (place < 2 ? JSON.parse(Buffer.from(part, 'base64url')) : part));
    assert.deepEqual(header, { alg: 'HS256', kid: 'edge' });
    assert.ok(Number.isInteger(payload.exp) && Number.isInteger(payload.iat) && payload.nbf === undefined);
    assert.deepEqual([payload.aud, payload.role], ['authenticated', 'anon']);
  }));

test('what newer versions add to a good answer is handed on or left out', () => {
  const warning = '299 PostgREST "Target names are deprecated in filters if they have an alias"';
  const answer = (response) => {
    response.writeHead(200, {
      server: 'postgrest/16.1',
      'content-type': 'application/json; charset=utf-8',
      'content-range': '0-0/*',
      vary: 'Accept, Prefer, Range',
      warning,
      'x-other': 'x',
    });
    response.end('[{"id":1}]');
  };
  return withUpstream(answer, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      const { status, body, headers } = await ask('/rest/v1/projects', { base: edge.url, token: await userToken() });
      assert.deepEqual([status, body], [200, [{ id: 1 }]]);
      assert.deepEqual([headers.get('warning'), headers.get('content-range')], [warning, '0-0/*']);
      assert.deepEqual([headers.get('server'), headers.get('x-other')], [null, null]);
      assert.match(headers.get('vary'), /Origin/);
    } finally {
      await edge.stop();
    }
  });
});
