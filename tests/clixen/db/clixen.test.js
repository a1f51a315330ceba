// clixen: what is counted is what a fresh count gives, no matter what happens at once; and what is a user's stays that user's.
import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { anything, batches, seed, spoiled } from '../../support/any_json.js';
import { as, ask, close, onBehalf, sql, stack, transaction, userToken } from '../../support/stack.js';
import { withoutStatistics } from '../../support/statistics.js';
import {
  add,
  claim,
  clear,
  deploy,
  finish,
  note,
  one,
  open,
  owner,
  projectWithChat,
  run,
  SERVICE,
  wrong,
} from '../support/rows.js';

after(async () => {
  await clear();
  await close();
});

/** Numbers from a seed, so that a failure can be had again. */
const generator = (seed) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};
const seedOf = () => Number(process.env.SEED ?? randomInt(2 ** 31));

/** Some of what a user has in a table, as the statement's own role sees it; none where there is none. */
const some = async (query, pick, table, user, most = 3) => {
  const rows = await query(`select id from clixen.${table} where user_id = $1 order by id`, [user]);
  return Array.from({ length: rows.length && 1 + pick(most) }, () => rows[pick(rows.length)].id);
};
const values = (rows) =>
  rows.map((row) => `(${row.map((value) => (value === null ? 'null' : `'${value}'`)).join(', ')})`).join(', ');

// What a user may do, each one statement of a request. `query` runs it.
const OWNERS = {
  'makes a project': async ({ query, user }) =>
    query('insert into clixen.projects (user_id, name) values ($1, $2)', [user, randomUUID()]),
  'adds workflows': async ({ query, pick, user }) => {
    const projects = await some(query, pick, 'projects', user, 5);
    const rows = projects.map((id) => [user, id, 'W', JSON.stringify({ n: pick(3) })]);
    if (rows.length > 0)
      await query(
        `insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_json) values ${values(rows)}`,
      );
  },
  'moves workflows': async ({ query, pick, user }) => {
    const [project] = await some(query, pick, 'projects', user, 1);
    const moved = await some(query, pick, 'mvp_workflows', user);
    await query('update clixen.mvp_workflows set project_id = $1 where id = any ($2)', [project ?? null, moved]);
  },
  'changes workflows': async ({ query, pick, user }) =>
    query('update clixen.mvp_workflows set n8n_workflow_json = $1, name = $2 where id = any ($3)', [
      { n: pick(3) },
      `W${pick(3)}`,
      await some(query, pick, 'mvp_workflows', user),
    ]),
  'calls workflows validated or archived': async ({ query, pick, user }) =>
    query('update clixen.mvp_workflows set status = $1 where id = any ($2)', [
      ['validated', 'archived', 'draft'][pick(3)],
      await some(query, pick, 'mvp_workflows', user, 1),
    ]),
  'deletes workflows': async ({ query, pick, user }) =>
    query('delete from clixen.mvp_workflows where id = any ($1)', [await some(query, pick, 'mvp_workflows', user, 2)]),
  'opens sessions': async ({ query, pick, user }) => {
    const projects = await some(query, pick, 'projects', user);
    const [workflow] = pick(2) ? await some(query, pick, 'mvp_workflows', user, 1) : [];
    const rows = projects.map((id) => [user, id, workflow ?? null]);
    if (rows.length > 0)
      await query(`insert into clixen.mvp_chat_sessions (user_id, project_id, workflow_id) values ${values(rows)}`);
  },
  'moves sessions': async ({ query, pick, user }) => {
    const [project] = await some(query, pick, 'projects', user, 1);
    const moved = await some(query, pick, 'mvp_chat_sessions', user);
    await query('update clixen.mvp_chat_sessions set project_id = $1 where id = any ($2)', [project ?? null, moved]);
  },
  'gives sessions a workflow or none': async ({ query, pick, user }) => {
    const [workflow] = pick(3) ? await some(query, pick, 'mvp_workflows', user, 1) : [];
    const sessions = await some(query, pick, 'mvp_chat_sessions', user, 2);
    await query('update clixen.mvp_chat_sessions set workflow_id = $1 where id = any ($2)', [
      workflow ?? null,
      sessions,
    ]);
  },
  'deletes sessions': async ({ query, pick, user }) =>
    query('delete from clixen.mvp_chat_sessions where id = any ($1)', [
      await some(query, pick, 'mvp_chat_sessions', user, 2),
    ]),
  'says something': async ({ query, pick, user }) => {
    const rows = (await some(query, pick, 'mvp_chat_sessions', user, 6)).map((id) => [user, id, 'Words']);
    if (rows.length > 0)
      await query(`insert into clixen.mvp_chat_messages (user_id, session_id, content) values ${values(rows)}`);
  },
  'mends messages': async ({ query, pick, user }) =>
    query('update clixen.mvp_chat_messages set content = $1 where id = any ($2)', [
      'Other words',
      await some(query, pick, 'mvp_chat_messages', user),
    ]),
  'deletes messages': async ({ query, pick, user }) =>
    query('delete from clixen.mvp_chat_messages where id = any ($1)', [
      await some(query, pick, 'mvp_chat_messages', user, 4),
    ]),
  'deletes a project': async ({ query, pick, user }) =>
    pick(3) === 0 &&
    query('delete from clixen.projects where id = any ($1)', [await some(query, pick, 'projects', user, 1)]),
  'comes for the first time': async ({ query, user, service }) =>
    !service && query('select clixen.create_user_profile()', user && []),
};

// What only service_role may do.
const OFFICE = {
  'moves messages, and says when they came': async ({ query, pick, user }) => {
    const [session] = await some(query, pick, 'mvp_chat_sessions', user, 1);
    const moved = await some(query, pick, 'mvp_chat_messages', user);
    await query(
      `update clixen.mvp_chat_messages set session_id = $1, created_at = created_at - make_interval(secs => $2) where id = any ($3)`,
      [session ?? null, pick(2), moved],
    );
  },
  'names messages anew while it moves them': async ({ query, pick, user }) => {
    const [session] = await some(query, pick, 'mvp_chat_sessions', user, 1);
    const moved = await some(query, pick, 'mvp_chat_messages', user, 2);
    await query('update clixen.mvp_chat_messages set session_id = $1, id = gen_random_uuid() where id = any ($2)', [
      session ?? null,
      moved,
    ]);
  },
  'gives workflows to another': async ({ query, pick, user, other }) => {
    const [project] = await some(query, pick, 'projects', other, 1);
    const given = await some(query, pick, 'mvp_workflows', user);
    if (project)
      await query('update clixen.mvp_workflows set user_id = $1, project_id = $2 where id = any ($3)', [
        other,
        project,
        given,
      ]);
  },
  'deletes deployments': async ({ query, pick, user }) =>
    query('delete from clixen.deployments where id = any ($1)', [await some(query, pick, 'deployments', user, 1)]),
  'hears of an execution': async ({ query, pick, user }) => {
    const rows = await query(
      'select n8n_workflow_id from clixen.mvp_workflows where user_id = $1 and n8n_workflow_id is not null',
      [user],
    );
    if (rows.length > 0)
      await query('select clixen.record_execution($1, now(), 12)', [rows[pick(rows.length)].n8n_workflow_id]);
  },
};

/** Opens a deployment and takes it as far as chance has it. */
const deploys = async ({ pick, user }) => {
  const who = owner(user);
  const [workflow] = await as(who, (query) => some(query, pick, 'mvp_workflows', user, 1));
  if (!workflow) return;
  const { id } = await open(who, workflow, pick(4) ? null : 0);
  const { lease } = await claim(id);
  const far = pick(5);
  if (far === 0 || !lease) return;
  const n8n = randomUUID();
  await note(id, lease, n8n);
  if (far > 1) await finish(id, lease, { status: far > 2 ? 'deployed' : 'failed', n8n_workflow_id: n8n });
};

const QUEUE = ['RG522', 'RG523', 'RG524', 'RG525', 'RG501', 'RG529'];
/** What may be answered to somebody whose row has gone, or who is not the first. */
const expected = (error, more = []) =>
  ['23503', '23502', '23505', ...more].includes(error.code) ||
  (error.code === 'PGRST' && QUEUE.includes(JSON.parse(error.message).code));

const acts = async ({ pick, user, other, office = 8, more }) => {
  const service = pick(office) === 0;
  const kinds = Object.entries(service ? { ...OWNERS, ...OFFICE } : OWNERS);
  const at = pick(kinds.length + (service ? 0 : 3));
  const [name, act] = kinds[at] ?? ['deploys', deploys];
  try {
    if (act === deploys) await deploys({ pick, user });
    else await as(service ? SERVICE : owner(user), (query) => act({ query, pick, user, other, service }));
  } catch (error) {
    if (!expected(error, more)) throw new Error(`${name}: ${error.code} ${error.message}`, { cause: error });
  }
  return name;
};

