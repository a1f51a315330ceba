// @supabase/supabase-js, unmodified, against the edge: in Node, and in Chromium from another origin.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient as create } from '@supabase/supabase-js';
import ws from 'ws';
import { root } from '../../dev/paths.js';
import { launch } from '../support/browser.js';
import { close, freshEmail, made, sql, stack, userToken } from '../support/stack.js';

after(close);

// Node 20 has no WebSocket of its own, and the client wants one even where nobody listens to changes.
const createClient = (url, key, options) => create(url, key, { ...options, realtime: { transport: ws } });

let signedIn;
let nobody;
let token;

before(async () => {
  token = await userToken();
  const options = { auth: { persistSession: false, autoRefreshToken: false } };
  nobody = createClient(stack.edge_url, made.publishable_key, { ...options, db: { schema: 'clixen' } });
  signedIn = createClient(stack.edge_url, made.publishable_key, {
    ...options,
    db: { schema: 'clixen' },
    accessToken: async () => token,
  });
  const rows = Array.from({ length: 6 }, (_, n) => ({ name: `p${n}`, description: n % 2 ? `odd ${n}` : null }));
  const { error } = await signedIn.from('projects').insert(rows);
  assert.equal(error, null);
});

const projects = () => signedIn.from('projects');
const names = ({ data, error }) => {
  assert.equal(error, null);
  return data.map(({ name }) => name);
};

test('select: columns, order, limit, range', async () => {
  assert.deepEqual(names(await projects().select('name').order('name').limit(2)), ['p0', 'p1']);
  assert.deepEqual(names(await projects().select('name').order('name', { ascending: false }).range(1, 2)), [
    'p4',
    'p3',
  ]);
});

test('filters of every operator', async () => {
  const by = async (build) => names(await build(projects().select('name').order('name')));
  const cases = [
    [(q) => q.eq('name', 'p1'), ['p1']],
    [(q) => q.neq('name', 'p1'), ['p0', 'p2', 'p3', 'p4', 'p5']],
    [(q) => q.gt('name', 'p3'), ['p4', 'p5']],
    [(q) => q.gte('name', 'p4'), ['p4', 'p5']],
    [(q) => q.lt('name', 'p1'), ['p0']],
    [(q) => q.lte('name', 'p1'), ['p0', 'p1']],
    [(q) => q.like('name', '%1'), ['p1']],
    [(q) => q.ilike('name', 'P%1'), ['p1']],
    [(q) => q.likeAnyOf('name', ['%1', '%2']), ['p1', 'p2']],
    [(q) => q.is('description', null), ['p0', 'p2', 'p4']],
    [(q) => q.not('description', 'is', null), ['p1', 'p3', 'p5']],
    [(q) => q.in('name', ['p1', 'p2', 'a,b("c")']), ['p1', 'p2']],
    [(q) => q.or('name.eq.p1,and(name.gt.p3,description.is.null)'), ['p1', 'p4']],
    [(q) => q.match({ name: 'p1', description: 'odd 1' }), ['p1']],
    [(q) => q.filter('name', 'in', '("p1","p5")'), ['p1', 'p5']],
    [(q) => q.textSearch('description', 'odd & 3'), ['p3']],
  ];
  for (const [build, wanted] of cases) assert.deepEqual(await by(build), wanted, build.toString());
});

test('single, maybeSingle, csv, count, head', async () => {
  assert.equal((await projects().select('name').eq('name', 'p1').single()).data.name, 'p1');
  const none = await projects().select('name').eq('name', 'none').single();
  assert.deepEqual([none.status, none.error.code], [406, 'PGRST116']);
  assert.deepEqual((await projects().select().eq('name', 'none').maybeSingle()).data, null);
  assert.equal((await projects().select('name').order('name').limit(2).csv()).data, 'name\np0\np1');
  const counted = await projects().select('name', { count: 'exact' }).limit(1);
  assert.deepEqual([counted.count, counted.data.length], [6, 1]);
  const head = await projects().select('*', { count: 'exact', head: true });
  assert.deepEqual([head.count, head.data], [6, null]);
});

test('insert, upsert, update, delete, each returning', async () => {
  const inserted = await projects().insert({ name: 'new' }).select('name, color').single();
  assert.deepEqual(inserted.data, { name: 'new', color: '#6366f1' });
  const many = await projects()
    .insert([{ name: 'm1' }, { name: 'm2', description: 'x' }], { defaultToNull: false })
    .select();
  assert.equal(many.data.length, 2);
  const updated = await projects().update({ description: 'changed' }).eq('name', 'new').select('description');
  assert.deepEqual(updated.data, [{ description: 'changed' }]);
  const removed = await projects().delete().in('name', ['new', 'm1', 'm2']).select('name');
  assert.equal(removed.data.length, 3);
  const duplicate = await projects().insert({ name: 'P1' });
  assert.deepEqual([duplicate.status, duplicate.error.code], [409, '23505']);
  const unfiltered = await projects().delete();
  assert.deepEqual([unfiltered.status, unfiltered.error.code], [400, 'RG307']);
});

