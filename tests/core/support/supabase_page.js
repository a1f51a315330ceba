// A page of another origin that uses supabase-js, as a browser loads it.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { root } from '../../../dev/paths.js';

/** Serves a page with the library in it. */
export const servePage = async () => {
  const script = readFileSync(join(root, 'node_modules', '@supabase', 'supabase-js', 'dist', 'umd', 'supabase.js'));
  const server = createServer(({ url }, response) => {
    const isScript = url === '/supabase.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : '<!doctype html><title>app</title><script src="/supabase.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { port: server.address().port, close };
};

/** What a page does with its client; each step gives what there is to see of it. */
export const useInPage = async ({ url, key, bearer, prefix, slow }) => {
  const client = globalThis.supabase.createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    db: { schema: 'sample' },
    accessToken: async () => bearer,
  });
  const table = (name) => client.from(name);
  const seen = {};
  const title = (n) => `${prefix}${n}`;
  const counted = await table('projects').select('name', { count: 'exact' }).order('name').range(0, 1);
  seen.counted = [counted.status, counted.count, counted.data.length];
  const head = await table('projects').select('*', { count: 'exact', head: true });
  seen.head = [head.status, head.count, head.data];
  const embedded = await table('projects').select('name, test_notes(title)', { count: 'exact' }).eq('name', 'p2');
  seen.embedded = [embedded.count, embedded.data];
  const { data: parent } = await table('projects').select('id, user_id').eq('name', 'p2').single();
  const note = (n, more) => ({ project_id: parent.id, user_id: parent.user_id, title: title(n), ...more });
  const inserted = await table('test_notes')
    .insert(note(1, { body: 'ä 😀' }))
    .select('title, body')
    .single();
  seen.inserted = [inserted.status, inserted.data];
  const options = { onConflict: 'user_id,title', count: 'exact' };
  const upserted = await table('test_notes')
    .upsert([note(1, { place: 1 }), note(2, { place: 2 })], options)
    .select('place');
  seen.upserted = [upserted.status, upserted.count, upserted.data];
  const updated = await table('test_notes').update({ place: 3 }, { count: 'exact' }).eq('title', title(2));
  seen.updated = [updated.status, updated.count, updated.data];
  seen.rpc = [
    (await client.rpc('test_add', { a: 1, b: 2 })).data,
    (await client.rpc('test_add', { a: 1 }, { get: true })).data,
  ];
  const rows = await client.rpc('test_notes_of', { project: 'p2' }).select('title, place').eq('place', 3);
  seen.rows = rows.data;
  seen.csv = (await table('test_notes').select('title, place').like('title', `${prefix}%`).order('title').csv()).data;
  const removed = await table('test_notes').delete({ count: 'exact' }).like('title', `${prefix}%`);
  seen.removed = [removed.status, removed.count];
  const refused = await table('projects').insert({ name: 'p0' });
  seen.refused = [refused.status, refused.error];
  const none = await table('projects').select().eq('name', 'none').single();
  seen.none = [none.status, none.error.code];
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  const aborted = await client.rpc('test_sleep', { seconds: slow }).abortSignal(controller.signal);
  seen.aborted = [aborted.status, aborted.error.message.split(':')[0], aborted.error.hint];
  const headers = {
    apikey: key,
    authorization: `Bearer ${bearer}`,
    prefer: 'count=exact',
    'x-request-id': 'from-a-browser-1',
    // What other tools of a page add.
    'sentry-trace': '4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1',
    'x-region': 'eu',
    'x-requested-with': 'XMLHttpRequest',
    'cache-control': 'no-cache',
  };
  const answer = await fetch(`${url}/rest/v1/projects?select=name&limit=1`, { headers });
  const exposed = ['content-range', 'x-request-id', 'server-timing', 'preference-applied', 'content-profile'];
  seen.headers = Object.fromEntries(exposed.map((name) => [name, answer.headers.get(name)]));
  const missing = await fetch(`${url}/rest/v1/projects?nothing=eq.1`, { method: 'HEAD', headers });
  seen.missing = [missing.status, missing.headers.get('proxy-status')];
  const challenged = await fetch(`${url}/rest/v1/projects`, {
    headers: { apikey: key, authorization: 'Bearer a.b.c' },
  });
  seen.challenged = [challenged.status, challenged.headers.get('www-authenticate'), (await challenged.json()).code];
  return seen;
};