/** What is remembered from before: what it must come from, and not only what it must be. */
const snapshot = async (users) => {
  const all = async (text) => new Map((await sql(text, [users])).map((row) => [row.id, row]));
  return {
    workflows: await all(
      'select id, version::int, n8n_workflow_json::text as json, last_deployed_at from clixen.mvp_workflows where user_id = any ($1)',
    ),
    sessions: await all(
      'select id, workflow_id, workflow_created, workflow_deployed from clixen.mvp_chat_sessions where user_id = any ($1)',
    ),
    profiles:
      await all(`select id, first_workflow_created_at::text as workflow, first_deployment_at::text as deployment,
      (select min(created_at)::text from clixen.mvp_workflows where user_id = p.id) as oldest,
      (select min(completed_at)::text from clixen.deployments where user_id = p.id and status in ('deployed', 'rolled_back')) as served
      from clixen.user_profiles as p where id = any ($1)`),
  };
};
const least = (...times) => times.filter(Boolean).sort()[0] ?? null;
const follows = (before, now) => {
  for (const [id, { version, json }] of now.workflows) {
    const was = before.workflows.get(id);
    assert.equal(version, was ? was.version + (was.json === json ? 0 : 1) : 1, 'version');
  }
  for (const [id, session] of now.sessions) {
    const was = before.sessions.get(id);
    const served = now.workflows.get(session.workflow_id)?.last_deployed_at;
    assert.equal(session.workflow_created, Boolean(was?.workflow_created || session.workflow_id), 'workflow_created');
    assert.equal(session.workflow_deployed, Boolean(was?.workflow_deployed || served), 'workflow_deployed');
  }
  for (const [id, { workflow, deployment, oldest, served }] of now.profiles) {
    const was = before.profiles.get(id);
    assert.equal(workflow, least(was?.workflow, oldest), 'first_workflow_created_at');
    assert.equal(deployment, least(was?.deployment, served), 'first_deployment_at');
  }
};

test('counters, times and versions are what a fresh count gives, after each of many statements', async () => {
  const seed = seedOf();
  const pick = generator(seed);
  const users = [randomUUID(), randomUUID()];
  const done = {};
  let before = await snapshot(users);
  for (let n = 0; n < 400; n += 1) {
    const at = pick(2);
    const name = await acts({ pick, user: users[at], other: users[1 - at], office: 4 });
    done[name] = (done[name] ?? 0) + 1;
    const where = `seed ${seed}, statement ${n}: ${name}`;
    assert.deepEqual(await wrong(users), {}, where);
    const now = await snapshot(users);
    try {
      follows(before, now);
    } catch (error) {
      throw new Error(`${where}: ${error.message}`, { cause: error });
    }
    before = now;
    // Deployments are not what is limited here.
    if (n % 20 === 0) await sql(`delete from private.rate_limits where bucket ~ '^deployments'`);
  }
  assert.ok(Object.keys(done).length > 15, `seed ${seed}: much of it was done, ${Object.keys(done)}`);
});

/** Writers at once, each with numbers of its own. Gives the names of the failures that were not expected. */
const writeConcurrently = async ({ writers, statements, seed, options }) => {
  const failures = [];
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const pick = generator(seed + writer * 7919);
      for (let n = 0; n < statements; n += 1) {
        await acts({ pick, ...options(pick) }).catch((error) => failures.push(error.message));
      }
    }),
  );
  return failures;
};

test('eight writers of one user at once: no deadlock, and every count right', async () => {
  const seed = seedOf();
  const user = randomUUID();
  await sql(`update private.limit_rules set burst = 100000 where name = 'deployments'`);
  try {
    const failures = await writeConcurrently({
      writers: 8,
      statements: 60,
      seed,
      options: () => ({ user, office: 2 ** 20 }),
    });
    assert.deepEqual(failures, [], `seed ${seed}`);
  } finally {
    await sql(`update private.limit_rules set burst = 30 where name = 'deployments'`);
  }
  assert.deepEqual(await wrong([user]), {}, `seed ${seed}`);
  const [{ count }] = await sql(
    `select count(*)::int as count from private.audit_log where actor = $1 and relation = 'clixen.mvp_workflows'`,
    [user],
  );
  assert.ok(count > 50, `seed ${seed}: ${count} workflows came and went`);
});

test('two users and service_role at once: every count right', async () => {
  const seed = seedOf();
  const users = [randomUUID(), randomUUID()];
  const failures = await writeConcurrently({
    writers: 6,
    statements: 60,
    seed,
    options: (pick) => {
      const at = pick(2);
      // service_role stands in no line: it may meet a user half way, and one of them has to ask again.
      return { user: users[at], other: users[1 - at], office: 3, more: ['40P01'] };
    },
  });
  assert.deepEqual(failures, [], `seed ${seed}`);
  assert.deepEqual(await wrong(users), {}, `seed ${seed}`);
});

/** Two transactions: what the second does waits for the first, or not; then both are committed. */
const meanwhile = async (first, second) => {
  let other;
  await transaction(async (query) => {
    await first(query);
    other = second();
    await Promise.race([other, new Promise((resolve) => setTimeout(resolve, 200))]);
    await query('commit');
  });
  return other;
};

test('messages that one deletes while another writes some are counted', async () => {
  const { who, sub, session, message } = await projectWithChat();
  await meanwhile(
    (query) =>
      query('insert into clixen.mvp_chat_messages (user_id, session_id, content) values ($1, $2, $3)', [
        sub,
        session.id,
        'x',
      ]),
    () => run(SERVICE, 'delete from clixen.mvp_chat_messages where id = $1', [message.id]),
  );
  assert.deepEqual(await wrong([who.claims.sub]), {});
});

test('workflows that service_role makes beside the first call are counted', async () => {
  const who = owner();
  const project = await add(who, 'projects', { name: 'P' });
  await meanwhile(
    (query) =>
      query(`insert into clixen.mvp_workflows (user_id, project_id, name) values ($1, $2, 'W')`, [
        who.claims.sub,
        project.id,
      ]),
    () => run(who, 'select clixen.create_user_profile()'),
  );
  assert.deepEqual(await wrong([who.claims.sub]), {});
  assert.equal(await one(who, 'select total_workflows_created::int from clixen.user_profiles'), 1);
});

test('workflows that service_role deletes or gives away beside the first call are counted', async () => {
  for (const change of [
    'delete from clixen.mvp_workflows where id = $1 and $2::uuid is not null and $3::uuid is not null',
    'update clixen.mvp_workflows set user_id = $2, project_id = $3 where id = $1',
  ]) {
    const [from, to] = [owner(), owner()];
    const project = await add(from, 'projects', { name: 'P' });
    const workflow = await add(from, 'mvp_workflows', { project_id: project.id, name: 'W' });
    const target = await add(to, 'projects', { name: 'P' });
    await meanwhile(
      (query) => query(change, [workflow.id, to.claims.sub, target.id]),
      () => Promise.all([from, to].map((who) => run(who, 'select clixen.create_user_profile()'))),
    );
    assert.deepEqual(await wrong([from.claims.sub, to.claims.sub]), {}, change);
  }
});

test('a session that service_role gives a workflow while its deployment ends is marked, whichever comes first', async () => {
  for (const officeFirst of [false, true]) {
    const who = owner();
    const project = await add(who, 'projects', { name: 'P' });
    const workflow = await add(who, 'mvp_workflows', {
      project_id: project.id,
      name: 'W',
      n8n_workflow_json: { a: 1 },
    });
    const session = await add(who, 'mvp_chat_sessions', { project_id: project.id });
    const { id } = await open(who, workflow.id);
    const { lease } = await claim(id);
    const n8n_workflow_id = randomUUID();
    await note(id, lease, n8n_workflow_id);
    const outcome = { status: 'deployed', n8n_workflow_id };
    const gives = (query) =>
      query('update clixen.mvp_chat_sessions set workflow_id = $1 where id = $2', [workflow.id, session.id]);
    if (officeFirst) await meanwhile(gives, () => finish(id, lease, outcome));
    else {
      await meanwhile(
        (query) => query('select edge.finish_deployment($1, $2, $3)', [id, lease, outcome]),
        () => as(SERVICE, gives),
      );
    }
    assert.deepEqual(await wrong([who.claims.sub]), {}, officeFirst ? 'the office first' : 'the deployment first');
    assert.equal(await one(who, 'select workflow_deployed from clixen.mvp_chat_sessions'), true);
  }
});

