// clixen for the tests: rows as their owners make them, and what counters and times have to be.
import { randomUUID } from 'node:crypto';
import { as, sql } from '../../support/stack.js';

export const owner = (sub = randomUUID(), headers = {}) => ({ role: 'authenticated', claims: { sub }, headers });
export const SERVICE = { role: 'service_role' };

/** One statement as a request of somebody. Gives the rows. */
export const run = (who, text, values) => as(who, (query) => query(text, values));

/** The first column of the first row. */
export const one = async (who, text, values) => Object.values((await run(who, text, values))[0])[0];

/** Inserts a row as somebody, and gives it. */
export const add = async (who, table, row) => {
  const columns = Object.keys(row);
  const [made] = await run(
    who,
    `insert into clixen.${table} (${columns.join(', ')}) values (${columns.map((_, n) => `$${n + 1}`).join(', ')}) returning *`,
    Object.values(row),
  );
  return made;
};

/** A project of somebody's with a workflow, a session about it, and a message. */
export const projectWithChat = async (who = owner()) => {
  await run(who, 'select clixen.create_user_profile()');
  const project = await add(who, 'projects', { name: randomUUID() });
  const workflow = await add(who, 'mvp_workflows', {
    project_id: project.id,
    name: 'Flow',
    n8n_workflow_json: { a: 1 },
  });
  const session = await add(who, 'mvp_chat_sessions', { project_id: project.id, workflow_id: workflow.id });
  const message = await add(who, 'mvp_chat_messages', { session_id: session.id, content: 'Hello' });
  return { who, sub: who.claims.sub, project, workflow, session, message };
};

/** The edge's functions. */
const edge = async (call, values) => one({ role: 'edge' }, `select edge.${call}`, values);
export const open = (who, workflow, version = null) =>
  one(who, 'select clixen.open_deployment($1, $2)', [workflow, version]);
export const claim = async (id) => {
  const claimed = await edge('claim_deployment($1)', [id]);
  if (!claimed.lease) return claimed;
  return { ...claimed, workflow: await edge('deployment_workflow($1, $2, false)', [id, claimed.lease]) };
};
export const note = (id, lease, n8n) => edge('note_deployment($1, $2, $3)', [id, lease, n8n]);
export const finish = (id, lease, outcome) => edge('finish_deployment($1, $2, $3)', [id, lease, outcome]);
export const owned = (id, lease, named = []) => edge('own_workflows($1, $2, $3)', [id, lease, named]);
export const called = (id, lease, n8n) => edge('called_workflow($1, $2, $3)', [id, lease, n8n]);
export const unfinished = (most = 1000) => edge('unfinished_deployments($1)', [most]);

/** A deployment from its opening to its end. Gives its row. */
export const deploy = async (who, workflow, { version, status = 'deployed', n8n = randomUUID(), ...said } = {}) => {
  const { id } = await open(who, workflow, version);
  const { lease } = await claim(id);
  if (status === 'deployed') await note(id, lease, n8n);
  return finish(id, lease, { status, n8n_workflow_id: n8n, deployment_url: 'https://n8n.example/webhook/x', ...said });
};

// Each gives what is not as it has to be, among what the users ($1) have.
const RULES = {
  'workflow_count of projects': `select p.id, p.workflow_count::int as found, n.count as wanted from clixen.projects as p,
    lateral (select count(*)::int as count from clixen.mvp_workflows as w where w.project_id = p.id) as n
    where p.user_id = any ($1) and p.workflow_count <> n.count`,
  'last_activity_at is not before what happened in the project': `select p.id, p.last_activity_at as found, n.last as wanted
    from clixen.projects as p, lateral (
      select max(t) as last from (
        select w.updated_at from clixen.mvp_workflows as w where w.project_id = p.id
        union all
        select unnest(array[s.updated_at, s.last_message_at]) from clixen.mvp_chat_sessions as s where s.project_id = p.id
        union all
        select m.created_at from clixen.mvp_chat_messages as m
        join clixen.mvp_chat_sessions as s on s.id = m.session_id where s.project_id = p.id
      ) as happened (t)
    ) as n
    where p.user_id = any ($1) and p.last_activity_at < n.last`,
  'last_activity_at is not to come': `select p.id, p.last_activity_at as found, clock_timestamp() as wanted from clixen.projects as p
    where p.user_id = any ($1) and p.last_activity_at > clock_timestamp()`,
  'message_count and last_message_at of sessions': `select s.id, s.message_count::int as found, n.count as wanted, s.last_message_at, n.last
    from clixen.mvp_chat_sessions as s, lateral (
      select count(*)::int as count, max(m.created_at) as last from clixen.mvp_chat_messages as m where m.session_id = s.id
    ) as n
    where s.user_id = any ($1) and (s.message_count <> n.count or s.last_message_at is distinct from n.last)`,
  'totals of profiles': `select u.id, array[u.total_projects, u.total_workflows_created, u.total_deployments]::int[] as found, n.wanted
    from clixen.user_profiles as u, lateral (
      select array[
        (select count(*) from clixen.projects as p where p.user_id = u.id),
        (select count(*) from clixen.mvp_workflows as w where w.user_id = u.id),
        (select count(*) from clixen.deployments as d where d.user_id = u.id and d.status in ('deployed', 'rolled_back'))
      ]::int[] as wanted
    ) as n
    where u.id = any ($1) and array[u.total_projects, u.total_workflows_created, u.total_deployments]::int[] <> n.wanted`,
  'first times of profiles': `select u.id, u.first_workflow_created_at, n.workflow, u.first_deployment_at, n.deployment
    from clixen.user_profiles as u, lateral (
      select (select min(w.created_at) from clixen.mvp_workflows as w where w.user_id = u.id) as workflow,
        (
          select min(d.completed_at) from clixen.deployments as d
          where d.user_id = u.id and d.status in ('deployed', 'rolled_back')
        ) as deployment
    ) as n
    where u.id = any ($1) and (
      coalesce(u.first_workflow_created_at, 'infinity') > coalesce(n.workflow, 'infinity')
      or coalesce(u.first_deployment_at, 'infinity') > coalesce(n.deployment, 'infinity')
    )`,
  'what sessions have come to': `select s.id, s.workflow_created, s.workflow_deployed, w.last_deployed_at
    from clixen.mvp_chat_sessions as s join clixen.mvp_workflows as w on w.id = s.workflow_id
    where s.user_id = any ($1) and (not s.workflow_created or s.workflow_deployed < (w.last_deployed_at is not null))`,
  'one deployment at a time': `select d.workflow_id as id, count(*) as found from clixen.deployments as d
    where d.user_id = any ($1) and d.status in ('pending', 'deploying') group by 1 having count(*) > 1`,
};

/** What is not as it has to be, by rule. */
export const wrong = async (users) => {
  const found = {};
  for (const [rule, query] of Object.entries(RULES)) {
    const rows = await sql(query, [users]);
    if (rows.length > 0) found[rule] = rows;
  }
  return found;
};

/** Takes everything of clixen's away: other files look at what the planner knows of it. */
export const clear = async () => {
  for (const table of ['user_profiles', 'projects', 'telemetry_events']) await sql(`delete from clixen.${table}`);
  await sql('delete from private.n8n_removals');
};