test('rpc, and a schema chosen per call', async () => {
  const email = freshEmail();
  await sql('truncate private.rate_limits');
  const { data, error } = await nobody.schema('marketing').rpc('capture_lead', { lead: { email } });
  assert.deepEqual([data, error], [{ status: 'received' }, null]);
  assert.equal((await sql('select from marketing.leads where email = $1', [email])).length, 1);
  const refused = await nobody.schema('marketing').rpc('capture_lead', { lead: { email: 'x' } });
  assert.deepEqual(
    [refused.status, refused.error.code, refused.error.hint],
    [422, 'RG508', 'Enter an address such as name@example.org.'],
  );
});

test('without a session the key alone is nobody; an unknown key is refused', async () => {
  assert.equal((await nobody.from('projects').select()).status, 403);
  const stranger = createClient(stack.edge_url, 'rgpub_unknown_0123456789', { db: { schema: 'clixen' } });
  assert.deepEqual(
    [(await stranger.from('projects').select()).status, (await stranger.from('projects').select()).error.code],
    [401, 'RG208'],
  );
  const elsewhere = createClient(stack.edge_url, made.publishable_key);
  const unknown = await elsewhere.from('projects').select();
  assert.deepEqual([unknown.status, unknown.error.code], [406, 'PGRST106']);
  const service = createClient(stack.edge_url, stack.service_key, { db: { schema: 'clixen' } });
  assert.ok((await service.from('projects').select('id').limit(1)).data.length === 1);
});

test('abortSignal gives a request up', async () => {
  const { error } = await projects().select().abortSignal(AbortSignal.abort());
  assert.match(error.message, /abort/i);
});

test('the same client in Chromium, from another origin', async () => {
  const script = readFileSync(
    join(root, 'node_modules', '@supabase', 'supabase-js', 'dist', 'umd', 'supabase.js'),
    'utf8',
  );
  const server = createServer((request, response) => {
    response.setHeader('content-type', request.url === '/supabase.js' ? 'text/javascript' : 'text/html');
    response.end(
      request.url === '/supabase.js' ? script : '<!doctype html><title>app</title><script src="/supabase.js"></script>',
    );
  });
  // Origins of the usual development servers are allowed locally.
  const listen = (port) =>
    new Promise((resolve) =>
      server.once('error', () => resolve(undefined)).listen(port, 'localhost', () => resolve(port)),
    );
  const port = (await listen(5173)) ?? (await listen(4173)) ?? (await listen(3000));
  assert.ok(port, 'one of the ports 3000, 4173 and 5173 must be free');
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${port}/`);
    const found = await page.evaluate(
      async ({ url, key, token: bearer, name }) => {
        const client = globalThis.supabase.createClient(url, key, {
          db: { schema: 'clixen' },
          accessToken: async () => bearer,
        });
        const table = () => client.from('projects');
        const inserted = await table().insert({ name }).select('name').single();
        const counted = await table().select('name', { count: 'exact' }).order('name').range(0, 1);
        const updated = await table()
          .update({ description: 'from a browser' })
          .eq('name', name)
          .select('description')
          .single();
        const none = await table().select().eq('name', 'none').single();
        const removed = await table().delete().eq('name', name);
        return {
          inserted: inserted.data,
          counted: [counted.count, counted.data.length, counted.status],
          updated: updated.data,
          none: [none.status, none.error.code],
          removed: [removed.status, removed.error],
        };
      },
      { url: stack.edge_url, key: made.publishable_key, token, name: `browser ${randomUUID()}` },
    );
    assert.match(found.inserted.name, /^browser /);
    assert.deepEqual(found.counted, [7, 2, 206]);
    assert.deepEqual(found.updated, { description: 'from a browser' });
    assert.deepEqual(found.none, [406, 'PGRST116']);
    assert.deepEqual(found.removed, [204, null]);
    // The same page under a name that is not on the list.
    const stranger = createServer((_, response) => response.end('<title>other</title>'));
    const other = await new Promise((resolve) =>
      stranger.listen(0, '127.0.0.1', () => resolve(stranger.address().port)),
    );
    await page.goto(`http://127.0.0.1:${other}/`);
    const read = (url) =>
      fetch(`${url}/healthz`).then(
        () => 'read',
        () => 'blocked',
      );
    assert.equal(await page.evaluate(read, stack.edge_url), 'blocked');
    await page.goto(`http://localhost:${port}/`);
    assert.equal(await page.evaluate(read, stack.edge_url), 'read');
    stranger.closeAllConnections();
    await new Promise((resolve) => stranger.close(resolve));
  } finally {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