// What a user tries. Each statement in a request of its own; what it is answered: rows, or the error's code.
const attempt = async (who, text, given) => {
  try {
    return (await run(who, text, given)).length;
  } catch (error) {
    return error.code === 'PGRST' ? JSON.parse(error.message).code : error.code;
  }
};

test('nobody writes what only functions may say', async () => {
  const { who, sub, project, workflow, session } = await projectWithChat();
  await deploy(who, workflow.id);
  const before = await sql(
    `select to_jsonb(w) as flow, to_jsonb(s) as chat, to_jsonb(p) as project, to_jsonb(u) as profile, to_jsonb(d) as deployment
     from clixen.mvp_workflows as w, clixen.mvp_chat_sessions as s, clixen.projects as p, clixen.user_profiles as u, clixen.deployments as d
     where w.id = $1 and s.id = $2 and p.id = w.project_id and u.id = w.user_id and d.workflow_id = w.id`,
    [workflow.id, session.id],
  );
  const flow = `update clixen.mvp_workflows set`;
  const statements = {
    42501: [
      `insert into clixen.deployments (user_id, workflow_id, deployment_version) values ('${sub}', '${workflow.id}', 7)`,
      `update clixen.deployments set status = 'deployed' where workflow_id = '${workflow.id}'`,
      `delete from clixen.deployments where workflow_id = '${workflow.id}'`,
      `${flow} status = 'failed' where id = '${workflow.id}'`,
      `insert into clixen.mvp_workflows (project_id, name, status) values ('${project.id}', 'x', 'deployed')`,
      `insert into clixen.mvp_workflows (project_id, name, status) values ('${project.id}', 'x', 'failed')`,
      ...['id', 'user_id'].map((name) => `${flow} ${name} = '${randomUUID()}' where id = '${workflow.id}'`),
      ...['n8n_workflow_id', 'deployment_url', 'deployment_error', 'deployment_status'].map(
        (name) => `${flow} ${name} = 'deployed' where id = '${workflow.id}'`,
      ),
      ...['version', 'execution_count', 'avg_execution_time_ms'].map(
        (name) => `${flow} ${name} = 9 where id = '${workflow.id}'`,
      ),
      ...['last_deployed_at', 'last_execution_at', 'created_at', 'updated_at'].map(
        (name) => `${flow} ${name} = now() where id = '${workflow.id}'`,
      ),
      ...['workflow_count = 9', 'last_activity_at = now()', `user_id = '${randomUUID()}'`].map(
        (set) => `update clixen.projects set ${set} where id = '${project.id}'`,
      ),
      ...['message_count = 9', 'last_message_at = now()', 'workflow_created = true', 'workflow_deployed = true'].map(
        (set) => `update clixen.mvp_chat_sessions set ${set} where id = '${session.id}'`,
      ),
      ...['session_id = gen_random_uuid()', `role = 'system'`, 'created_at = now()', 'tokens_used = 1'].map(
        (set) => `update clixen.mvp_chat_messages set ${set} where session_id = '${session.id}'`,
      ),
      ...[
        `tier = 'enterprise'`,
        'total_projects = 9',
        'total_workflows_created = 9',
        'total_deployments = 9',
        'first_deployment_at = now()',
        `email = 'x@example.org'`,
      ].map((set) => `update clixen.user_profiles set ${set} where id = '${sub}'`),
      `insert into clixen.user_profiles (id, tier) values ('${randomUUID()}', 'enterprise')`,
      `delete from clixen.user_profiles where id = '${sub}'`,
      `insert into clixen.telemetry_events (event_type, event_category, ip_address) values ('x', 'auth', '8.8.8.8')`,
      `insert into clixen.telemetry_events (event_type, event_category, user_agent) values ('x', 'auth', 'x')`,
      `update clixen.telemetry_events set event_type = 'x' where true`,
      `delete from clixen.telemetry_events where true`,
      // Upserts: what may not be set may not be set this way.
      `insert into clixen.mvp_workflows (project_id, name, status) values ('${project.id}', 'x', 'deployed') on conflict do nothing`,
      `insert into clixen.mvp_workflows (id, project_id, name) values ('${workflow.id}', '${project.id}', 'x')
        on conflict (id) do update set name = 'x'`,
      `insert into clixen.projects (id, name) values ('${project.id}', 'x') on conflict (id) do update set name = 'x'`,
      ...[
        'edge.claim_deployment(gen_random_uuid())',
        `edge.finish_deployment(gen_random_uuid(), gen_random_uuid(), '{}')`,
        `edge.note_deployment(gen_random_uuid(), gen_random_uuid(), 'x')`,
        'edge.unfinished_deployments(1)',
        `edge.claim_removal('x')`,
        `edge.removed_from_n8n('x', true)`,
        `edge.run_job('clean_audit')`,
        `edge.note_job('x', 1, 1, null)`,
        'private.clean_audit()',
        'private.clean_telemetry()',
        `clixen.record_execution('x', now(), 1)`,
        'clixen.may_finish_deployments()',
        `clixen.erase_user('${sub}')`,
        `private.note_security_event('tier_changed', null, '{}')`,
      ].map((call) => `select ${call}`),
      ...['deployment_runs', 'n8n_removals', 'security_events', 'audit_log', 'erased_users'].map(
        (table) => `select from private.${table}`,
      ),
    ],
  };
  for (const [code, list] of Object.entries(statements)) {
    for (const statement of list) assert.equal(await attempt(who, statement), code, statement);
  }
  // To say what it is already changes nothing; to unsay it may be, and to say it again not.
  assert.equal(await attempt(who, `${flow} status = 'deployed' where id = '${workflow.id}' returning id`), 1);
  const now = await sql(
    `select to_jsonb(w) - 'updated_at' as flow, to_jsonb(p) - 'last_activity_at' as project, to_jsonb(u) as profile
     from clixen.mvp_workflows as w, clixen.projects as p, clixen.user_profiles as u
     where w.id = $1 and p.id = w.project_id and u.id = w.user_id`,
    [workflow.id],
  );
  const without = (row, name) => Object.fromEntries(Object.entries(row).filter(([key]) => key !== name));
  assert.deepEqual(now[0].flow, without(before[0].flow, 'updated_at'));
  assert.deepEqual(now[0].project, without(before[0].project, 'last_activity_at'));
  assert.deepEqual(now[0].profile, before[0].profile);
  assert.equal(
    await attempt(
      who,
      `${flow} n8n_workflow_json = '{"b": 2}', status = 'deployed' where id = '${workflow.id}' returning id`,
    ),
    1,
  );
  assert.equal(
    await one(who, 'select status from clixen.mvp_workflows'),
    'draft',
    'a changed workflow is not deployed, in any role',
  );
  assert.equal(await attempt(who, `${flow} status = 'deployed' where id = '${workflow.id}'`), '42501');
});

test('a changed workflow is a draft, unless the same statement says that it is validated', async () => {
  const { who, workflow } = await projectWithChat();
  let step = 0;
  const save = async (status) => {
    step += 1;
    const [row] = await run(
      who,
      `update clixen.mvp_workflows set n8n_workflow_json = $2 ${status ? `, status = '${status}'` : ''} where id = $1
       returning status, version::int`,
      [workflow.id, { step }],
    );
    return [row.status, row.version];
  };
  const [{ version }] = await sql('select version::int from clixen.mvp_workflows where id = $1', [workflow.id]);
  const saved = [];
  for (const status of [
    'validated',
    'validated',
    undefined,
    'validated',
    'draft',
    'validated',
    'archived',
    'archived',
  ]) {
    saved.push(await save(status));
  }
  const wanted = ['validated', 'validated', 'draft', 'validated', 'draft', 'validated', 'archived', 'archived'];
  assert.deepEqual(
    saved,
    wanted.map((status, n) => [status, version + n + 1]),
  );
});

