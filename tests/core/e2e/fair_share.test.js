// One caller, and all anonymous callers together, hold at most their share of PostgREST's connections: at the edge, where the
// rest waits, and in the database, for callers past the edge and for other isolates.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { as, ask, close, edgeToken, made, needs, sql, stack, userToken } from '../../support/stack.js';
import { makeToken } from '../support/api_tokens.js';
import { startService } from '../support/services.js';

/** The shares of migrations/0015_fair_share.sql and of `LIMITS`. */
const CALLER = 3;
const ADDRESS = 2;
const ANONYMOUS = 7;

const MB = 1024 * 1024;

/** What workers may call, and bodies of lines. */
const NAPS = {
  name: 'naps',
  schemas: ['sample_more'],
  request_headers: [],
  variables: [],
  errors: [],
  jobs: [],
  endpoints: [
    {
      method: 'POST',
      path: '/v1/nap',
      access: 'worker',
      call: 'sample_more.test_sleep',
      identity: 'vouched',
      arguments: { seconds: { field: 'seconds', type: 'integer', required: true } },
    },
    {
      method: 'POST',
      path: '/v1/lines',
      access: 'user',
      call: 'sample_more.test_count',
      accepts: ['ndjson'],
      body_limit: '80 MB',
      line_limit: '64 KB',
      arguments: { lines: { body: 'lines' } },
    },
  ],
};

let edge;
before(async () => {
  await make(
    `create function sample_more.test_sleep(seconds float8) returns text language sql volatile
       as $$ select 'slept' from pg_sleep(seconds) $$;
     create function sample_more.test_count(lines jsonb) returns jsonb language sql volatile
       as $$ select jsonb_build_object('count', jsonb_array_length(lines)) $$;
     grant execute on function sample_more.test_sleep(float8) to anon, authenticated, service_role, edge;
     grant execute on function sample_more.test_count(jsonb) to authenticated`,
    '/rpc/test_sleep?seconds=0',
    'sample_more',
  );
  edge = await startEdge();
});
after(async () => {
  await edge?.stop();
  await drop('drop function sample_more.test_sleep(float8), sample_more.test_count(jsonb)');
  await close();
});

const profile = { 'content-profile': 'sample_more' };
const nap = (seconds, { headers, ...options } = {}) =>
  ask('/rest/v1/rpc/test_sleep', {
    json: { seconds },
    base: edge.url,
    headers: { ...profile, ...headers },
    ...options,
  });
const napPastTheEdge = (seconds, options) =>
  ask('/rpc/test_sleep', { json: { seconds }, base: stack.postgrest_url, headers: profile, ...options });

const times = (count, body) => Promise.all(Array.from({ length: count }, (_, n) => body(n)));
const count = (answers, status) => answers.filter((answer) => answer.status === status).length;

/** The statements of the fixture that run. */
const running = async () => {
  const [{ count }] = await sql(
    `select count(*)::int from pg_stat_activity
     where usename = 'authenticator' and state = 'active' and query like '%test_sleep%'`,
  );
  return count;
};

/** The most statements of the fixture that ran at once, until the work was done. */
const mostAtOnce = async (work) => {
  let most = 0;
  let done = false;
  const watch = (async () => {
    while (!done) {
      most = Math.max(most, await running());
      await sleep(20);
    }
  })();
  const answers = await work().finally(() => {
    done = true;
  });
  await watch;
  return { answers, most };
};

const from = (n) => ({ key: made.publishable_key, headers: { 'cf-connecting-ip': `198.51.100.${n}` } });

test('one user has at most a share of the connections, for every method; the rest waits and is served', async () => {
  const token = await userToken();
  const other = await userToken();
  const { answers, most } = await mostAtOnce(async () => {
    const slow = times(12, (n) =>
      n % 2
        ? nap(0.4, { token })
        : ask('/rest/v1/rpc/test_sleep?seconds=0.4', {
            token,
            base: edge.url,
            headers: { 'accept-profile': 'sample_more' },
          }),
    );
    await sleep(100);
    const others = await times(3, () => ask('/rest/v1/projects?limit=1', { token: other, base: edge.url }));
    assert.equal(count(others, 200), 3);
    return slow;
  });
  assert.equal(count(answers, 200), 12, JSON.stringify(answers.map(({ status, text }) => [status, text])));
  assert.equal(most, CALLER);
});

