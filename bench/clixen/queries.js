// What is asked of clixen's database, as whom, what must be reached, and which index is for it. Every index of the schema is named once.
import { readFileSync } from 'node:fs';
import { project, SESSION } from './load.js';

/** As PostgREST asks when a user reads, or the back office. */
const OWNER = 'authenticated';
const OFFICE = 'service_role';

/** Speeds that are promised. */
export const PROMISED = [
  {
    name: 'dashboard of a user with 100 projects and 10,000 workflows: mvp_user_dashboard_stats',
    aim: 'under 10 ms',
    most: 10,
    query: 'select * from clixen.mvp_user_dashboard_stats',
  },
  {
    name: 'their projects: mvp_project_summary, all 100',
    aim: 'under 10 ms',
    most: 10,
    query: 'select * from clixen.mvp_project_summary order by last_activity_at desc, id desc',
  },
  {
    name: 'the first 50 messages of a chat of 10,000',
    aim: 'under 5 ms',
    most: 5,
    query: `select * from clixen.mvp_chat_messages where session_id = ${SESSION} order by created_at, id limit 50`,
    index: 'mvp_chat_messages_session',
  },
  {
    name: 'its last 50 messages',
    aim: 'under 5 ms',
    most: 5,
    query: `select * from clixen.mvp_chat_messages where session_id = ${SESSION} order by created_at desc, id desc limit 50`,
  },
  {
    name: 'a page of 50 in its middle, by key',
    aim: 'under 5 ms',
    most: 5,
    query: `select * from clixen.mvp_chat_messages where session_id = ${SESSION} and created_at >= now() - interval '99 days 22 hours 30 minutes'
      and (created_at > now() - interval '99 days 22 hours 30 minutes' or id > gen_random_uuid()) order by created_at, id limit 50`,
    rival: {
      name: 'by offset',
      query: `select * from clixen.mvp_chat_messages where session_id = ${SESSION} order by created_at, id limit 50 offset 5000`,
    },
  },
  {
    name: 'a page of 50 of a chat of 100',
    aim: 'under 5 ms',
    most: 5,
    query: `select * from clixen.mvp_chat_messages where session_id = md5('session of one 7')::uuid order by created_at, id limit 50`,
  },
];

// The two projects that a user has in general are as soon sorted as read in order.
const FEW = 'set local enable_sort = off';

/** What makes two names of projects one, as their index has it. */
const NAME_KEY = /on clixen\.projects \(user_id, (lower\([\s\S]*? collate "C"\))\);/.exec(
  readFileSync(new URL('../../migrations/0220_projects.sql', import.meta.url), 'utf8'),
)[1];

/** What the other indexes are for. */
export const INDEXED = [
  [
    'user_profiles_email',
    OFFICE,
    `select * from clixen.user_profiles where lower(normalize(email, nfc) collate "C") = 'user77@example.org'`,
  ],
  ['user_profiles_tier', OFFICE, `select count(*) from clixen.user_profiles where tier = 'enterprise'`],
  ['user_profiles_created_at', OFFICE, 'select * from clixen.user_profiles order by created_at desc limit 50'],
  ['projects_activity', OWNER, 'select * from clixen.projects order by last_activity_at desc, id desc limit 20', FEW],
  ['projects_user_name', OWNER, `select * from clixen.projects order by ${NAME_KEY} limit 20`, FEW],
  ['projects_created_at', OWNER, 'select * from clixen.projects order by created_at desc limit 20'],
  [
    'mvp_workflows_project',
    OWNER,
    `select id, name from clixen.mvp_workflows where project_id = ${project(7)} order by updated_at desc, id desc limit 20`,
  ],
  [
    'mvp_workflows_status',
    OWNER,
    `select id, name from clixen.mvp_workflows where status = 'failed' order by created_at desc limit 20`,
  ],
  [
    'mvp_workflows_in_progress',
    OWNER,
    `select id, name from clixen.mvp_workflows where deployment_status in ('deploying', 'updating')`,
  ],
  ['mvp_workflows_n8n_workflow_id', OFFICE, `select id from clixen.mvp_workflows where n8n_workflow_id = 'abc'`],
  [
    'mvp_workflows_last_deployed_at',
    OWNER,
    'select id, name from clixen.mvp_workflows where last_deployed_at is not null order by last_deployed_at desc limit 20',
  ],
  [
    'mvp_workflows_name',
    OWNER,
    `select id, name from clixen.mvp_workflows where project_id = ${project(7)} order by lower(name) limit 20`,
  ],
  [
    'mvp_chat_sessions_project',
    OWNER,
    `select * from clixen.mvp_chat_sessions where project_id = ${project(7)} order by last_message_at desc, id desc limit 20`,
  ],
  [
    'mvp_chat_sessions_workflow_id',
    OWNER,
    `select * from clixen.mvp_chat_sessions where workflow_id = md5('workflow of one 4')::uuid`,
  ],
  [
    'mvp_chat_sessions_status',
    OWNER,
    `select * from clixen.mvp_chat_sessions where status = 'active' order by last_message_at desc limit 20`,
  ],
  ['mvp_chat_messages_user_id', OWNER, 'select * from clixen.mvp_chat_messages order by created_at desc limit 50'],
  [
    'mvp_chat_messages_created_at',
    OFFICE,
    `select count(*) from clixen.mvp_chat_messages where created_at < now() - interval '199 days 23 hours'`,
  ],
  [
    'deployments_version',
    OWNER,
    `select * from clixen.deployments where workflow_id = md5('workflow of one 4')::uuid order by deployment_version desc limit 20`,
  ],
  ['deployments_user_id', OWNER, 'select * from clixen.deployments order by created_at desc limit 20'],
  [
    'deployments_open',
    OFFICE,
    `select id from clixen.deployments where status = 'deploying' and started_at < now() - interval '1 hour' order by started_at limit 20`,
  ],
  [
    'deployments_one_at_a_time',
    OWNER,
    `select * from clixen.deployments where workflow_id = md5('workflow of one 4')::uuid and status in ('pending', 'deploying')`,
  ],
  ['telemetry_events_user_id', OWNER, 'select * from clixen.telemetry_events order by created_at desc limit 50'],
  [
    'telemetry_events_category',
    OFFICE,
    `select * from clixen.telemetry_events where event_category = 'error' and event_type = 'type_4' order by created_at desc limit 50`,
  ],
  [
    'telemetry_events_workflow_id',
    OWNER,
    `select * from clixen.telemetry_events where workflow_id = md5('workflow of one 1')::uuid order by created_at`,
  ],
  [
    'telemetry_events_created_at',
    'edge',
    `select id from clixen.telemetry_events where created_at < now() - interval '169 days 20 hours'`,
  ],
].map(([index, role, query, settings]) => ({
  name: `${index}, as ${role}`,
  aim: 'its index',
  index,
  role,
  query,
  settings,
}));