test('what is another’s answers like what is not there', async () => {
  const mine = await projectWithChat();
  const theirs = await projectWithChat();
  await deploy(theirs.who, theirs.workflow.id);
  const none = {
    project: { id: randomUUID() },
    workflow: { id: randomUUID() },
    session: { id: randomUUID() },
    message: { id: randomUUID() },
    sub: randomUUID(),
  };
  // Each of another's, then of nobody's.
  const statements = {
    'a workflow in a project': (t) =>
      `insert into clixen.mvp_workflows (project_id, name) values ('${t.project.id}', 'x')`,
    'a workflow for another': (t) =>
      `insert into clixen.mvp_workflows (user_id, project_id, name) values ('${t.sub}', '${t.project.id}', 'x')`,
    'a session in a project': (t) => `insert into clixen.mvp_chat_sessions (project_id) values ('${t.project.id}')`,
    'a session of a workflow': (t) =>
      `insert into clixen.mvp_chat_sessions (project_id, workflow_id) values ('${mine.project.id}', '${t.workflow.id}')`,
    'a message in a session': (t) =>
      `insert into clixen.mvp_chat_messages (session_id, content) values ('${t.session.id}', 'x')`,
    'a message for another': (t) =>
      `insert into clixen.mvp_chat_messages (session_id, user_id, content) values ('${t.session.id}', '${t.sub}', 'x')`,
    'telemetry for another': (t) =>
      `insert into clixen.telemetry_events (user_id, event_type, event_category) values ('${t.sub}', 'x', 'auth')`,
    'telemetry of a workflow': (t) =>
      `insert into clixen.telemetry_events (event_type, event_category, workflow_id, project_id, session_id)
       values ('x', 'auth', '${t.workflow.id}', '${t.project.id}', '${t.session.id}')`,
    'a workflow moved': (t) =>
      `update clixen.mvp_workflows set project_id = '${t.project.id}' where id = '${mine.workflow.id}'`,
    'a session moved': (t) =>
      `update clixen.mvp_chat_sessions set project_id = '${t.project.id}' where id = '${mine.session.id}'`,
    'a session of another workflow': (t) =>
      `update clixen.mvp_chat_sessions set workflow_id = '${t.workflow.id}' where id = '${mine.session.id}'`,
    'a workflow changed': (t) =>
      `update clixen.mvp_workflows set name = 'x' where id = '${t.workflow.id}' returning id`,
    'a project deleted': (t) => `delete from clixen.projects where id = '${t.project.id}' returning id`,
    'a session deleted': (t) => `delete from clixen.mvp_chat_sessions where id = '${t.session.id}' returning id`,
    'a message deleted': (t) => `delete from clixen.mvp_chat_messages where id = '${t.message.id}' returning id`,
    'a message changed': (t) =>
      `update clixen.mvp_chat_messages set content = 'x' where id = '${t.message.id}' returning id`,
    'a deployment opened': (t) => `select clixen.open_deployment('${t.workflow.id}')`,
    'a deployment rolled back': (t) => `select clixen.open_deployment('${t.workflow.id}', 0)`,
    'a default project': (t) => `select clixen.get_or_create_default_project('${t.sub}')`,
    'deployments read': (t) => `select from clixen.deployments where workflow_id = '${t.workflow.id}'`,
    'a summary read': (t) => `select from clixen.mvp_project_summary where id = '${t.project.id}'`,
    'a dashboard read': (t) => `select from clixen.mvp_user_dashboard_stats where user_id = '${t.sub}'`,
    'a chat read': (t) => `select from clixen.mvp_chat_messages where session_id = '${t.session.id}'`,
  };
  for (const [name, statement] of Object.entries(statements)) {
    const [foreign, absent] = [await attempt(mine.who, statement(theirs)), await attempt(mine.who, statement(none))];
    assert.equal(foreign, absent, name);
    // Telemetry keeps the ids that it is sent.
    const wanted = name === 'telemetry of a workflow' ? [0] : [0, '23503', '42501', 'RG522', 'RG528'];
    assert.ok(wanted.includes(foreign), `${name}: ${foreign}`);
  }
  assert.deepEqual(await wrong([mine.sub, theirs.sub]), {});
  // And their rows are as they were.
  for (const [table, id] of [
    ['projects', theirs.project.id],
    ['mvp_workflows', theirs.workflow.id],
    ['mvp_chat_sessions', theirs.session.id],
    ['mvp_chat_messages', theirs.message.id],
  ]) {
    assert.equal(
      (await sql(`select from clixen.${table} where id = $1 and user_id = $2`, [id, theirs.sub])).length,
      1,
      table,
    );
  }
  // Of views, one's own only, and all of that.
  assert.deepEqual(
    (await run(mine.who, 'select id from clixen.mvp_project_summary')).map(({ id }) => id),
    [mine.project.id],
  );
  assert.deepEqual(
    (await run(mine.who, 'select user_id from clixen.mvp_user_dashboard_stats')).map(({ user_id: id }) => id),
    [mine.sub],
  );
});

test('through PostgREST and the edge nobody reaches another’s either', async () => {
  const mine = await projectWithChat();
  const theirs = await projectWithChat();
  await deploy(theirs.who, theirs.workflow.id);
  const token = await userToken(mine.sub);
  const none = randomUUID();
  const profile = { 'accept-profile': 'clixen', 'content-profile': 'clixen' };
  const merge = { prefer: 'resolution=merge-duplicates,return=representation' };
  const ignore = { prefer: 'resolution=ignore-duplicates,return=representation' };
  // [method, path, body, headers] with an id of another's, then of nobody's: one status and one code.
  const cases = {
    'upsert of a workflow': (id) => [
      'POST',
      '/mvp_workflows?on_conflict=id',
      { id, project_id: mine.project.id, name: 'x' },
      merge,
    ],
    'upsert of a project': (id) => ['POST', '/projects?on_conflict=id', { id, name: 'x' }, ignore],
    'upsert of a session': (id) => [
      'POST',
      '/mvp_chat_sessions?on_conflict=id,user_id',
      { id, project_id: mine.project.id },
      merge,
    ],
    'upsert of a deployment': (id) => [
      'POST',
      '/deployments?on_conflict=id',
      { id, workflow_id: id, deployment_version: 1 },
      merge,
    ],
    'a workflow named by n8n’s id': (id) => [
      'POST',
      '/mvp_workflows?on_conflict=n8n_workflow_id',
      { n8n_workflow_id: id, project_id: mine.project.id, name: 'x' },
      merge,
    ],
    'a move': (id) => ['PATCH', `/mvp_workflows?id=eq.${mine.workflow.id}`, { project_id: id }, {}],
    'a change': (id) => ['PATCH', `/mvp_workflows?id=eq.${id}`, { name: 'x' }, { prefer: 'return=representation' }],
    'a deletion': (id) => ['DELETE', `/mvp_workflows?id=eq.${id}`, undefined, { prefer: 'return=representation' }],
    'a read': (id) => ['GET', `/mvp_workflows?id=eq.${id}`],
    'a read of deployments': (id) => ['GET', `/deployments?workflow_id=eq.${id}`],
    'a filter through what is embedded': (id) => [
      'GET',
      `/projects?select=id,mvp_workflows!inner(id)&mvp_workflows.id=eq.${id}`,
    ],
    'a filter two embeds deep': (id) => [
      'GET',
      `/mvp_chat_sessions?select=id,mvp_workflows!inner(id,deployments!inner(id))&mvp_workflows.deployments.workflow_id=eq.${id}`,
    ],
    'an or of both': (id) => ['GET', `/mvp_workflows?select=id&and=(id.eq.${id},or(name.eq.Flow,name.neq.Flow))`],
    'a count': (id) => ['HEAD', `/mvp_workflows?id=eq.${id}`, undefined, { prefer: 'count=exact' }],
    'opening a deployment': (id) => ['POST', '/rpc/open_deployment', { workflow_id: id }],
    'a default project': (id) => ['POST', '/rpc/get_or_create_default_project', { user_id: id }],
  };
  for (const [name, request] of Object.entries(cases)) {
    for (const base of [stack.postgrest_url, `${stack.edge_url}/rest/v1`]) {
      const answers = await Promise.all(
        [
          name === 'a move' ? theirs.project.id : name === 'a default project' ? theirs.sub : theirs.workflow.id,
          none,
        ].map((id) => {
          const [method, path, body, headers = {}] = request(id);
          return ask(path, {
            base,
            token,
            method,
            headers: { 'content-type': 'application/json', ...profile, ...headers },
            ...(body && { body: JSON.stringify(body) }),
          });
        }),
      );
      const [foreign, absent] = answers.map(({ status, body, headers }) => [
        status,
        Array.isArray(body) ? body : body?.code,
        headers.get('content-range'),
      ]);
      assert.deepEqual(foreign, absent, `${name} at ${base}`);
      if (foreign[0] < 300) assert.ok(!foreign[1]?.length, `${name} gave something`);
    }
  }
  assert.deepEqual(await wrong([mine.sub, theirs.sub]), {});
  for (const call of [
    'claim_deployment',
    'finish_deployment',
    'note_deployment',
    'unfinished_deployments',
    'run_job',
  ]) {
    const { status } = await ask(`/rpc/${call}`, {
      base: stack.postgrest_url,
      token,
      json: {},
      headers: { 'content-profile': 'edge' },
    });
    assert.ok([403, 404].includes(status), `${call}: ${status}`);
  }
});

test('views are read with the rights of the reader', async () => {
  const rows = await sql(
    `select c.relname as name from pg_class as c
     where c.relnamespace = 'clixen'::regnamespace and c.relkind = 'v' and not 'security_invoker=true' = any (coalesce(c.reloptions, '{}'))`,
  );
  assert.deepEqual(rows, []);
});