test('whose requests wait for longer than five seconds is answered 429, and nothing was written', async () => {
  const token = await userToken();
  const answers = await times(CALLER * 2, () => nap(5.6, { token }));
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(count(answers, 200), CALLER);
  assert.equal(refused.length, CALLER);
  for (const { body, headers } of refused) {
    assert.equal(body.code, 'RG407');
    assert.equal(headers.get('retry-after'), '1');
  }
});

test('one anonymous address has at most its share, all addresses together a share of their own', async () => {
  const one = await mostAtOnce(() => times(8, () => nap(0.3, from(1))));
  assert.deepEqual([count(one.answers, 200), one.most], [8, ADDRESS]);
  const token = await userToken();
  const all = await mostAtOnce(async () => {
    const slow = times(14, (n) => nap(0.5, from(n + 2)));
    await sleep(150);
    const users = await times(3, () => ask('/rest/v1/projects?limit=1', { token, base: edge.url }));
    assert.equal(count(users, 200), 3, 'users are served meanwhile');
    return slow;
  });
  assert.ok(all.most <= ANONYMOUS && all.most > CALLER, `${all.most}`);
});

test('IPv4 addresses that a front writes as IPv6 have a share each', async () => {
  const headers = (n) => ({ 'cf-connecting-ip': `::ffff:198.51.100.${n}` });
  const { answers, most } = await mostAtOnce(() =>
    times(2 * ADDRESS, (n) => nap(1.5, { key: made.publishable_key, headers: headers(n + 20) })),
  );
  assert.deepEqual([count(answers, 200), most], [2 * ADDRESS, 2 * ADDRESS]);
});

test('a caller who waits for a share keeps nobody else out of the line', async () => {
  const waiting = 16;
  const small = await startEdge({ LIMITS: JSON.stringify({ waiting }) });
  try {
    const token = await userToken();
    const other = await userToken();
    const at = { base: small.url };
    const read = ({ headers, ...options }) =>
      ask('/rest/v1/rpc/test_sleep?seconds=0.5', {
        headers: { 'accept-profile': 'sample_more', ...headers },
        ...options,
        ...at,
      });
    const floods = {
      'one address': () => times(40, () => read(from(100))),
      'many addresses': () => times(40, (n) => read(from(101 + n))),
      'one user': () => times(40, () => read({ token })),
    };
    for (const [who, flood] of Object.entries(floods)) {
      const flooding = flood();
      await sleep(150);
      const others = await times(3, () => ask('/rest/v1/projects?limit=1', { token: other, ...at }));
      assert.equal(count(others, 200), 3, `${who}: a user is served`);
      if (who !== 'many addresses')
        assert.equal((await nap(0, { ...from(99), ...at })).status, 200, `${who}: an address is served`);
      const answers = await flooding;
      const odd = answers.filter(({ status, body }) => status !== 200 && body.code !== 'RG407');
      assert.deepEqual(
        odd.map(({ status, text }) => [status, text]),
        [],
        who,
      );
      assert.ok(count(answers, 200) >= CALLER, who);
    }
  } finally {
    await small.stop();
  }
});

test('past the edge the database refuses what is over a share, at once', async () => {
  const token = await userToken();
  const anonymous = (claims) => edgeToken({ role: 'anon', ...claims });
  const users = await times(CALLER + 4, () => napPastTheEdge(1.5, { token }));
  assert.deepEqual([count(users, 200), count(users, 429)], [CALLER, 4]);
  const refused = users.find(({ status }) => status === 429);
  assert.equal(refused.body.code, 'RG518');
  assert.equal(refused.headers.get('retry-after'), '1');

  const addresses = await times(ANONYMOUS + 2, async (n) =>
    napPastTheEdge(1.5, { token: await anonymous({ edge: { addr: `address ${n}` } }) }),
  );
  assert.deepEqual([count(addresses, 200), count(addresses, 429)], [ANONYMOUS, 2]);
  assert.equal(addresses.find(({ status }) => status === 429).body.code, 'RG519');

  const nobody = await times(CALLER + 2, async () => napPastTheEdge(1.5, { token: await anonymous({}) }));
  assert.deepEqual([count(nobody, 200), count(nobody, 429)], [CALLER, 2], 'without a claim all are one caller');
  const shared = await anonymous({ edge: { shared: true } });
  const ofAll = await times(CALLER + 2, () => napPastTheEdge(0.5, { token: shared }));
  assert.equal(count(ofAll, 200), CALLER + 2, 'what the edge caches for all of them is no single caller’s');
  // The slots end with their transactions.
  assert.equal((await napPastTheEdge(0, { token })).status, 200);
});

