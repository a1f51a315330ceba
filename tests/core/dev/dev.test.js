// `npm run dev` and its companions, driven from outside as a developer does.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { root } from '../../../dev/paths.js';
import { priceList } from '../../../dev/price_list.js';
import { alive, freePort, waitFor } from '../../../dev/process.js';
import { needs, ask as request } from '../../support/stack.js';
import { startService } from '../support/services.js';

const data = mkdtempSync(join(tmpdir(), 'rowgate-dev-'));
const env = { ...process.env, ROWGATE_DATA: data };
const owner = randomUUID();
let running;
let functions;

/** Processes that name the data directory in their command line. */
const leftovers = () => {
  if (!existsSync('/proc/self/cmdline')) {
    const { stdout } = spawnSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' });
    return stdout
      .split('\n')
      .filter((line) => line.includes(data))
      .map((line) => line.trim().split(' ')[0]);
  }
  const commandLine = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && commandLine(name).includes(data));
};

after(async () => {
  await functions?.stop();
  if (running && running.exitCode === null && running.signalCode === null) process.kill(-running.pid, 'SIGKILL');
  for (const pid of leftovers()) process.kill(Number(pid), 'SIGKILL');
  rmSync(data, { recursive: true, force: true });
});

/** Starts `npm run dev` in a process group of its own, as a terminal does. */
const start = async (port) => {
  const child = spawn('npm', ['run', 'dev'], {
    cwd: root,
    detached: true,
    env: { ...env, ...(port && { ROWGATE_PORT: `${port}` }) },
  });
  child.said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      child.said += text;
    });
  child.ended = new Promise((resolve) => child.once('exit', resolve));
  running = child;
  const given = () => (child.exitCode === null ? undefined : child.said);
  await waitFor('the ready line', () => /^ready http/m.test(child.said), { seconds: 600, given });
  child.url = child.said.match(/^ready (http:\/\/127\.0\.0\.1:\d+)$/m)[1];
  return child;
};

const description = () => JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8'));
/** Runs a command of the project's to its end, with further environment variables. */
const npm = async (args, more = {}) => {
  const child = spawn('npm', ['run', '--silent', ...args], { cwd: root, env: { ...env, ...more } });
  const said = { stdout: '', stderr: '' };
  for (const name of Object.keys(said))
    child[name].on('data', (text) => {
      said[name] += text;
    });
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, ...said };
};
const token = async (...args) => (await npm(['token', '--', '--sub', owner, ...args])).stdout.trim();
const ask = (child, path, options) => request(path, { ...options, base: child.url });
const processes = () => JSON.parse(readFileSync(join(data, 'run.json'), 'utf8')).map(({ pid }) => pid);

const gone = async (child) => {
  await child.ended;
  await waitFor('no process to be left', () => leftovers().length === 0, { seconds: 15 });
};

test('a first start says ready, describes itself, and serves', async () => {
  const port = await freePort();
  functions = await startService();
  env.FUNCTIONS_URL = functions.url;
  const child = await start(port);
  assert.equal(child.url, `http://127.0.0.1:${port}`);
  const keys = ['edge_url', 'postgrest_url', 'database_url', 'issuer', 'jwks_url', 'anon_key', 'service_key'];
  assert.deepEqual(Object.keys(description()), keys);
  assert.equal(description().edge_url, child.url);
  for (const name of ['dev.json', 'keys.json', 'edge.env', 'postgrest.conf', 'postgrest-jwks.json']) {
    assert.equal(statSync(join(data, name)).mode & 0o077, 0, `${name} is nobody else's to read`);
  }
  const inserted = await ask(child, '/rest/v1/projects', { token: await token(), json: { name: 'survives' } });
  assert.equal(inserted.status, 201);
  // Services behind the edge are the developer's own, by the variables of the environment.
  assert.equal((await ask(child, '/functions/v1/hello', {})).status, 200);
  assert.equal(functions.last().url, '/hello');
  // What stands beside the bundle, which wrangler brings along.
  for (const path of ['/docs', '/openapi.json']) assert.equal((await ask(child, path, {})).status, 200, path);
});