// Under row-level security a condition finds rows by an index only if its comparison cannot tell of rows that are not one's own.
const LEAKY = `select i.indexrelid::regclass::text as index, a.attname as column
  from pg_index as i
  join pg_class as c on c.oid = i.indrelid and c.relnamespace = 'clixen'::regnamespace
  cross join lateral unnest(i.indkey, i.indclass) with ordinality as k (key, class, position)
  join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.key
  join pg_opclass as o on o.oid = k.class
  join pg_amop as m on m.amopfamily = o.opcfamily and m.amoplefttype = o.opcintype and m.amoprighttype = o.opcintype and m.amopstrategy = 3
  join pg_operator as p on p.oid = m.amopopr
  join pg_proc as f on f.oid = p.oprcode
  where not f.proleakproof order by 1, 2`;

test('every column of an index can be looked for under row-level security', async () => {
  assert.deepEqual(await sql(LEAKY), []);
  await transaction(async (query) => {
    await query('create index fixture on clixen.mvp_chat_messages (session_id, role)');
    assert.deepEqual(await query(LEAKY), [{ index: 'clixen.fixture', column: 'role' }]);
  });
});

test('the index of a parent’s children has their owner', async () => {
  const plans = {
    mvp_workflows_project: `mvp_workflows where project_id = gen_random_uuid() order by updated_at desc, id desc limit 20`,
    mvp_workflows_name: 'mvp_workflows where project_id = gen_random_uuid() order by lower(name) limit 20',
    mvp_workflows_status: `mvp_workflows where status = 'draft' order by created_at desc limit 20`,
    mvp_chat_sessions_project:
      'mvp_chat_sessions where project_id = gen_random_uuid() order by last_message_at desc, id desc limit 20',
    mvp_chat_sessions_status: `mvp_chat_sessions where status = 'active' order by last_message_at desc limit 20`,
    mvp_chat_messages_session:
      'mvp_chat_messages where session_id = gen_random_uuid() order by created_at, id limit 50',
  };
  for (const [index, rest] of Object.entries(plans)) {
    const lines = await as(owner(), async (query) => {
      await query('set local enable_seqscan = off; set local enable_sort = off; set local enable_bitmapscan = off');
      return (
        await query(`explain select * from clixen.${rest.replace('gen_random_uuid()', `'${randomUUID()}'`)}`)
      ).map((row) => row['QUERY PLAN']);
    });
    const found = lines.join('\n');
    assert.match(found, new RegExp(`using ${index} `), found);
    assert.match(found, /Index Cond: \(.*\(user_id = /, found);
    // The scope of an API token is a condition on no column. Before PostgreSQL 17 a plan names it by a parameter.
    const scope = /Filter: \((\(InitPlan 1\)\.col1|\$0) IS NOT NULL\)$/gm;
    assert.doesNotMatch(found.replaceAll(scope, ''), /Filter|Sort/, found);
  }
});

test('a chat is expected to have one user, so that a page of a long one is not sorted', async () => {
  await transaction(async (query) => {
    const who = randomUUID();
    await query(`set local session_replication_role = replica`);
    // Of thirty users each has ten chats of ten messages, and one has a chat of two hundred.
    await query(
      `insert into clixen.mvp_chat_messages (session_id, user_id, content)
       select md5('chat ' || n / 10)::uuid, md5('user ' || n / 100)::uuid, 'text' from generate_series(0, 2999) as n
       union all select $1::uuid, $1, 'text' from generate_series(1, 200)`,
      [who],
    );
    await query('analyze clixen.mvp_chat_messages');
    await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: who, role: 'authenticated' }),
    ]);
    const [{ 'QUERY PLAN': plan }] = await query(
      `explain (format json) select * from clixen.mvp_chat_messages where session_id = '${who}' order by created_at, id`,
    );
    const expected = plan[0].Plan['Plan Rows'];
    assert.ok(expected > 100, `${expected} rows expected`);
  });
});

/** What the planner may know of projects and workflows: what was so before one user got most of them, what is so, and nothing. */
const KNOWN = {
  stale: [],
  fresh: ['analyze clixen.projects, clixen.mvp_workflows'],
  none: withoutStatistics(['clixen.projects', 'clixen.mvp_workflows']),
};

/** Projects of users, two each; and workflows of some of them, each with a description that makes a block hold few of them. */
const ADD_PROJECTS = `insert into clixen.projects (id, user_id, name, last_activity_at)
  select md5($1 || ' project ' || n)::uuid, coalesce($2::uuid, md5('user ' || n / 2)::uuid), 'Project ' || n, now() - n * interval '1 hour'
  from generate_series(0, $3::int - 1) as n`;
const ADD_WORKFLOWS = `insert into clixen.mvp_workflows (user_id, project_id, name, description, status, created_at, updated_at)
  select p.user_id, p.id, 'Flow', repeat('x', 500), (array['draft', 'validated', 'deployed', 'failed', 'archived'])[1 + n % 5], t.at, t.at
  from (select * from clixen.projects where user_id = coalesce($1::uuid, user_id) order by id limit $2::int) as p,
    generate_series(1, $3::int) as n, lateral (select now() - n * interval '1 minute' as at) as t`;
/** As PostgREST asks for an embedded relation. */
const LATEST_WITH_WORKFLOWS = `select p.id, e.list as workflows
  from clixen.projects as p
  left join lateral (
    select json_agg(r) as list from (
      select w.id from clixen.mvp_workflows as w where w.project_id = p.id order by w.updated_at desc, w.id desc limit 5
    ) as r
  ) as e on true
  order by p.last_activity_at desc, p.id desc limit 5`;

/** The nodes of a plan, with those below them. */
const nodesOf = ({ Plans: below = [], ...node }) => [node, ...below.flatMap(nodesOf)];

test('the latest projects and the dashboard are read in the order of an index, whatever the planner knows', async () => {
  const who = randomUUID();
  await transaction(async (query) => {
    const explained = async (text) => {
      const [
        {
          'QUERY PLAN': [{ Plan: plan }],
        },
      ] = await query(`explain (analyze, buffers, timing off, format json) ${text}`);
      return { plan: JSON.stringify(plan, null, 1), nodes: nodesOf(plan) };
    };
    await query('set local session_replication_role = replica');
    // Leaves no row and no block of an earlier test: the planner estimates a table by its blocks.
    await query('truncate clixen.projects cascade');
    await query(ADD_PROJECTS, ['of others', null, 2000]);
    await query(ADD_WORKFLOWS, [null, 20, 500]);
    await query('analyze clixen.projects, clixen.mvp_workflows');
    await query('insert into clixen.user_profiles (id) values ($1)', [who]);
    await query(ADD_PROJECTS, ['of one', who, 200]);
    await query(ADD_WORKFLOWS, [who, 200, 10]);
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: who, role: 'authenticated' }),
    ]);
    for (const [state, statements] of Object.entries(KNOWN)) {
      for (const statement of statements) await query(statement);
      await query('set local role authenticated');
      const page = await explained(LATEST_WITH_WORKFLOWS);
      const projects = page.nodes.find((node) => node['Relation Name'] === 'projects');
      assert.equal(projects['Actual Rows'], 5, `${state} statistics\n${page.plan}`);
      const board = await explained('select * from clixen.mvp_user_dashboard_stats');
      const counted = board.nodes.filter((node) => node['Index Name'] === 'mvp_workflows_status');
      assert.deepEqual(
        counted.map((node) => [node['Node Type'], node['Actual Rows']]),
        [['Index Only Scan', 2000]],
        `${state} statistics\n${board.plan}`,
      );
      assert.ok(!board.nodes.some((node) => node['Node Type'] === 'Sort'), `${state} statistics\n${board.plan}`);
      await query('reset role');
    }
  });
});

test('the dashboard’s views say what is there', async () => {
  const { who, project, workflow, session } = await projectWithChat();
  await deploy(who, workflow.id);
  const draft = await add(who, 'mvp_workflows', { project_id: project.id, name: 'Draft' });
  await open(who, draft.id);
  const bad = await add(who, 'mvp_workflows', { project_id: project.id, name: 'Bad' });
  await deploy(who, bad.id, { status: 'failed' });
  await add(who, 'mvp_chat_sessions', { project_id: project.id, status: 'archived' });
  const [summary] = await run(who, 'select * from clixen.mvp_project_summary');
  assert.deepEqual(
    [
      summary.id,
      summary.workflow_count,
      summary.open_deployments,
      summary.failed_deployments,
      summary.chat_count,
      summary.last_workflow_name,
    ],
    [project.id, '3', '1', '1', '2', 'Bad'],
  );
  assert.equal(
    summary.last_message_at.getTime(),
    (
      await sql('select last_message_at from clixen.mvp_chat_sessions where id = $1', [session.id])
    )[0].last_message_at.getTime(),
  );
  const [stats] = await run(who, 'select * from clixen.mvp_user_dashboard_stats');
  const counts = [
    'total_projects',
    'total_workflows_created',
    'total_deployments',
    'draft_workflows',
    'validated_workflows',
    'deployed_workflows',
    'failed_workflows',
    'archived_workflows',
    'open_deployments',
    'active_chats',
    'total_chats',
  ];
  assert.deepEqual(
    counts.map((name) => Number(stats[name])),
    [1, 3, 1, 1, 0, 1, 1, 0, 1, 1, 2],
  );
});