test(
  'what anybody may ask takes from the share of anonymous callers, Meta’s verify token, too',
  needs('growth'),
  async () => {
    const question = '/v1/whatsapp/webhook?hub.mode=subscribe&hub.challenge=x&hub.verify_token=none';
    const holding = times(ANONYMOUS, async (n) =>
      napPastTheEdge(1.5, { token: await edgeToken({ role: 'anon', edge: { addr: `holder ${n}` } }) }),
    );
    await waitFor('all to hold a connection', async () => (await running()) === ANONYMOUS);
    const asked = await ask(question, { base: edge.url });
    assert.deepEqual([asked.status, asked.body.code], [429, 'RG519']);
    assert.equal(count(await holding, 200), ANONYMOUS);
    assert.equal((await ask(question, { base: edge.url })).status, 403);
  },
);

test('service_role and the edge’s own calls have no share', async () => {
  const service = await times(8, () => nap(0.4, { token: stack.service_key }));
  assert.equal(count(service, 200), 8);
  const token = await edgeToken({ role: 'edge' });
  const ready = await times(10, () =>
    ask('/rpc/ready', { json: {}, token, base: stack.postgrest_url, headers: { 'content-profile': 'edge' } }),
  );
  assert.equal(count(ready, 200), 10);
});

test('a worker with an API token has a share as a user has, also across isolates; a server has none', async () => {
  const isolates = await times(2, () => startEdge({}, [], undefined, [NAPS]));
  try {
    const [own, other] = await times(2, () =>
      makeToken(stack.service_key, { endpoints: ['POST /v1/nap'], access: 'write' }),
    );
    const naps = (howMany, { url }, token) =>
      times(howMany, () => ask('/v1/nap', { base: url, token, json: { seconds: 1 } }));
    const { answers, most } = await mostAtOnce(async () => {
      const slow = naps(7, isolates[0], own.token);
      await sleep(300);
      const [{ status }] = await naps(1, isolates[0], other.token);
      assert.equal(status, 200, 'another worker is served');
      return slow;
    });
    assert.equal(count(answers, 200), 7, JSON.stringify(answers.map(({ status, text }) => [status, text])));
    assert.equal(most, CALLER + 1);

    const both = (await Promise.all(isolates.map((isolate) => naps(CALLER, isolate, own.token)))).flat();
    const refused = both.filter(({ status }) => status === 429);
    assert.deepEqual([count(both, 200), refused.length], [CALLER, CALLER]);
    for (const { body, headers } of refused) assert.deepEqual([body.code, headers.get('retry-after')], ['RG518', '1']);

    const servers = await mostAtOnce(() => naps(7, isolates[0], stack.service_key));
    assert.deepEqual([count(servers.answers, 200), servers.most], [7, 7]);
  } finally {
    await times(2, (n) => isolates[n].stop());
  }
});

/** Sends requests that sleep for a second; gives the sockets, whose answers nobody reads. */
const sleepers = (howMany, token) => {
  const { hostname, port } = new URL(edge.url);
  return Array.from({ length: howMany }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(
      `GET /rest/v1/rpc/test_sleep?seconds=1 HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\nAccept-Profile: sample_more\r\n\r\n`,
    );
    return socket;
  });
};

test('a client that sends and hangs up again and again has no more statements at once, and is served when they have ended', async () => {
  const token = await userToken();
  // The edge alone, as where PostgREST does not call `request.begin`.
  await sql('update private.connection_shares set caller = 0');
  try {
    const { most } = await mostAtOnce(async () => {
      for (let round = 0; round < 8; round += 1) {
        const sockets = sleepers(CALLER, token);
        await sleep(200);
        for (const socket of sockets) socket.resetAndDestroy();
      }
    });
    assert.equal(most, CALLER);
  } finally {
    await sql('update private.connection_shares set caller = $1', [CALLER]);
  }
  // The places are free when PostgREST has answered, sooner than at the deadline.
  assert.equal((await nap(0, { token })).status, 200);
  await waitFor('the statements to end', async () => (await running()) === 0);
});

test('a client that has hung up does not make the database refuse the next request', async () => {
  const token = await userToken();
  const sockets = sleepers(CALLER, token);
  await waitFor('the statements to run', async () => (await running()) === CALLER);
  for (const socket of sockets) socket.resetAndDestroy();
  const answers = await times(CALLER, () => nap(0, { token }));
  assert.equal(count(answers, 200), CALLER, JSON.stringify(answers.map(({ status, text }) => [status, text])));
});