test('the README’s way from sign-up to a row, word for word', needs('clixen'), async () => {
  assert.match(running.said, /accounts for development only, at http:\/\/127\.0\.0\.1:\d+\/auth\/v1/);
  const [, after] = readFileSync(join(root, 'README.md'), 'utf8').split('## From sign-up to row');
  const [section] = after.split('\n## ');
  const lines = section.split('\n').filter((line) => line.startsWith('    '));
  const isCommand = (line, at) => line.startsWith('    $ ') || (at > 0 && lines[at - 1].endsWith('\\'));
  const commands = lines.filter(isCommand).map((line) => line.replace(/^ {4}(\$ )?/, ''));
  const shown = lines.filter((line, at) => !isCommand(line, at)).map((line) => line.trim());
  assert.deepEqual([commands.length, shown.length], [6, 1]);
  const script = commands
    .join('\n')
    .replaceAll('http://127.0.0.1:8787', running.url)
    .replaceAll('.rowgate/', `${data}/`);
  const child = spawn('bash', ['-c', script], { cwd: root, env });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
  assert.equal(said, shown.join(''));
});

test('npm run token: role, claims and life as asked; a mistake is explained', async () => {
  const payload = (text) => JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));
  const found = payload(
    await token('--role', 'authenticated', '--claims', '{"app_metadata":{"role":"admin"}}', '--ttl', '60'),
  );
  assert.deepEqual([found.sub, found.role, found.exp - found.iat], [owner, 'authenticated', 60]);
  assert.deepEqual([found.app_metadata, found.iss], [{ role: 'admin' }, description().issuer]);
  for (const args of [[], ['--sub', owner, '--claims', '{'], ['--sub', owner, '--ttl', 'x'], ['--what']]) {
    const refused = await npm(['token', '--', ...args]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /Usage: npm run token -- --sub <uuid>/);
  }
});

test('a second start in the same place is refused in a sentence', async () => {
  const second = await npm(['dev']);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /already running \(process \d+\)\. Stop it first\./);
});