test('twenty first calls of a new user at once make one profile and one project', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const call = (json = {}) =>
    // Through the edge, where calls over a user's share wait.
    ask('/rest/v1/rpc/get_or_create_default_project', {
      token,
      json,
      headers: { 'content-profile': 'clixen', 'accept-profile': 'clixen' },
    });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => call(n % 2 ? {} : { user_id: sub })));
  for (const { status, body } of answers) assert.deepEqual([status, body.user_id], [200, sub]);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  const count = async (table, column) => (await sql(`select from clixen.${table} where ${column} = $1`, [sub])).length;
  assert.deepEqual([await count('projects', 'user_id'), await count('user_profiles', 'id')], [1, 1]);
  assert.deepEqual(await wrong([sub]), {});
  const other = await call({ user_id: randomUUID() });
  assert.deepEqual([other.status, other.body.code], [403, 'RG528']);
  // A user who has projects gets the oldest.
  await add(owner(sub), 'projects', { name: 'Another' });
  assert.equal((await call()).body.id, answers[0].body.id);
  // Also where the profile is there, and its first call made none.
  const known = owner();
  await run(known, 'select clixen.create_user_profile()');
  const at = 'select id from clixen.get_or_create_default_project()';
  let first;
  const second = await meanwhile(
    async (query) => {
      await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(known.claims)]);
      [{ id: first }] = await query(at);
    },
    () => one(known, at),
  );
  assert.equal(second, first);
  const nobody = await ask('/rpc/get_or_create_default_project', { base: stack.postgrest_url, json: {} });
  assert.equal(nobody.status, 401);
});

// Telemetry.
const track = (who, events) => one(onBehalf(who), 'select clixen.track_telemetry($1)', [JSON.stringify(events)]);
const event = (fields = {}) => ({ event_type: 'workflow.opened', event_category: 'workflow', ...fields });

test('what is wrong with one event of telemetry is said of that one, and the others are kept', async () => {
  const who = owner();
  const deep = { x: 'x'.repeat(40_000) };
  const bad = [
    [5, 'malformed'],
    [null, 'malformed'],
    [[], 'malformed'],
    ['anything', 'malformed'],
    ['too_large', 'too_large'],
    [event({ more: 'x'.repeat(70_000) }), 'too_large'],
    [event({ event_data: deep }), 'too_large'],
    [event({ event_type: undefined }), 'event_type_invalid'],
    [event({ event_type: 'Has Blanks' }), 'event_type_invalid'],
    [event({ event_type: 5 }), 'event_type_invalid'],
    [event({ event_type: 'x'.repeat(101) }), 'event_type_invalid'],
    [event({ event_type: 'x\ny' }), 'event_type_invalid'],
    [event({ event_category: 'sport' }), 'event_category_unknown'],
    [event({ event_category: ['auth'] }), 'event_category_unknown'],
    [event({ id: 'x' }), 'id_invalid'],
    [event({ id: 5 }), 'id_invalid'],
    [event({ project_id: 'x' }), 'project_id_invalid'],
    [event({ workflow_id: {} }), 'workflow_id_invalid'],
    [event({ session_id: 'x' }), 'session_id_invalid'],
    [event({ event_data: [] }), 'event_data_invalid'],
    [event({ event_data: 'x' }), 'event_data_invalid'],
    [event({ success: 'yes' }), 'success_invalid'],
    [event({ duration_ms: -1 }), 'duration_ms_invalid'],
    [event({ duration_ms: '5' }), 'duration_ms_invalid'],
    [event({ duration_ms: 1e300 }), 'duration_ms_invalid'],
  ];
  const good = [
    event(),
    event({ id: null, project_id: null, event_data: null, success: null, duration_ms: null }),
    event({ duration_ms: 1.9, success: false, error_message: 'x'.repeat(5000), event_data: { a: 1 } }),
  ];
  const answer = await track(who, [good[0], ...bad.map(([sent]) => sent), good[1], good[2]]);
  assert.deepEqual(
    answer.rejected,
    bad.map(([, code], n) => ({ index: n + 1, code })),
  );
  assert.deepEqual([answer.accepted, answer.duplicates], [3, 0]);
  const rows = await run(who, 'select * from clixen.telemetry_events order by duration_ms nulls first');
  assert.equal(rows.length, 3);
  assert.deepEqual(
    [rows[2].duration_ms, rows[2].success, rows[2].error_message.length, rows[2].event_data],
    ['1', false, 2000, { a: 1 }],
  );
  for (const odd of ['x', 5, true]) await assert.rejects(track(who, odd), /RG526/);
  await assert.rejects(
    track(
      who,
      Array.from({ length: 501 }, () => event()),
    ),
    /RG527/,
  );
  assert.deepEqual(await track(who, []), { accepted: 0, duplicates: 0, rejected: [] });
  assert.equal((await track(who, event())).accepted, 1, 'one alone');
});

test('any JSON in any field of an event of telemetry costs that event only', async () => {
  const fields = [
    ...['id', 'event_type', 'event_category', 'project_id', 'workflow_id', 'session_id', 'event_data', 'duration_ms'],
    ...['success', 'error_message', 'anything'],
  ];
  for (const list of batches(spoiled(event, fields, anything(300)), 498, 4_000_000)) {
    const who = owner();
    const good = JSON.stringify(event());
    const answer = await one(onBehalf(who), 'select clixen.track_telemetry($1)', [
      `[${good},${list.join(',')},${good}]`,
    ]);
    const counted = answer.accepted + answer.duplicates + answer.rejected.length;
    assert.equal(counted, list.length + 2, `SEED=${seed}`);
    const refused = new Set(answer.rejected.map(({ index }) => index));
    assert.ok(!refused.has(0) && !refused.has(list.length + 1), `SEED=${seed}`);
  }
});

test('a batch of telemetry that is sent again with its Idempotency-Key stores nothing', async () => {
  const who = owner(undefined, { 'idempotency-key': randomUUID() });
  const batch = [event(), event({ id: randomUUID() }), 5];
  const first = await track(who, batch);
  assert.deepEqual(first, { accepted: 2, duplicates: 0, rejected: [{ index: 2, code: 'malformed' }] });
  assert.deepEqual(await track(who, batch), first);
  await assert.rejects(track(who, [event()]), /RG503/);
  assert.equal((await run(who, 'select from clixen.telemetry_events')).length, 2);
});

test('a user writes no more telemetry a day than is allowed, whichever way it comes', async () => {
  const [bytes, rows] = [owner(), owner()];
  const allowed = (values) =>
    sql(`update private.daily_allowances set bytes = $1, rows = $2 where name = 'telemetry'`, values);
  const refused = (what) => (error) => {
    assert.match(error.message, /RG517/);
    assert.equal(JSON.parse(error.message).details, `telemetry: ${what} of one caller`);
    return true;
  };
  const [before] = await sql(`select bytes, rows from private.daily_allowances where name = 'telemetry'`);
  const insert = (who, data) =>
    run(who, `insert into clixen.telemetry_events (event_type, event_category, event_data) values ('x', 'auth', $1)`, [
      data,
    ]);
  try {
    await allowed([10_000, null]);
    await insert(bytes, { x: 'x'.repeat(9000) });
    await track(bytes, event({ event_data: { x: 'x'.repeat(9000) } }));
    await assert.rejects(track(bytes, event()), refused('bytes'));
    await assert.rejects(insert(bytes, {}), refused('bytes'));
    const answered = owner();
    const key = () => ({ ...answered, headers: { 'idempotency-key': randomUUID() } });
    const wrong = Array.from({ length: 400 }, () => ({}));
    assert.equal((await track(key(), wrong)).accepted, 0);
    await assert.rejects(track(key(), wrong), refused('bytes'), 'the answer that was kept counts');
    await allowed([null, 3]);
    await track(rows, [event(), event(), event()]);
    await assert.rejects(track(rows, event()), refused('rows'));
    await track(owner(), event());
  } finally {
    await allowed([before.bytes, before.rows]);
  }
});