test('a client that hangs up while it waits leaves the queue', async () => {
  const token = await userToken();
  const logged = edge.log().length;
  const hold = times(CALLER, () => nap(1, { token }));
  await sleep(150);
  const sockets = sleepers(20, token);
  await sleep(200);
  for (const socket of sockets) socket.resetAndDestroy();
  const left = () => edge.log().slice(logged);
  await waitFor('each to be logged', () => left().filter(({ status }) => status === 499).length >= 20);
  // Behind twenty of a second each, three at a time, it would be refused after five seconds.
  assert.equal((await nap(0, { token })).status, 200);
  assert.equal(count(await hold, 200), CALLER);
});

test('every request role waits a second for a lock at most; anonymous callers have the shortest statements', async () => {
  const rows = await sql(
    `select rolname, array_to_string(rolconfig, ' ') as config from pg_roles
     where rolname in ('anon', 'authenticated', 'edge', 'service_role')`,
  );
  const config = Object.fromEntries(rows.map((row) => [row.rolname, row.config]));
  for (const [role, settings] of Object.entries(config)) assert.match(settings, /lock_timeout=1s/, role);
  assert.match(config.anon, /statement_timeout=2s/);

  const settings = (claims, role) =>
    as({ role, claims }, async (query) => {
      await query('select request.begin()');
      const [row] = await query(
        `select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement`,
      );
      return row;
    });
  assert.deepEqual(await settings({ edge: { addr: 'x' } }, 'anon'), { lock: '1s', statement: '2s' });
  assert.deepEqual(await settings({ edge: { addr: 'x' } }, 'edge'), { lock: '1s', statement: '2s' });
  assert.deepEqual(await settings({ edge: {} }, 'edge'), { lock: '1s', statement: '2s' });
  assert.equal((await settings({ sub: randomUUID() }, 'authenticated')).lock, '1s');
});

/**
 * How many requests of another caller were answered while so many of a flood were, by the order of the edge's log: those before the last
 * answer of the flood, and those of them after its first one.
 */
const answeredBetween = async (flood, isOfFlood, isolate = edge) => {
  const start = isolate.log().length;
  let over = false;
  const others = (async () => {
    while (!over) await ask('/healthz', { base: isolate.url, headers: { 'cf-connecting-ip': '198.51.100.250' } });
  })();
  const answers = await flood().finally(() => {
    over = true;
  });
  await others;
  const wanted = (lines) => lines.filter(({ event }) => event === 'request');
  const isDone = () => wanted(isolate.log().slice(start)).filter(isOfFlood).length >= answers.length;
  await waitFor('each to be logged', isDone);
  const lines = wanted(isolate.log().slice(start));
  const first = lines.findIndex(isOfFlood);
  const last = lines.findLastIndex(isOfFlood);
  const ofOthers = (from) => lines.slice(from, last).filter((line) => !isOfFlood(line)).length;
  return { answers, before: ofOthers(0), between: ofOthers(first) };
};

/** The others are asked from this process, too, which may have little time on a busy machine: up to three rounds. */
const answeredAtLeast = async (wanted, round) => {
  let most = 0;
  for (let n = 0; n < 3 && most < wanted; n += 1) most = Math.max(most, await round());
  assert.ok(most >= wanted, `${most}`);
};

test('refusals of one address go one after the other, and others are answered between them', async () => {
  await answeredAtLeast(12, async () => {
    const { answers, between } = await answeredBetween(
      () => times(250, () => ask('/nothing', { base: edge.url, ...from(240) })),
      ({ status }) => status === 404,
    );
    assert.equal(count(answers, 404), 250, 'nobody is refused for another reason');
    return between;
  });
});

test(
  'long bodies of one address are worked on one after the other, and others are answered between them',
  needs('clixen'),
  async () => {
    const node = (n) => ({
      ...{ id: `${n}`, name: `Node ${n}`, type: 'n8n-nodes-base.set', typeVersion: 3.4, position: [n, n] },
      parameters: { note: 'x'.repeat(400) },
    });
    const workflow = { name: 'Large', connections: {}, nodes: Array.from({ length: 200 }, (_, n) => node(n)) };
    await answeredAtLeast(20, async () => {
      const { answers, between } = await answeredBetween(
        () => times(20, () => ask('/v1/workflows/validate', { json: workflow, base: edge.url, ...from(241) })),
        ({ method }) => method === 'POST',
      );
      assert.equal(count(answers, 200), 20);
      return between;
    });
  },
);

