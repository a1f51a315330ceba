// Rows at the sizes that the figures are about: many small users, and one who has much.

const PART = 250_000;

/** The user who is measured; what is theirs is numbered from 0. */
export const USER = '00000000-0000-4000-8000-000000000001';
export const project = (n) => `md5('project of one ${n}')::uuid`;
export const SESSION = `md5('session of one 0')::uuid`;

const OTHER = (n) => `md5('user ' || ${n})::uuid`;

/** What the measured user has. Each workflow is as large as a small n8n workflow. */
const JSON_ = `jsonb_build_object('nodes', jsonb_build_array(jsonb_build_object('id', n, 'name', 'Start', 'parameters', repeat('x', 200))), 'connections', '{}'::jsonb)`;
const STATUS = `(array['draft', 'draft', 'draft', 'validated', 'deployed', 'deployed', 'failed', 'archived'])[1 + n % 8]`;
const DEPLOYED = `case when n % 8 in (4, 5) then now() - n * interval '1 second' end`;
// One workflow in a hundred is being deployed, or was and failed.
const DEPLOYMENT = `case when n % 99 = 7 then 'updating' when n % 99 = 23 then 'failed' when n % 8 in (4, 5) then 'deployed' else 'not_deployed' end`;

const WORKFLOWS = (id, user, projectId) => `insert into clixen.mvp_workflows (
    id, user_id, project_id, name, n8n_workflow_id, n8n_workflow_json, status, deployment_status, last_deployed_at, created_at, updated_at)
  select ${id}, ${user}, ${projectId}, 'Workflow ' || n, case when n % 8 in (4, 5) then left(md5(${id}::text), 16) end, ${JSON_}, ${STATUS},
    ${DEPLOYMENT}, ${DEPLOYED}, now() - n * interval '1 minute', now() - (n::bigint * 7919 % 10007) * interval '1 minute'
  from generate_series($1::int, $2::int) as n`;
const SESSIONS = (id, user, projectId, messages) => `insert into clixen.mvp_chat_sessions (
    id, user_id, project_id, title, status, message_count, last_message_at)
  select ${id}, ${user}, ${projectId}, 'Chat ' || n, (array['active', 'completed', 'archived'])[1 + n % 3], ${messages}, now() - n * interval '1 minute'
  from generate_series($1::int, $2::int) as n`;
const MESSAGES = (
  session,
  user,
  from,
) => `insert into clixen.mvp_chat_messages (session_id, user_id, content, role, created_at)
  select ${session}, ${user}, 'Message ' || n || repeat(' and some more words', 10), (array['user', 'assistant']::clixen.chat_role[])[1 + n % 2],
    ${from} + n * interval '1 second'
  from generate_series($1::int, $2::int) as n`;

/**
 * Loads everything, without triggers and foreign keys: counts are written as they would be.
 * @param {Function} sql of one connection
 * @param {{workflows: number, messages: number, say: Function, signal: AbortSignal}} options how many there are of all users together
 */
export const load = async (sql, { workflows, messages, say, signal }) => {
  const parts = async (name, total, statement) => {
    for (let from = 0; from < total; from += PART) {
      signal.throwIfAborted();
      await sql(statement, [from, Math.min(from + PART, total) - 1]);
    }
    say(`${name}: ${total}`);
  };
  await sql('set session_replication_role = replica');
  // Others have two projects with ten workflows each, and ten chats of a hundred messages.
  const users = Math.ceil((workflows - 10_000) / 20);
  const chats = Math.ceil((messages - 110_000) / 100);
  await parts(
    'profiles',
    users,
    `insert into clixen.user_profiles (id, email, tier, total_projects, total_workflows_created, created_at)
     select ${OTHER('n')}, 'user' || n || '@example.org', (array['free', 'free', 'free', 'pro'])[1 + n % 4], 2, 20, now() - n * interval '1 minute'
     from generate_series($1::int, $2::int) as n`,
  );
  await parts(
    'projects',
    users * 2,
    `insert into clixen.projects (id, user_id, name, workflow_count, last_activity_at, created_at)
     select md5('project ' || n)::uuid, ${OTHER('n / 2')}, 'Project ' || n, 10, now() - n * interval '1 second', now() - n * interval '1 minute'
     from generate_series($1::int, $2::int) as n`,
  );
  await parts(
    'workflows',
    workflows - 10_000,
    WORKFLOWS(`md5('workflow ' || n)::uuid`, OTHER('n / 20'), `md5('project ' || n / 10)::uuid`),
  );
  await parts(
    'chats',
    chats,
    SESSIONS(`md5('session ' || n)::uuid`, OTHER('n / 10'), `md5('project ' || n / 5)::uuid`, '100'),
  );
  await parts(
    'messages',
    messages - 110_000,
    MESSAGES(`md5('session ' || n / 100)::uuid`, OTHER('n / 1000'), `now() - interval '200 days'`),
  );
  // The one: 100 projects, 10,000 workflows, 1,000 chats, one of them with 10,000 messages.
  await sql(
    `insert into clixen.user_profiles (id, total_projects, total_workflows_created, total_deployments) values ('${USER}', 100, 10000, 2500)`,
  );
  await parts(
    'the one’s projects',
    100,
    `insert into clixen.projects (id, user_id, name, workflow_count, last_activity_at, created_at)
     select md5('project of one ' || n)::uuid, '${USER}', 'Project ' || n, 100, now() - n * interval '1 hour', now() - n * interval '1 day'
     from generate_series($1::int, $2::int) as n`,
  );
  await parts(
    'the one’s workflows',
    10_000,
    WORKFLOWS(`md5('workflow of one ' || n)::uuid`, `'${USER}'`, `md5('project of one ' || n % 100)::uuid`),
  );
  await parts(
    'the one’s chats',
    1000,
    SESSIONS(
      `md5('session of one ' || n)::uuid`,
      `'${USER}'`,
      `md5('project of one ' || n % 100)::uuid`,
      `case n when 0 then 10000 else 100 end`,
    ),
  );
  await parts('the one’s long chat', 10_000, MESSAGES(SESSION, `'${USER}'`, `now() - interval '100 days'`));
  await parts(
    'the one’s other chats',
    100_000,
    MESSAGES(`md5('session of one ' || 1 + n % 999)::uuid`, `'${USER}'`, `now() - interval '50 days'`),
  );
  await sql(
    `insert into clixen.deployments (user_id, workflow_id, deployment_version, status, started_at, created_at)
     select w.user_id, w.id, v.n, case when v.n = 1 then 'deployed' when w.deployment_status = 'updating' then 'deploying' else 'failed' end,
       w.created_at, w.created_at
     from clixen.mvp_workflows as w, generate_series(1, 2) as v (n) where w.last_deployed_at is not null`,
  );
  await parts(
    'telemetry',
    workflows,
    `insert into clixen.telemetry_events (user_id, event_type, event_category, workflow_id, created_at)
     select case n % 20 when 0 then '${USER}' else ${OTHER('n / 20')} end, 'type_' || n % 50, (array['auth', 'workflow', 'deployment', 'engagement', 'error', 'performance'])[1 + n % 6],
       case when n % 6 = 1 then md5('workflow of one ' || n % 10000)::uuid end, now() - interval '170 days' + n * interval '12 seconds'
     from generate_series($1::int, $2::int) as n`,
  );
  await sql('set session_replication_role = default');
  for (const table of [
    'user_profiles',
    'projects',
    'mvp_workflows',
    'mvp_chat_sessions',
    'mvp_chat_messages',
    'deployments',
    'telemetry_events',
  ]) {
    await sql(`vacuum analyze clixen.${table}`);
  }
};