test('one id is kept once of each user, however often and by whomever it is sent', async () => {
  const [one_, two] = [owner(), owner()];
  const ids = Array.from({ length: 20 }, () => randomUUID());
  const batch = (n) =>
    [...ids, ...ids.slice(0, 3)]
      .map((id, at) => event({ id: (at + n) % 2 ? id : id.toUpperCase() }))
      .sort(() => Math.random() - 0.5);
  const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => track(n % 2 ? one_ : two, batch(n))));
  const sum = (name) => answers.reduce((total, answer) => total + answer[name], 0);
  assert.deepEqual([sum('accepted'), sum('duplicates')], [40, 12 * 23 - 40]);
  for (const who of [one_, two]) assert.equal((await run(who, 'select from clixen.telemetry_events')).length, 20);
});

test('of an address the network is kept that the edge has seen, even if the batch says otherwise', async () => {
  for (const network of ['203.0.113.0/24', '2001:db8:1::/48', undefined]) {
    const who = owner(undefined, { 'user-agent': 'Browser/1', referer: 'https://app.example/' });
    const seen = { ...who, claims: { ...who.claims, edge: { net: network } } };
    // What a batch says of itself is nobody's network.
    const forged = { network: '192.0.2.0/24', net: '192.0.2.0/24' };
    const batch = { events: [event({ context: forged, edge: forged })], context: forged, edge: forged };
    assert.equal((await track(seen, batch)).accepted, 1, `${network}`);
    const [row] = await run(
      who,
      'select ip_address::text as network, user_agent, referer from clixen.telemetry_events',
    );
    assert.deepEqual(row, { network: network ?? null, user_agent: 'Browser/1', referer: 'https://app.example/' });
  }
  const who = owner(undefined, { 'user-agent': 'x'.repeat(600), 'x-forwarded-for': '203.0.113.9' });
  const row = await add(who, 'telemetry_events', event());
  assert.deepEqual([row.ip_address, row.user_agent.length], [null, 512]);
  // service_role may name an address; it is cut as well.
  const [cut] = await run(
    SERVICE,
    `insert into clixen.telemetry_events (event_type, event_category, ip_address)
    values ('x', 'auth', '203.0.113.77') returning ip_address::text as network`,
  );
  assert.equal(cut.network, '203.0.113.0/24');
});

// Erasing.
test('erasing a user deletes all of the user’s rows, returns the counts, and leaves nothing running in n8n', async () => {
  const { who, sub, workflow, project } = await projectWithChat();
  const other = await projectWithChat();
  const n8n = randomUUID();
  await deploy({ ...who, headers: { 'idempotency-key': 'k' } }, workflow.id, { n8n });
  await deploy(who, workflow.id, { status: 'failed', n8n });
  await add(who, 'mvp_workflows', { project_id: project.id, name: 'Second' });
  await track(who, [event(), event(), event()]);
  const tables = (
    await sql(`select c.relname as name, exists (
        select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
      ) as owned from pg_class as c where c.relnamespace = 'clixen'::regnamespace and c.relkind = 'r'`)
  ).map(({ name, owned }) => [name, owned ? 'user_id' : 'id']);
  const has = async () => {
    const counts = {};
    for (const [table, column] of tables) {
      counts[table] = (await sql(`select from clixen.${table} where ${column} = $1`, [sub])).length;
    }
    return counts;
  };
  const before = await has();
  assert.deepEqual(before, {
    user_profiles: 1,
    projects: 1,
    mvp_workflows: 2,
    mvp_chat_sessions: 1,
    mvp_chat_messages: 1,
    deployments: 2,
    telemetry_events: 3,
  });
  const counts = Object.fromEntries(Object.entries(before).map(([table, rows]) => [`clixen.${table}`, rows]));
  assert.deepEqual(await one(SERVICE, 'select clixen.erase_user($1)', [sub]), counts);
  assert.deepEqual(Object.values(await has()), Object.values(before).fill(0));
  assert.equal((await sql('select from private.n8n_removals where n8n_workflow_id = $1', [n8n])).length, 1);
  assert.equal((await sql('select from private.idempotency_keys where caller = $1', [sub])).length, 0);
  const refused = [
    () => track(who, event()),
    () => add(who, 'telemetry_events', event()),
    () => add(who, 'projects', { name: 'x' }),
    () => run(who, 'select clixen.create_user_profile()'),
    () => run(who, 'select clixen.get_or_create_default_project()'),
  ];
  for (const again of refused) await assert.rejects(again(), /RG521/);
  assert.deepEqual(await wrong([other.sub]), {});
  assert.equal((await run(other.who, 'select from clixen.mvp_workflows')).length, 1);
});

test('nothing of a user comes in beside their erasure', async () => {
  for (const [name, late] of Object.entries({
    telemetry: (who) => track(who, event()),
    'telemetry by hand': (who) => add(who, 'telemetry_events', event()),
    'the first call': (who) => run(who, 'select clixen.create_user_profile()'),
    'the first project': (who) => run(who, 'select clixen.get_or_create_default_project()'),
  })) {
    const who = owner();
    const { sub } = who.claims;
    await assert.rejects(
      meanwhile(
        (query) => query('select clixen.erase_user($1)', [sub]),
        () => late(who),
      ),
      /RG521/,
      name,
    );
    const left = await sql(
      'select from clixen.telemetry_events where user_id = $1 union all select from clixen.user_profiles where id = $1',
      [sub],
    );
    assert.equal(left.length, 0, name);
  }
});

// What is written down.
const audited = (relation, id) =>
  sql(
    'select operation, actor, actor_role, request_id, columns from private.audit_log where relation = $1 and row_id = $2 order by id',
    [`clixen.${relation}`, id],
  );
const SECRET = 'do-not-write-this-down';

test('the audit log says who changed which columns of which row, and nothing of what they say', async () => {
  const sub = randomUUID();
  const who = owner(sub, { 'x-request-id': 'request-1' });
  await run(who, 'select clixen.create_user_profile()');
  const project = await add(who, 'projects', { name: SECRET });
  const workflow = await add(who, 'mvp_workflows', {
    project_id: project.id,
    name: SECRET,
    n8n_workflow_json: { key: SECRET },
  });
  const session = await add(who, 'mvp_chat_sessions', { project_id: project.id, title: SECRET });
  const message = await add(who, 'mvp_chat_messages', { session_id: session.id, content: SECRET });
  await run(who, `update clixen.mvp_chat_messages set content = $2 where id = $1`, [message.id, `${SECRET}!`]);
  await run(who, `update clixen.mvp_workflows set n8n_workflow_json = $2 where id = $1`, [
    workflow.id,
    { key: `${SECRET}!` },
  ]);
  await run(who, `update clixen.projects set description = $2 where id = $1`, [project.id, SECRET]);
  const deployment = await deploy(who, workflow.id);
  await run(who, `update clixen.mvp_chat_sessions set workflow_id = $2 where id = $1`, [session.id, workflow.id]);
  await run(who, 'delete from clixen.mvp_chat_messages where id = $1', [message.id]);
  await run(who, 'delete from clixen.projects where id = $1', [project.id]);
  const steps = async (relation, id) =>
    (await audited(relation, id)).map(({ operation, columns, actor_role: role }) =>
      `${operation} ${role} ${columns ?? ''}`.trim(),
    );
  assert.deepEqual(
    await steps('projects', project.id),
    ['INSERT authenticated', 'UPDATE authenticated description', 'DELETE authenticated'],
    'no counts',
  );
  assert.deepEqual(await steps('mvp_workflows', workflow.id), [
    'INSERT authenticated',
    'UPDATE authenticated n8n_workflow_json,version',
    'UPDATE authenticated deployment_status',
    'UPDATE edge n8n_workflow_id',
    'UPDATE edge deployment_status,deployment_url,last_deployed_at,status',
    'DELETE authenticated',
  ]);
  assert.deepEqual(await steps('mvp_chat_messages', message.id), [
    'UPDATE authenticated content',
    'DELETE authenticated',
  ]);
  assert.deepEqual((await steps('mvp_chat_sessions', session.id)).slice(0, 2), [
    'INSERT authenticated',
    'UPDATE authenticated workflow_created,workflow_deployed,workflow_id',
  ]);
  assert.deepEqual(
    (await steps('deployments', deployment.id)).map((step) => step.split(' ').slice(0, 2).join(' ')),
    ['INSERT authenticated', 'UPDATE edge', 'UPDATE edge', 'DELETE authenticated'],
  );
  const [{ actor, request_id: request }] = await audited('projects', project.id);
  assert.deepEqual([actor, request], [sub, 'request-1']);
  const found = await sql('select from private.audit_log as a where a::text like $1', [`%${SECRET}%`]);
  assert.equal(found.length, 0);
});

