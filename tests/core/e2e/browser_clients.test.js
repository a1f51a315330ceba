// The whole client, @supabase/supabase-js unmodified, in Chromium: in pages of another origin than the edge. Accounts are those of
// `npm run dev`; small servers, or a project of your own (docs/services.md), stand in the places of the other services.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeJwt } from 'jose';
import { token as sign } from '../../../dev/issuer.js';
import { root } from '../../../dev/paths.js';
import { freePort } from '../../../dev/process.js';
import { startThrowAway } from '../../../dev/throwaway.js';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { freshEmail } from '../../support/stack.js';
import { functions } from '../support/functions.js';
import { realtime } from '../support/phoenix.js';
import { isReal, needsStandIn, needsVariable, startProject } from '../support/project.js';
import { storage } from '../support/storage.js';

const PASSWORD = 'correct horse battery';
const UMD = join(root, 'node_modules', '@supabase', 'supabase-js', 'dist', 'umd', 'supabase.js');
const PROGRAMS = join(root, 'tests', 'core', 'support', 'clients');

let system;
let project;
let edge;
let pages;
let browser;

/** What pages load: the client as it is published for browsers, and the programs. */
const servePages = async () => {
  const port = await freePort();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://pages');
    const file = pathname === '/supabase.js' ? UMD : join(PROGRAMS, basename(pathname));
    const isPage = pathname === '/';
    if (!isPage && !pathname.endsWith('.js')) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': isPage ? 'text/html' : 'text/javascript' });
    response.end(
      isPage ? '<!doctype html><title>page</title><script src="/supabase.js"></script>' : readFileSync(file),
    );
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections());
  return { origin: `http://localhost:${port}`, other: `http://127.0.0.1:${port}`, stop };
};

before(async () => {
  pages = await servePages();
  [system, project, browser] = await Promise.all([
    isReal ? undefined : startThrowAway('pages', { accounts: true, say: () => {} }),
    startProject({ realtime: realtime(), storage: storage(), functions: functions() }),
    launch(),
  ]);
  const own = system && {
    POSTGREST_URL: system.stack.postgrestUrl,
    EDGE_SIGNING_KEY: system.stack.keys.edge_signing_key,
    ISSUERS: JSON.stringify([
      {
        issuer: system.stack.issuer.issuer,
        audience: 'authenticated',
        jwks_url: system.stack.issuer.jwksUrl,
        roles: ['authenticated', 'service_role'],
      },
    ]),
    AUTH_URL: system.stack.accounts.url,
  };
  edge = await startEdge({ ...project.variables, ...own, ALLOWED_ORIGINS: pages.origin });
});
after(async () => {
  await browser?.close();
  await edge?.stop();
  await project?.stop();
  await system?.stop();
  await pages?.stop();
});

/** What programs in a page may tell the tests to do. */
const control = async (what, ...given) => {
  if (what === 'expired') {
    const { sub, session_id: session } = decodeJwt(given[0]);
    const claims = { session_id: session };
    return sign(system.stack.keys, { issuer: system.stack.issuer.issuer, sub, claims, ttl: -60 });
  }
  return (project.realtime[what] ?? project.functions[what])(...given);
};

/** Opens a tab; in a browser of its own unless one is given. */
const open = async ({ context, origin = pages.origin } = {}) => {
  const own = context ?? (await browser.newContext());
  const page = await own.newPage();
  await page.exposeFunction('control', control);
  await page.goto(`${origin}/`);
  const evaluated = ({ module, name, url, key, given }) => {
    const connect = ({ accessToken, key: other, autoRefreshToken = false, ...realtimeOptions } = {}) =>
      globalThis.supabase.createClient(url, other ?? key, {
        auth: { autoRefreshToken, detectSessionInUrl: false },
        db: { schema: 'sample' },
        realtime: realtimeOptions,
        ...(accessToken && { accessToken }),
      });
    return import(`/${module}.js`).then((programs) =>
      programs[name]({ connect, control: globalThis.control, ...given }),
    );
  };
  const run = (module, name, given = {}) =>
    page.evaluate(evaluated, { module, name, url: edge.url, key: project.key, given });
  return { page, context: own, run, auth: (name, given) => run('auth', name, given) };
};

const newPerson = () => ({ email: freshEmail(), password: PASSWORD });