test('long queries of one user are read one after the other, and others are answered between them', async () => {
  const token = await userToken();
  // The edge refuses the cast: PostgREST's own time would let others be answered as well.
  const names = ['id::regclass', ...Array.from({ length: 400 }, () => 'name')].join(',');
  await answeredAtLeast(12, async () => {
    const { answers, between } = await answeredBetween(
      () => times(12, () => ask(`/rest/v1/nothing?select=${names}`, { token, base: edge.url })),
      ({ status }) => status === 400,
    );
    assert.equal(count(answers, 400), 12, JSON.stringify(answers.map(({ status, text }) => [status, text])));
    return between;
  });
});

test('gzip that becomes a thousand times as large is read in turns, and others are answered meanwhile', async () => {
  const isolate = await startEdge({}, [], undefined, [NAPS]);
  try {
    const token = await userToken();
    // Blank lines: they are in no batch.
    const body = gzipSync(Buffer.alloc(40 * MB, '\n'));
    const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
    await answeredAtLeast(100, async () => {
      const { answers, before } = await answeredBetween(
        () => times(CALLER, () => ask('/v1/lines', { method: 'POST', body, headers, token, base: isolate.url })),
        ({ method }) => method === 'POST',
        isolate,
      );
      assert.equal(count(answers, 200), CALLER, JSON.stringify(answers.map(({ status, text }) => [status, text])));
      return before;
    });
  } finally {
    await isolate.stop();
  }
});

test(
  'the signature of a long webhook is checked in pieces: a request that comes with its last byte is answered before it',
  needs('growth'),
  async () => {
    const { hostname, port } = new URL(edge.url);
    const opened = async () => {
      const socket = connect(Number(port), hostname).setNoDelay(true);
      await once(socket, 'connect');
      return socket;
    };
    const body = `{"object":"${'x'.repeat(2.9 * MB)}"}`;
    const head = ['POST /v1/whatsapp/webhook HTTP/1.1', `Host: ${hostname}`, 'Content-Type: application/json'];
    head.push(`X-Hub-Signature-256: sha256=${'0'.repeat(64)}`, `Content-Length: ${body.length}`);
    const short = `GET /healthz HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`;
    for (let round = 0; round < 4; round += 1) {
      const [long, other] = await times(2, opened);
      try {
        const statuses = [];
        const answered = async (socket) => {
          const [data] = await once(socket, 'data');
          statuses.push(data.toString('latin1', 9, 12));
        };
        const address = `CF-Connecting-IP: 198.51.100.${242 + round}`;
        long.write(`${[...head, address].join('\r\n')}\r\n\r\n${body.slice(0, -1)}`);
        other.write(short);
        await answered(other);
        // The edge has all but the last byte.
        await sleep(200);
        const both = [answered(long), answered(other)];
        long.write(body.slice(-1));
        other.write(short);
        await Promise.all(both);
        assert.deepEqual(statuses, ['200', '200', '401'], `round ${round}`);
      } finally {
        for (const socket of [long, other]) socket.destroy();
      }
    }
  },
);

test('long files of storage are passed on in turns: a request of another user is answered between them', async () => {
  const file = Buffer.alloc(5 * MB, 'x');
  const waiting = [];
  const service = await startService({
    // All files at once, so that only the edge can put them apart.
    answer: (response, { url }) => {
      if (!url.endsWith('/long')) return response.end('{}');
      if (waiting.push(response) === 8) for (const each of waiting) each.end(file);
    },
  });
  const isolate = await startEdge({ STORAGE_URL: service.url });
  try {
    const [token, other] = await times(2, () => userToken());
    const get = (name, bearer) =>
      ask(`/storage/v1/object/authenticated/files/${name}`, { token: bearer, base: isolate.url });
    await get('short', other);
    const start = isolate.log().length;
    const requests = () =>
      isolate
        .log()
        .slice(start)
        .filter(({ event }) => event === 'request');
    const files = times(8, () => get('long', token));
    await waitFor('the first file', async () => requests().length > 0);
    const before = requests().length;
    assert.equal((await get('short', other)).status, 200);
    const after = requests().length;
    assert.equal(count(await files, 200), 8);
    assert.ok(before < 8 && after < 8, `${before} files were given before the other request, ${after} with it`);
  } finally {
    await isolate.stop();
    await service.stop();
  }
});