test('security events tell what befell accounts, and nothing of what is in them', async () => {
  const { who, sub, project, workflow, session } = await projectWithChat();
  const events = async (user = sub) =>
    sql(
      'select kind, user_id, actor, actor_role, details from private.security_events where user_id = $1 order by id',
      [user],
    );
  const kinds = async (user) => (await events(user)).map(({ kind }) => kind);
  await run(SERVICE, `update clixen.user_profiles set tier = 'pro', email = $2 where id = $1`, [
    sub,
    `${SECRET}@example.org`,
  ]);
  await run(SERVICE, `update clixen.user_profiles set tier = 'pro', full_name = 'x' where id = $1`, [sub]);
  assert.deepEqual(
    (await events()).map(({ kind, details, actor_role: role }) => [kind, details, role]),
    [
      ['tier_changed', { from: 'free', to: 'pro' }, 'service_role'],
      ['email_changed', {}, 'service_role'],
    ],
  );
  // Many at once, by hand and with what they are in; 99 are not many.
  const fill = (count) =>
    run(
      who,
      `insert into clixen.mvp_chat_messages (session_id, content) select $1, '${SECRET}' from generate_series(1, ${count})`,
      [session.id],
    );
  await run(who, 'delete from clixen.mvp_chat_messages where session_id = $1', [session.id]);
  await fill(99);
  await run(who, 'delete from clixen.mvp_chat_messages where session_id = $1', [session.id]);
  assert.equal((await kinds()).length, 2);
  await fill(100);
  await run(who, 'delete from clixen.mvp_chat_messages where session_id = $1', [session.id]);
  await fill(120);
  await run(who, 'delete from clixen.projects where id = $1', [project.id]);
  assert.deepEqual(
    (await events()).slice(2).map(({ kind, actor, details }) => [kind, actor, details]),
    [100, 120].map((rows) => ['bulk_delete', sub, { relation: 'clixen.mvp_chat_messages', rows }]),
  );
  // Given to another.
  const [from, to] = [await projectWithChat(), await projectWithChat()];
  await run(who, 'select 1');
  await run(SERVICE, 'delete from clixen.mvp_chat_sessions where id = $1', [from.session.id]);
  await run(SERVICE, 'update clixen.mvp_workflows set user_id = $2, project_id = $3 where id = $1', [
    from.workflow.id,
    to.sub,
    to.project.id,
  ]);
  await run(SERVICE, 'update clixen.projects set user_id = $2 where id = $1', [from.project.id, to.sub]);
  assert.deepEqual(
    (await events(from.sub)).map(({ kind, details }) => [kind, details.relation, details.id, details.to]),
    [
      ['owner_changed', 'clixen.mvp_workflows', from.workflow.id, to.sub],
      ['owner_changed', 'clixen.projects', from.project.id, to.sub],
    ],
  );
  // n8n does not know the key.
  for (const [status, events] of [
    [401, 1],
    [403, 2],
    [500, 2],
    ['401', 2],
  ]) {
    await deploy(to.who, to.workflow.id, { status: 'failed', n8n_response: { status, reason: 'key' } });
    assert.equal((await kinds(to.sub)).filter((kind) => kind === 'n8n_refused_key').length, events, `${status}`);
  }
  await run(SERVICE, 'select clixen.erase_user($1)', [to.sub]);
  await run(SERVICE, 'select clixen.erase_user($1)', [to.sub]);
  assert.equal((await kinds(to.sub)).filter((kind) => kind === 'account_erased').length, 1);
  assert.equal(
    (await sql('select from private.security_events as e where e::text like $1', [`%${SECRET}%`])).length,
    0,
  );
  assert.ok(workflow);
});

test('audit log and security events are kept for a year, for every role; then they are deleted in parts', async () => {
  await transaction(async (query) => {
    const refuses = async (statement, code = '42501') => {
      await query('savepoint before');
      await assert.rejects(query(statement), { code }, statement);
      await query('rollback to before');
    };
    // A part has 20,000: of both some are left for the second time.
    for (const [table, column, value] of [
      ['audit_log', 'operation, relation', `'INSERT', 'clixen.fixture'`],
      ['security_events', 'kind', `'bulk_delete'`],
    ]) {
      await query(
        `insert into private.${table} (at, ${column}) select now() - interval '365 days 1 second', ${value} from generate_series(1, 20100)`,
      );
      await query(`insert into private.${table} (at, ${column}) values (now() - interval '364 days 23:59', ${value})`);
      for (const role of ['postgres', 'service_role', 'authenticated', 'edge', 'anon']) {
        await query(`set local role ${role}`);
        await refuses(`delete from private.${table}`);
        await refuses(`delete from private.${table} where at > now() - interval '365 days'`);
        await refuses(`update private.${table} set at = now() where true`);
        await refuses(`truncate private.${table}`);
      }
      await query('reset role');
    }
    const left = async (table) => {
      const [row] = await query(
        `select count(*) filter (where at < now() - interval '365 days')::int as old, count(*)::int as total from private.${table}`,
      );
      return row;
    };
    const young = [(await left('audit_log')).total - 20_100, (await left('security_events')).total - 20_100];
    const gone = [];
    for (let n = 0; n < 3; n += 1) gone.push(Number((await query('select private.clean_audit() as rows'))[0].rows));
    assert.deepEqual(gone, [40_000, 200, 0]);
    assert.deepEqual(await left('audit_log'), { old: 0, total: young[0] });
    assert.deepEqual(await left('security_events'), { old: 0, total: young[1] });
  });
});

test('the jobs that clean leave a row each; telemetry is kept for 180 days', async () => {
  const sub = randomUUID();
  const at = (days) => [sub, days];
  for (const days of [181, 181, 179]) {
    await sql(
      `insert into clixen.telemetry_events (user_id, event_type, event_category, created_at)
       values ($1, 'old', 'auth', now() - make_interval(days => $2))`,
      at(days),
    );
  }
  const job = (name) => one({ role: 'edge' }, 'select edge.run_job($1)', [name]);
  const last = async (name) =>
    (
      await sql('select rows::int, error, skipped from private.job_runs where job = $1 order by id desc limit 1', [
        name,
      ])
    )[0];
  const cleaned = await job('clean_telemetry');
  assert.deepEqual([cleaned.rows, cleaned.error, cleaned.more], [2, null, false]);
  assert.deepEqual(await last('clean_telemetry'), { rows: 2, error: null, skipped: false });
  assert.equal((await sql('select from clixen.telemetry_events where user_id = $1', [sub])).length, 1);
  assert.equal((await job('clean_audit')).error, null);
  assert.deepEqual(await last('clean_audit'), { rows: 0, error: null, skipped: false });
  await assert.rejects(job('erase_all'), /RG570/);
  await one({ role: 'edge' }, `select edge.note_job('finish_deployments', 12, 3, null)`);
  assert.deepEqual(await last('finish_deployments'), { rows: 3, error: null, skipped: false });
});

const insertProject = (sub) =>
  as({ role: 'authenticated', claims: { sub } }, (run) => run('insert into clixen.projects (name) values ($1)', ['x']));

test('a write that waits for its user’s others for a second is refused with Retry-After; others do not wait', async () => {
  const sub = randomUUID();
  await transaction(async (run) => {
    await run('select pg_advisory_xact_lock(hashtextextended($1, 220))', [sub]);
    await assert.rejects(insertProject(sub), (error) => error.message.includes('RG529'));
    await insertProject(randomUUID());
  });
  await insertProject(sub);
});

test('telemetry in another’s name is refused alike, whether that one was erased or never there', async () => {
  const [erased, absent] = [randomUUID(), randomUUID()];
  await sql('select clixen.erase_user($1)', [erased]);
  const errors = [];
  for (const other of [erased, absent]) {
    const answer = await as({ role: 'authenticated', claims: { sub: randomUUID() } }, (run) =>
      run(`insert into clixen.telemetry_events (user_id, event_type, event_category) values ($1, 'x', 'auth')`, [
        other,
      ]),
    ).catch((error) => error);
    errors.push([answer.code, answer.message]);
  }
  assert.equal(errors[0][0], '42501');
  assert.deepEqual(errors[0], errors[1]);
});

test('a statement brings at most five hundred telemetry events, whichever way it comes', async () => {
  const claims = { sub: randomUUID() };
  const insert = (count) =>
    as({ role: 'authenticated', claims }, (run) =>
      run(
        `insert into clixen.telemetry_events (event_type, event_category) select 'x', 'auth' from generate_series(1, $1::int)`,
        [count],
      ),
    );
  await insert(500);
  await assert.rejects(insert(501), (error) => error.message.includes('RG527'));
});