/** Somebody with an account: on a project of Supabase the one that the environment names. */
const somebody = async () => {
  if (isReal) return { email: process.env.SUPABASE_TEST_EMAIL, password: process.env.SUPABASE_TEST_PASSWORD };
  const person = newPerson();
  const { auth, context } = await open();
  await auth('signUp', person);
  await context.close();
  return person;
};

test('realtime: presence, broadcasts and bytes', async () => {
  const { run, context } = await open();
  const payload = { text: 'ä 😀', list: [1, null] };
  const { echo, note, reply, bytes, letters, left } = await run('realtime', 'conversation', { room: randomUUID() });
  assert.deepEqual(
    [echo, note, reply.payload, bytes, letters, left],
    [
      { event: 'note', payload },
      { event: 'note', payload },
      { text: 'good' },
      [3, 0, 255, 7],
      [payload, payload],
      'ok',
    ],
  );
  await context.close();
});

test('realtime: changes, a cut connection, tokens, refusals', needsStandIn, async () => {
  const { run, context } = await open();
  const { inserts, last } = await run('realtime', 'changes', { room: randomUUID() });
  assert.deepEqual([inserts.length, last[0]], [1, 'DELETE']);
  assert.deepEqual((await run('realtime', 'cut', { room: randomUUID() })).meanwhile, 'ok');
  assert.equal(await run('realtime', 'heartbeats', { room: randomUUID() }), 'ok');
  const tokenOf = (options) =>
    sign(system.stack.keys, { issuer: system.stack.issuer.issuer, sub: randomUUID(), ...options });
  const [good, renewed, expired] = [await tokenOf(), await tokenOf(), await tokenOf({ ttl: -60 })];
  const { atJoin, later } = await run('realtime', 'tokens', { room: randomUUID(), good, renewed, expired });
  assert.deepEqual([atJoin, later], [[good], [renewed]]);
  const secret = await sign(system.stack.keys, { issuer: system.stack.issuer.issuer, role: 'service_role' });
  const room = randomUUID();
  const { status } = await run('realtime', 'refused', { room, token: secret });
  assert.deepEqual([status, project.realtime.tokens(room)], ['CHANNEL_ERROR', []]);
  await context.close();
});

test('storage: files from their upload to their end', needsVariable('SUPABASE_TEST_BUCKET'), async () => {
  const { run, context } = await open();
  const text = 'The quick brown fox: ä 😀';
  const size = Buffer.byteLength(text);
  const given = { bucket: process.env.SUPABASE_TEST_BUCKET ?? 'files', folder: randomUUID() };
  const seen = await run('storage', 'files', given);
  assert.deepEqual([seen.downloaded, seen.streamed, seen.public[2], seen.signed[1]], [text, text, text, text]);
  assert.deepEqual(seen.part, [206, `bytes 4-8/${size}`, 'quick']);
  assert.deepEqual(seen.duplicate.slice(1), ['StorageApiError', '409', 'The resource already exists']);
  assert.deepEqual([seen.removed, seen.left], [3, []]);
  await context.close();
});

test('functions: bodies, headers of one’s own, streams, errors', needsVariable('SUPABASE_TEST_FUNCTION'), async () => {
  const { run, context } = await open();
  const seen = await run('functions', 'echo', { name: process.env.SUPABASE_TEST_FUNCTION });
  assert.deepEqual(
    [seen.posted[1], seen.own, seen.region[0], seen.form],
    [{ text: 'ä 😀', list: [1, null] }, ['mine', 'yours', 't=1,v1=00'], 'eu-west-1', true],
  );
  if (!isReal) {
    const { own, blob, events, fails, relay } = await run('functions', 'answers');
    assert.equal(own, 'yours', 'a page may read a header of the function');
    assert.deepEqual(
      [blob.slice(1), events],
      [
        [3, 0, 255],
        ['data: 1\n\n', 'data: 2\n\n'],
      ],
    );
    assert.deepEqual([fails, relay[0]], [['FunctionsHttpError', 422, '{"mine":true}'], 'FunctionsRelayError']);
  }
  await context.close();
});

test('accounts: sign-up to row to sign-out', needsStandIn, async () => {
  const { auth, context } = await open();
  assert.deepEqual(await auth('wholeWay', newPerson()), {
    row: ['First', true],
    claims: [true, true, { name: 'Ada' }],
    type: 'bearer',
    asked: true,
    out: null,
    ended: 'AuthSessionMissingError',
    refused: '42501',
    wrong: ['AuthApiError', 400, 'invalid_credentials'],
    again: true,
    rows: [{ name: 'First' }],
  });
  await context.close();
});