/** Runs a query in the database of the system. */
const query = async (text) => {
  const client = new pg.Client({ connectionString: description().database_url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};
/** How many rows each of these tables has. */
const counts = async (condition) => {
  const names = await query(
    `select c.oid::regclass::text as name from pg_catalog.pg_class as c where c.relkind = 'r' and ${condition} order by 1`,
  );
  const rows = await query(
    names.map(({ name }) => `select '${name}' as name, count(*)::int as n from ${name}`).join(' union all '),
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
};

test('npm run prices loads the pinned list, and a second run changes nothing', async () => {
  const { name, prices, left } = await priceList();
  const models = new Set(prices.map(({ provider, model }) => `${provider}/${model}`)).size;
  const stored = () =>
    query(`select count(*)::int as n, count(distinct (provider, model))::int as models,
      md5(string_agg(p::text, ',' order by p::text)) as digest from private.model_prices as p`);
  const first = await npm(['prices']);
  assert.deepEqual(
    [first.status, first.stdout],
    [0, `${name}: ${models} models; ${prices.length} prices added, 0 changed, 0 as before\n`],
    first.stderr,
  );
  assert.match(first.stderr, new RegExp(`^\\[prices\\] ${left.length} models left out: `, 'm'));
  const [there] = await stored();
  assert.deepEqual([there.n, there.models], [prices.length, models]);
  const [opus] =
    await query(`select input_micro::int as input, output_micro::int as output, cache_read_micro::int as cached
    from private.model_prices where provider = 'anthropic' and model = 'claude-opus-4-1' and speed = 'standard'`);
  assert.deepEqual(opus, { input: 15_000_000, output: 75_000_000, cached: 1_500_000 });
  const second = await npm(['prices']);
  assert.match(second.stdout, new RegExp(`; 0 prices added, 0 changed, ${prices.length} as before\n$`));
  assert.deepEqual(await stored(), [there]);
  const wrong = await npm(['prices', '--', 'now']);
  assert.deepEqual([wrong.status, /Usage: npm run prices/.test(wrong.stderr)], [1, true]);
});

test(
  'the sample sessions are there for their users, and seeding again changes nothing',
  needs('observatory'),
  async () => {
    // What somebody has searched for is stored a moment later.
    const tables = `(c.relnamespace = 'observatory'::regnamespace and c.relname <> 'search_history'
      or c.oid = 'private.message_search'::regclass)`;
    assert.equal((await npm(['db:seed'])).status, 0);
    const [ada, grace] = await Promise.all(
      [1, 2].map(async (n) =>
        (await npm(['token', '--', '--sub', `00000000-0000-4000-8000-00000000000${n}`])).stdout.trim(),
      ),
    );
    const list = async (who, path) => {
      const answer = await ask(running, path, { token: who, headers: { 'accept-profile': 'observatory' } });
      assert.equal(answer.status, 200, answer.text);
      return answer.body;
    };
    const names = async (who) => (await list(who, '/rest/v1/projects?select=name&order=name')).map(({ name }) => name);
    assert.deepEqual(await names(ada), ['Notes', 'Recipe finder']);
    assert.deepEqual(await names(grace), ['Recipe finder', 'Support bot']);
    const columns = 'session_id,agent_id,message_count,tool_call_count,forked_from';
    const talks = await list(ada, `/rest/v1/conversations?select=${columns}&order=session_id,agent_id.nullsfirst`);
    assert.deepEqual(talks.map(Object.values), [
      ['seed-fork', null, 2, 0, 'seed-search'],
      ['seed-notes', null, 4, 0, null],
      ['seed-photos', null, 2, 0, null],
      ['seed-search', null, 6, 2, null],
      ['seed-search', 'seedagent1', 2, 0, null],
    ]);
    const { results } = await list(ada, '/v1/search?q=split_words');
    assert.ok(results.length >= 3, JSON.stringify(results));
    assert.deepEqual((await list(grace, '/v1/search?q=212+notes')).results, []);
    const { totals } = await list(ada, '/v1/analytics/overview?from=2026-11-20&to=2026-11-20');
    assert.deepEqual([totals.requests, totals.input_tokens], [8, 8800]);
    const before = await counts(tables);
    assert.ok(
      before['observatory.usage_records'] === 9 && before['observatory.daily_rollups'] > 0,
      JSON.stringify(before),
    );
    assert.equal((await npm(['db:seed'])).status, 0);
    assert.deepEqual(await counts(tables), before);
  },
);

test('db: status, verify, seed twice, reset', needs('growth'), async () => {
  assert.match((await npm(['db:status'])).stdout, /Pending: 0/);
  assert.match((await npm(['db:verify'])).stdout, /objects are as the migrations intend/);
  for (let n = 0; n < 2; n++) assert.equal((await npm(['db:seed'])).status, 0);
  const admin = await token('--claims', '{"app_metadata":{"role":"admin"}}');
  const leads = () =>
    ask(running, '/rest/v1/leads?select=email', { token: admin, headers: { 'accept-profile': 'marketing' } });
  assert.equal((await leads()).body.length, 6);
  const remote = await npm(['db:seed'], { DATABASE_URL: description().database_url.replace('127.0.0.1', '127.0.0.2') });
  assert.deepEqual(
    [remote.status, /for local databases only; this one is on 127\.0\.0\.2/.test(remote.stderr)],
    [1, true],
  );
  const elsewhere = description().database_url.replace('127.0.0.1', '127.0.0.2');
  const careful = await npm(['db:rollback'], { DATABASE_URL: elsewhere });
  assert.equal(careful.status, 1);
  assert.match(careful.stderr, /drops tables with their data, on 127\.0\.0\.2\. Say --yes/);
  assert.equal((await npm(['db:rollback', '--', '1'])).status, 0);
  const drifted = await npm(['db:verify']);
  assert.deepEqual([drifted.status, /^missing: \w+ \w+/m.test(drifted.stdout)], [1, true]);
  assert.equal((await npm(['db:migrate'])).status, 0);
  assert.equal((await npm(['db:reset'])).status, 0);
  await waitFor('the empty database', async () => (await leads()).body?.length === 0);
  const inserted = await ask(running, '/rest/v1/projects', { token: await token(), json: { name: 'survives' } });
  assert.equal(inserted.status, 201);
});

test('kill -9 of any part is said, and the part comes back', async () => {
  const [, postgres, postgrest, edge] = processes();
  for (const [name, pid] of [
    ['PostgREST', postgrest],
    ['PostgreSQL', postgres],
    ['edge', edge],
  ]) {
    process.kill(pid, 'SIGKILL');
    await waitFor(`word of ${name}`, () =>
      running.said.includes(`${name} (process ${pid}) was killed by SIGKILL; it is started again`),
    );
    if (name === 'PostgREST') assert.equal((await ask(running, '/readyz')).status, 503);
    const ready = () =>
      ask(running, '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      );
    await waitFor(`${name} again`, ready, { seconds: 60 });
  }
});

test('Ctrl-C ends all of it, and the data is there at the next start', async () => {
  const before = running;
  process.kill(-before.pid, 'SIGINT');
  await gone(before);
  assert.throws(description, /ENOENT/, 'nothing describes a system that is gone');
  const child = await start();
  const { body } = await ask(child, '/rest/v1/projects?select=name', { token: await token() });
  assert.deepEqual(body, [{ name: 'survives' }]);
});

test('after a crash of npm and the supervisor the next start clears up and works', async () => {
  const crashed = running;
  const [supervisor, ...parts] = processes();
  process.kill(-crashed.pid, 'SIGKILL');
  await crashed.ended;
  await waitFor('the supervisor to be dead', () => !alive(supervisor));
  assert.ok(parts.every(alive), 'the parts outlive their supervisor');
  const child = await start();
  assert.match(child.said, /ending process \d+, left by a run that crashed/);
  assert.ok(parts.every((pid) => !alive(pid)));
  const { body } = await ask(child, '/rest/v1/projects?select=name', { token: await token() });
  assert.deepEqual(body, [{ name: 'survives' }]);
});

test('a signal to npm alone ends all of it too', async () => {
  running.kill('SIGTERM');
  await gone(running);
});

test('a database of before: `npm run dev` says what to run, and that mends it', async () => {
  const child = await start();
  const client = new pg.Client({ connectionString: description().database_url });
  await client.connect();
  await client.query(`insert into private.schema_migrations (version) values ('9998'), ('9999')`);
  await client.end();
  process.kill(-child.pid, 'SIGINT');
  await gone(child);
  const refused = await npm(['dev']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /This database was migrated by other files than those in migrations\/:/);
  assert.match(refused.stderr, /9998 is applied, and no file has this number\n/);
  assert.match(refused.stderr, /Run `npm run db:reset`/);
  assert.match(refused.stderr, /removed in this order: `npm run db:rollback`, then the file\./);
  assert.doesNotMatch(refused.stderr, /^ {4}at |ERROR|dbmate/m, 'no stack of calls or of SQL errors');
  assert.equal((await npm(['db:reset'])).status, 0);
  await waitFor('no process to be left', () => leftovers().length === 0, { seconds: 15 });
});

test('a taken port: another is found, or the chosen one is named', async () => {
  const server = createServer();
  const taken = await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
  const refused = await npm(['dev'], { ROWGATE_PORT: `${taken}` });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, new RegExp(`ROWGATE_PORT: port ${taken} is taken`));
  server.close();
  const usual = createServer();
  const got = await new Promise((resolve) => {
    usual.once('error', () => resolve(false));
    usual.listen(8787, '127.0.0.1', () => resolve(true));
  });
  const child = await start();
  assert.notEqual(child.url, 'http://127.0.0.1:8787', `${got ? 'we hold' : 'somebody holds'} the usual port`);
  usual.close();
  process.kill(-child.pid, 'SIGINT');
  await gone(child);
});