test('accounts: a session is renewed in the background', needsVariable('SUPABASE_TEST_EMAIL'), async () => {
  const { auth, context } = await open();
  assert.deepEqual(await auth('background', await somebody()), [true, true]);
  await context.close();
});

test('accounts: a session that has expired is renewed when it is used', needsStandIn, async () => {
  const { auth, context } = await open();
  assert.deepEqual(await auth('late', newPerson()), [true, true, true]);
  await context.close();
});

test('accounts: two tabs share a session', needsVariable('SUPABASE_TEST_EMAIL'), async () => {
  const person = await somebody();
  const first = await open();
  const second = await open({ context: first.context });
  await second.auth('listen');
  const id = await first.auth('signIn', person);
  assert.equal(await second.auth('until', { event: 'SIGNED_IN' }), id, 'one signs in for both');
  assert.equal(await second.auth('who'), id);
  await first.auth('expire');
  const both = [first, second];
  const renewed = await Promise.all(both.map(({ auth }) => auth('who')));
  // The client leaves a tab alone whose storage another has just written; it then has what that one has.
  const known = [id, 'AuthRefreshDiscardedError'];
  assert.ok(renewed.every((answer) => known.includes(answer)) && renewed.includes(id), `${renewed}`);
  assert.deepEqual(await Promise.all(both.map(({ auth }) => auth('who'))), [id, id], 'both go on');
  await first.auth('signOut');
  await second.auth('until', { event: 'SIGNED_OUT' });
  assert.equal(await second.auth('who'), 'AuthSessionMissingError', 'one signs out for both');
  await first.context.close();
});

test('accounts: a new password ends the sessions in other browsers', needsStandIn, async () => {
  const person = newPerson();
  const [first, second] = [await open(), await open()];
  const id = await first.auth('signUp', person);
  for (const { auth } of [first, second]) assert.equal(await auth('signIn', person), id);
  const weak = await first.auth('changePassword', { password: 'another horse battery' });
  assert.deepEqual(weak, ['AuthWeakPasswordError', 422, 'weak_password']);
  assert.equal(await second.auth('who'), 'AuthSessionMissingError');
  assert.equal(await first.auth('who'), id);
  for (const { context } of [first, second]) await context.close();
});

test('a refusal of the edge itself has a code in auth-js', async () => {
  const { auth, context } = await open();
  assert.deepEqual(await auth('refusals', newPerson()), {
    unknown: ['AuthApiError', 401, 'RG208'],
    wrong: ['AuthApiError', 401, 'RG202'],
  });
  await context.close();
});

/** One request to each service that a browser asks about first. */
const PREFLIGHTED = {
  auth: '/auth/v1/signup',
  realtime: '/realtime/v1/api/broadcast',
  storage: '/storage/v1/object/files/a.txt',
  functions: '/functions/v1/echo',
};

test(
  'a browser asks before each, and a page of an origin that is not on the list reaches none',
  needsStandIn,
  async () => {
    const answers = async (origin) => {
      const { page, context } = await open({ origin });
      const seen = [];
      const devtools = await context.newCDPSession(page);
      await devtools.send('Network.enable');
      devtools.on('Network.responseReceived', ({ type, response }) => {
        if (type === 'Preflight') seen.push([new URL(response.url).pathname, response.status]);
      });
      const ask = ({ url, key, paths }) =>
        Promise.all(
          paths.map((path) =>
            fetch(url + path, {
              method: 'POST',
              headers: { apikey: key, 'x-client-info': 'a', 'my-own': 'b' },
              body: '{}',
            }).then(
              ({ status }) => status,
              ({ name }) => name,
            ),
          ),
        );
      const paths = Object.values(PREFLIGHTED);
      const statuses = await page.evaluate(ask, { url: edge.url, key: project.key, paths });
      await context.close();
      return { statuses, seen: seen.sort(), paths };
    };
    const allowed = await answers(pages.origin);
    assert.ok(
      allowed.statuses.every((status) => Number.isInteger(status)),
      `${allowed.statuses}`,
    );
    assert.deepEqual(allowed.seen, allowed.paths.map((path) => [path, 204]).sort());
    const there = project.received.length;
    const { statuses } = await answers(pages.other);
    assert.deepEqual(statuses, ['TypeError', 'TypeError', 'TypeError', 'TypeError']);
    assert.equal(project.received.length, there);
  },
);
