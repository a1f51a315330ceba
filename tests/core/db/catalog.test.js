// Rules that hold for every table and function, of any system. A new one that breaks a rule fails here; and
// each rule is tried on an injected fault, which it has to find.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { plainSchemas, schemas, systems } from '../../../dev/systems.js';
import { close, needs, sql, transaction } from '../../support/stack.js';

after(close);

const list = (names) => names.map((name) => `'${name}'`).join(', ');
const SCHEMAS = `n.nspname in (${list([...schemas(), 'request', 'private'])})`;
const EXPOSED = `n.nspname in (${list(schemas())})`;
const TABLES = `pg_class c join pg_namespace n on n.oid = c.relnamespace and ${SCHEMAS} and c.relkind in ('r', 'p')
  and c.relname <> 'schema_migrations'`;
const FUNCTIONS = `pg_proc p join pg_namespace n on n.oid = p.pronamespace and ${SCHEMAS} and p.prokind in ('f', 'p')`;
const GRANTS = `${TABLES} left join pg_attribute t on t.attrelid = c.oid,
  lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(t.attacl)) as a`;
const POLICIES = `pg_policy y join pg_class c on c.oid = y.polrelid join pg_namespace n on n.oid = c.relnamespace and ${SCHEMAS}`;
const CONDITION = `concat_ws(' ', pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid))`;

/** A trigger `g` of a table `c` sees every update that a request may write. Where only functions update, they decide. */
const OF_EVERY_COLUMN = `cardinality(g.tgattr::int2[]) = 0 or not exists (
  select from unnest(array['anon', 'authenticated', 'service_role']) as r where has_any_column_privilege(r, c.oid, 'UPDATE'))`;

/** Unique texts of exposed tables that nobody writes for a name, by index and column: they are compared byte for byte. */
const OPAQUE = [
  // A digest.
  'analytics.event_aggregations_bucket.dimensions_hash',
  // normalize_email has made it.
  'sample_more.entries_email.email',
  'marketing.leads_email_normalized.email_normalized',
  // Words of lists.
  'analytics.event_aggregations_bucket.event_type',
  'analytics.event_aggregations_bucket.granularity',
  // Counted under the name that was sent.
  'analytics.event_aggregations_bucket.event_name',
  // Hashed and unique as it was sent.
  'experiments.assignments_unit.unit_key',
  // Ids and names of Meta's and of n8n's.
  'whatsapp.accounts_phone_number_id.phone_number_id',
  'whatsapp.accounts_owner.phone_number_id',
  'whatsapp.templates_account_name_language.language',
  'whatsapp.templates_account_name_language.template_name',
  'clixen.mvp_workflows_n8n_workflow_id.n8n_workflow_id',
  // A service of the list, and a digest.
  'flashfusion.user_api_keys_alias.service_name',
  'flashfusion.user_api_keys_known.fingerprint',
  // Stripe's id, and a key that functions make of ids and words.
  'flashfusion.billing_subscription_id.subscription_id',
  'flashfusion.notifications_dedupe.dedupe_key',
  // The client's, compared as it was sent; ids of providers.
  'flashfusion.agent_tasks_idempotency.idempotency_key',
  'flashfusion.ai_services_model.model_name',
  'flashfusion.ai_services_model.provider',
  // Paths on a user's machine, and ids of agents, compared as they were sent.
  'observatory.projects_root.root_path',
  'observatory.project_paths_owner_path.path',
  'observatory.conversations_project_session.session_id',
  'observatory.conversations_project_session.agent_id',
  'observatory.conversations_owner_session.session_id',
  'observatory.conversations_owner_session.agent_id',
  'observatory.messages_entry.entry_uuid',
  'observatory.ingest_files_place.session_id',
  'observatory.ingest_files_place.agent_id',
  'observatory.ingest_files_place.name',
  'observatory.session_files_place.session_id',
  'observatory.session_files_place.path',
  // normalize_email has made it.
  'observatory.project_invitations_email.email_key',
  'observatory.tool_calls_use.tool_use_id',
  // Words of the agents.
  'observatory.usage_records_once.api_message_id',
  'observatory.daily_rollups_pkey.model',
  'observatory.daily_rollups_pkey.source',
  'observatory.tool_rollups_pkey.tool_name',
  // Git's and the agents' names, as they were sent.
  'observatory.git_links_once.kind',
  'observatory.git_links_once.sha',
  'observatory.git_links_once.branch',
  'observatory.git_links_once.url',
  'observatory.search_terms_once.kind',
  'observatory.search_terms_once.term',
  'observatory.hook_events_once.session_id',
  'observatory.hook_events_once.event',
  'observatory.hook_events_once.tool_use_id',
  // A key that functions make of ids and words.
  'observatory.notices_once.dedupe_key',
  // A code: ASCII in lower case.
  'assistant.tenants_slug.slug',
];

/**
 * Views with their owner's rights: what everybody may see of tables on which anon has no right. The proof tries their rows, and a test of
 * their own tries what a request's conditions see (tests/flashfusion/db/projects.test.js).
 */
const SHOWN_TO_ALL = ['flashfusion.public_projects'];

/** Tables on which the policies let only admins write. */
const WRITTEN_BY_ADMINS = ['marketing.leads', 'marketing.lead_interactions', 'experiments.experiments'];

/** Tables of which everybody reads the active rows: the operator's public catalogue. The proof tries their rows. */
const CATALOGUE = ['flashfusion.agents', 'flashfusion.ai_services'];

const VISIBLE =
  '\\(\\w+ = ANY \\(\\( SELECT observatory\\.visible_projects\\(\\) AS visible_projects\\)::uuid\\[\\]\\)\\)';

/**
 * By schema, a condition that lets no row pass outside of the scope of an API token, as PostgreSQL writes it: one of these functions asks for the
 * scope, and gives null or nothing. A table whose reads are compared with it needs no policy by private.scope_table for them.
 */
const HOLDS_SCOPE = {
  assistant:
    '\\((\\w+|private\\.tenant_of(_message)?\\(\\w+\\)) = \\( SELECT \\(assistant\\.me\\(\\)\\)\\.tenant_id AS tenant_id\\)\\)',
  observatory: `(${VISIBLE}|\\(\\(\\(owner_id = \\( SELECT private\\.user_in_scope\\(''observatory''::text, ''read''::text\\) AS user_in_scope\\)\\) AND \\(deleted_at IS NULL\\)\\) OR ${VISIBLE}\\))`,
};
/** A policy `y` has it for its condition, or as the first of several that must all be met. */
const HOLDS = `coalesce(pg_get_expr(y.polqual, y.polrelid) ~ (
  select format('^(%1$s|\\(%1$s AND .*\\))$', h.condition)
  from (values ${Object.entries(HOLDS_SCOPE).map(([schema, condition]) => `('${schema}', '${condition}')`)}) as h (schema, condition)
  where h.schema = n.nspname), false)`;

/** Verbs of users that no policy holds to the scope of an API token. */
const UNSCOPED = `select distinct c.oid::regclass::text || ' ' || a.privilege_type as name from ${GRANTS}, private.system_schemas m
    where m.schema = n.nspname and a.grantee = 'authenticated'::regrole and not exists (
      select from pg_policy y, lateral (values (pg_get_expr(y.polqual, y.polrelid)), (pg_get_expr(y.polwithcheck, y.polrelid))) as side (condition)
      where y.polrelid = c.oid and not y.polpermissive and 'authenticated'::regrole = any (y.polroles)
        and y.polcmd = case a.privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end
        and side.condition ~ format(
          '^\\(\\( SELECT NULLIF\\(private\\.scope_allows\\(''%s''::text, ''%s''::text\\), false\\) AS "nullif"\\) IS NOT NULL\\)$',
          m.system, case a.privilege_type when 'SELECT' then 'read' else 'write' end)
      having count(*) = case a.privilege_type when 'UPDATE' then 2 else 1 end)
    and not (a.privilege_type = 'SELECT' and exists (
      select from pg_policy y where y.polrelid = c.oid and y.polcmd = 'r' and 'authenticated'::regrole = any (y.polroles)
      having bool_or(not y.polpermissive and ${HOLDS}) or bool_and(${HOLDS}) filter (where y.polpermissive)))`;

/** A plain table that breaks nothing. */
const TABLE = `create table sample.faulty (id uuid constraint faulty_pkey primary key, user_id uuid);
  comment on table sample.faulty is 'Faulty.';
  alter table sample.faulty enable row level security; alter table sample.faulty force row level security;`;
const POLICY = (condition) =>
  `${TABLE} create policy faulty on sample.faulty for select to authenticated using (${condition})`;
const FUNCTION = (options) =>
  `create function sample.faulty() returns int language sql ${options} as 'select 1'; comment on function sample.faulty() is 'x'`;

/** Each rule: a query that gives what breaks it, and statements that break it. */
const RULES = {
  'every schema is one that is known here': {
    query: `select n.nspname as name from pg_namespace n
      where n.nspname !~ '^pg_|^information_schema$' and not ${SCHEMAS} and n.nspname not in ('auth', 'extensions', 'public')`,
    fault: 'create schema faulty',
  },
  'every schema that PostgREST exposes is there': {
    query: `select name from unnest(array[${list(schemas())}]) as name where to_regnamespace(name) is null`,
    fault: 'alter schema edge rename to faulty',
  },
  'nobody makes anything in the schemas': {
    query: `select n.nspname || ' ' || a.grantee::regrole as name from pg_namespace n,
        aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
      where ${SCHEMAS} and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner`,
    fault: 'grant create on schema sample to authenticated',
  },
  'no request role has powers of its own': {
    query: `select rolname as name from pg_roles where rolname in ('anon', 'authenticated', 'edge', 'service_role', 'authenticator')
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls <> (rolname = 'service_role')
          or rolcanlogin <> (rolname = 'authenticator'))
      union all select member::regrole || ' in ' || roleid::regrole from pg_auth_members
        where member::regrole::text in ('anon', 'authenticated', 'edge', 'service_role')`,
    fault: 'grant service_role to anon',
  },
  'nor may it pass over row-level security': {
    query: `select rolname as name from pg_roles where rolbypassrls and rolname in ('anon', 'authenticated', 'edge', 'authenticator')`,
    fault: 'alter role authenticated bypassrls',
  },
  // PostgREST before version 16 repeats such a transaction at once and without end.
  'no function raises what PostgREST repeats': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where regexp_replace(p.prosrc, '\\mwhen\\s[^;]*?\\mthen\\M', '', 'gi')
        ~* '\\m(40001|40P01|serialization_failure|deadlock_detected)\\M'`,
    fault: `create function sample.faulty() returns int language plpgsql as
      $$ begin raise exception 'again' using errcode = 'serialization_failure'; end $$`,
  },
  'and none runs in a transaction that PostgreSQL would have to refuse so': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
        where exists (select from unnest(p.proconfig) as setting where setting ~ '^(default_)?transaction_isolation=')
      union all select coalesce(d.setrole::regrole::text, 'all') from pg_db_role_setting d, unnest(d.setconfig) as setting
        where setting ~ '^(default_)?transaction_isolation='
      union all select name from pg_settings where name = 'default_transaction_isolation' and setting <> 'read committed'`,
    fault: FUNCTION('set default_transaction_isolation = serializable'),
  },
  // Two systems that chose the same name would answer each other's requests.
  'an operation with an idempotency key has the schema of its function in its name': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where p.prosrc ~ 'private\\.idempotency_(begin|end)\\(' and not coalesce((
        select bool_and(m[1] like n.nspname || '.%')
        from regexp_matches(p.prosrc, '(?:idempotency_(?:begin|end)\\(\\s*|operation constant text := )''([^'']*)''', 'g') as m
      ), false)`,
    fault: `create function sample.faulty() returns jsonb language plpgsql as
      $$ begin return private.idempotency_begin('faulty', '{}'); end $$`,
  },
  'every trigger is on': {
    query: `select g.tgname as name from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where ${SCHEMAS} and g.tgenabled not in ('O', 'A')`,
    fault: 'alter table sample.projects disable trigger projects_audit',
  },
  'there are no rules and no foreign tables': {
    query: `select r.rulename as name from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
        where ${SCHEMAS} and r.rulename <> '_RETURN'
      union all select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${SCHEMAS} and c.relkind = 'f'`,
    fault: 'create rule faulty as on delete to sample.projects do also select 1',
  },
  'row-level security is enabled': {
    query: `select c.oid::regclass::text as name from ${TABLES} where not c.relrowsecurity`,
    fault: `${TABLE} alter table sample.faulty disable row level security`,
  },
  'row-level security is forced, on owners too': {
    query: `select c.oid::regclass::text as name from ${TABLES} where not c.relforcerowsecurity`,
    fault: `${TABLE} alter table sample.faulty no force row level security`,
  },
  'anon, edge and public have no privilege on any table or column, except that anon reads the catalogue': {
    query: `select c.oid::regclass::text || ' ' || a.privilege_type as name from ${GRANTS}
      where a.grantee in (0, 'anon'::regrole, 'edge'::regrole) and not (c.oid::regclass::text in (${list(CATALOGUE)})
        and a.grantee = 'anon'::regrole and a.privilege_type = 'SELECT' and exists (
          select from pg_policy y where y.polrelid = c.oid and pg_get_expr(y.polqual, y.polrelid) = 'is_active'))`,
    fault: `${TABLE} grant select (id) on sample.faulty to anon`,
  },
  'nobody may truncate, reference or add triggers': {
    query: `select c.oid::regclass::text || ' ' || a.privilege_type as name from ${GRANTS}
      where a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and a.grantee <> c.relowner`,
    fault: `${TABLE} grant truncate on sample.faulty to service_role`,
  },
  'every verb that is granted has a policy': {
    query: `select distinct c.oid::regclass::text || ' ' || a.privilege_type as name from ${GRANTS}
      where a.grantee = 'authenticated'::regrole and not exists (
        select from pg_policy y where y.polrelid = c.oid and 'authenticated'::regrole = any (y.polroles) and y.polpermissive
          and y.polcmd = case a.privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end)`,
    fault: `${TABLE} grant select on sample.faulty to authenticated`,
  },
  'every policy has a verb that is granted': {
    query: `select c.oid::regclass::text || ' ' || y.polname as name from ${POLICIES} where not exists (
        select from unnest(y.polroles) as r, pg_attribute t
        where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped and r <> 0 and case y.polcmd
          when 'r' then has_column_privilege(r, c.oid, t.attnum, 'SELECT')
          when 'a' then has_column_privilege(r, c.oid, t.attnum, 'INSERT')
          when 'w' then has_column_privilege(r, c.oid, t.attnum, 'UPDATE')
          when 'd' then has_table_privilege(r, c.oid, 'DELETE') end)`,
    fault: POLICY('user_id = (select auth.uid())'),
  },
  // private.scope_table adds policies for that.
  'every verb that users have is held to the scope of their API token': {
    query: UNSCOPED,
    fault: `${POLICY('user_id = (select auth.uid())')}; grant select on sample.faulty to authenticated;
      create policy scoped on sample.faulty as restrictive for select to authenticated
        using ((select nullif(private.scope_allows('sample', 'write'), false)) is not null)`,
  },
  'also where it has no policy of its own: each of its policies holds it': {
    system: 'observatory',
    query: UNSCOPED,
    fault:
      'create policy faulty on observatory.daily_rollups for select to authenticated using (user_id = (select auth.uid()))',
  },
  'every schema of the data API belongs to a system': {
    query: `select n.nspname as name from pg_namespace n where ${EXPOSED} and n.nspname not in (${list(['edge', ...plainSchemas()])})
      and not exists (select from private.system_schemas m where m.schema = n.nspname)`,
    fault: `delete from private.system_schemas where schema = 'sample_more'`,
  },
  'a policy is for one verb and for a named role': {
    query: `select c.oid::regclass::text || ' ' || y.polname as name from ${POLICIES} where y.polcmd = '*' or 0 = any (y.polroles)`,
    fault: `${TABLE} create policy faulty on sample.faulty using (user_id = (select auth.uid()))`,
  },
  'claims are read once a statement: wrapped in a select': {
    // private.tenant_of is of the row, and in an index.
    query: `select c.oid::regclass::text || ' ' || y.polname as name from ${POLICIES}
      where regexp_replace(regexp_replace(${CONDITION}, 'private\\.tenant_of(_message)?\\(\\w+\\) = ', '', 'g'), '\\(\\s*SELECT (auth\\.(uid|jwt|role)\\(\\)|private\\.is_admin\\(\\)|NULLIF\\(private\\.(is_admin|scope_allows)\\([^()]*\\), false\\)|private\\.user_in_scope\\([^()]*\\))( AS "?\\w+"?)?\\s*\\)', '', 'g')
        ~ 'auth\\.|private\\.|current_setting'`,
    fault: POLICY('user_id = auth.uid()'),
  },
  'no policy believes what a user writes of themselves': {
    query: `select c.oid::regclass::text || ' ' || y.polname as name from ${POLICIES} where ${CONDITION} ~ 'user_metadata'`,
    fault: POLICY(`(select auth.jwt()) -> 'user_metadata' ->> 'role' = 'admin'`),
  },
  'no function believes it either': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS} where pg_get_functiondef(p.oid) ~ 'user_metadata|raw_user_meta_data'`,
    fault: `create function sample.faulty() returns text language sql set search_path = '' return (auth.jwt() -> 'user_metadata' ->> 'role')`,
  },
  // A body that is no text was parsed when its function was made.
  'every function pins its search path': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where not 'search_path=""' = any (coalesce(p.proconfig, '{}')) and (p.prosqlbody is null or p.prosecdef)`,
    fault: FUNCTION('security definer set search_path = clixen'),
  },
  // A plan that has to use what is switched off costs ten billions more, so that a server with JIT compiles it: seconds at each call.
  'a function that forbids plans lets none be compiled': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where not exists (select from unnest(p.proconfig) as setting where setting ~ '^jit=(off|false|no|0)$')
        and exists (select from unnest(p.proconfig) as setting where setting ~ '^enable_\\w+=(off|false|no|0)$')`,
    fault: FUNCTION(`set search_path = '' set enable_seqscan = off`),
  },
  'no function is executable by public': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      where a.grantee = 0`,
    fault: `${FUNCTION(`set search_path = ''`)}; grant execute on function sample.faulty() to public`,
  },
  // Conditions of policies without arguments read the caller's own claims only, and so does private.scope_allows.
  'nothing in the schema private is executable by a request, except the defaults of ids, the expressions of indexes and the conditions of policies':
    {
      query: `select p.oid::regprocedure::text as name from ${FUNCTIONS} where n.nspname = 'private'
        -- Systems have these in expressions of indexes and in conditions of policies; the core has no such index and no such policy.
        and p.oid::regproc::text not in ('private.uuid_v7', 'private.json_texts', 'private.normalize_email', 'private.user_in_scope', 'private.token_allows')
        and not (p.provolatile = 's' and not p.prosecdef and (p.pronargs = 0 or p.oid::regproc::text = 'private.scope_allows') and exists (
          select from pg_depend d where d.classid = 'pg_policy'::regclass
            and d.refobjid = p.oid and d.refclassid = 'pg_proc'::regclass))
        and not (p.provolatile = 'i' and exists (
          select from pg_depend d join pg_class i on i.oid = d.objid and d.classid = 'pg_class'::regclass and i.relkind in ('i', 'I')
          where d.refobjid = p.oid and d.refclassid = 'pg_proc'::regclass))
        and exists (
        select from unnest(array['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) as r
        where has_function_privilege(r, p.oid, 'execute'))`,
      fault: `grant execute on function private.caller_key() to service_role`,
    },
  'the schema private is closed to every request': {
    query: `select r as name from unnest(array['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) as r
      where has_schema_privilege(r, 'private', 'usage')`,
    fault: 'grant usage on schema private to authenticated',
  },
  'what the edge may call nobody else may': {
    query: `select p.oid::regprocedure::text || ' ' || r as name from ${FUNCTIONS}, unnest(array['anon', 'authenticated', 'service_role']) as r
      where ${EXPOSED} and has_function_privilege('edge', p.oid, 'execute') and has_function_privilege(r, p.oid, 'execute')`,
    fault: `grant execute on function sample_more.add_entry(jsonb) to anon`,
  },
  // Directly, or by a function that it calls; that a limit counts by the edge's word is no answer.
  'a function whose answer depends on what the edge vouches for is the edge’s to call': {
    query: `with recursive readers as (
        select p.oid, p.pronamespace, p.proname from ${FUNCTIONS}
        where p.prosrc ~ 'private\\.edge_claim\\(' and p.oid::regproc::text not in ('private.caller_key', 'private.caller_role')
        union
        select p.oid, p.pronamespace, p.proname from readers as r join pg_namespace of_it on of_it.oid = r.pronamespace, ${FUNCTIONS}
        where p.prosrc ~ (of_it.nspname || '\\.' || r.proname || '\\(')
      )
      select p.oid::regprocedure::text as name from readers as p join pg_namespace n on n.oid = p.pronamespace
      where ${EXPOSED} and exists (
        select from unnest(array['anon', 'authenticated', 'service_role']) as r where has_function_privilege(r, p.oid, 'execute'))`,
    fault: `create function private.faulty() returns text language sql set search_path = ''
        as $$ select private.edge_claim() ->> 'country' $$;
      create function sample.faulty() returns text language sql set search_path = ''
        as $$ select private.faulty() $$;
      grant execute on function sample.faulty() to authenticated`,
  },
  'what the edge vouches for is read in one place': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where p.prosrc ~ $$jwt.*->>? *'edge'$$ and p.oid::regproc::text <> 'private.edge_claim'`,
    fault: `create function sample.faulty() returns text language sql set search_path = '' as $$ select auth.jwt() -> 'edge' ->> 'net' $$`,
  },
  // PostgreSQL asks for the right to execute a function in SQL when it puts the body into the plan, not when the plan is used: a
  // connection that another role has planned on would run it for everybody. A setting of its own keeps a body out of plans.
  // Conditions of policies are in plans of their table only, which PostgreSQL makes for each role; requests cannot name them.
  // So with private.user_in_scope, which the core has for policies of systems and for functions that run as their owner.
  // An immutable function of the schema private depends on its arguments alone. Requests cannot name it, and it tells nothing else.
  'no function in SQL that a request may call is put into plans': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS} join pg_language l on l.oid = p.prolang
      where l.lanname = 'sql' and p.proconfig is null and not p.prosecdef and p.oid::regproc::text <> 'private.user_in_scope'
        and not (n.nspname = 'private' and p.provolatile = 'i' and not p.proretset and not exists (
          select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass))
        and not (n.nspname = 'private' and exists (
          select from pg_depend d where d.classid = 'pg_policy'::regclass
            and d.refobjid = p.oid and d.refclassid = 'pg_proc'::regclass))`,
    fault: `create function private.faulty() returns bigint language sql immutable return (select count(*) from private.secret_patterns)`,
  },
  'a function by which requests write or read past policies says why': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS} where p.prosecdef and ${EXPOSED}
      and obj_description(p.oid, 'pg_proc') is null`,
    fault: `create function sample.faulty() returns int language sql security definer set search_path = '' as 'select 1'`,
  },
  'views ask with the caller’s rights': {
    query: `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'v' and ${SCHEMAS} and not 'security_invoker=true' = any (coalesce(c.reloptions, '{}'))
        and c.oid::regclass::text not in (${list(SHOWN_TO_ALL)})`,
    fault: 'create view sample.faulty as select 1 as one',
  },
  'no materialized view, which knows no policies, is exposed': {
    query: `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' and ${EXPOSED}`,
    fault: 'create materialized view sample.faulty as select 1 as one',
  },
  'every table that a request may update or delete refuses to be written without a filter': {
    query: `select distinct c.oid::regclass::text as name from ${GRANTS}
      where a.privilege_type in ('UPDATE', 'DELETE') and a.grantee in ('anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
        and not exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgfoid = 'private.require_filter'::regproc
          and g.tgenabled = 'O' and g.tgtype & 27 = 26 and (${OF_EVERY_COLUMN}))`,
    fault: `${TABLE} grant delete on sample.faulty to service_role`,
  },
  'every table that is exposed takes nothing from users who are erased': {
    query: `select c.oid::regclass::text as name from ${TABLES} where ${EXPOSED} and not c.relispartition
      and not exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgfoid = 'private.refuse_erased_caller()'::regprocedure
        and g.tgenabled = 'O' and g.tgtype & 87 = 22 and (${OF_EVERY_COLUMN}))`,
    fault: TABLE,
  },
  'what users insert and update by the data API counts against a daily allowance': {
    query: `select c.oid::regclass::text as name from ${TABLES} where ${EXPOSED} and not c.relispartition
      and (has_any_column_privilege('authenticated', c.oid, 'insert') or has_any_column_privilege('authenticated', c.oid, 'update'))
      and c.oid::regclass::text not in (${list(WRITTEN_BY_ADMINS)})
      and not exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid where g.tgrelid = c.oid and g.tgenabled = 'O'
        and (p.oid = 'private.require_allowance_of_user'::regproc or p.prosrc ~ $$private\\.use_allowance\\($$))`,
    fault: `${TABLE} grant update (user_id) on sample.faulty to authenticated`,
  },
  // Not budgets: they have no text, and stay until the account is deleted, as their export's comment says.
  'a system that erases accounts also exports and erases what it stores about a person, and knows which rows are the person’s own':
    {
      query: `select h.system as name from private.hooks as h where h.event = 'account_erased' and h.system <> 'budgets' and not (
      select array_agg(o.event) @> '{person_rows,person_export,person_erase}' from private.hooks as o where o.system = h.system)`,
      fault: `delete from private.hooks where system = 'sample' and event = 'person_rows'`,
    },
  'a partition is reached through its table only': {
    query: `select distinct c.oid::regclass::text as name from ${GRANTS} where c.relispartition and a.grantee <> c.relowner`,
    fault: `create table sample.faulty (at int, word text) partition by range (at);
      create table sample.faulty_1 partition of sample.faulty for values from (0) to (9); grant select on sample.faulty_1 to service_role`,
  },
  'every foreign key is indexed': {
    query: `select r.conname as name from pg_constraint r join pg_namespace n on n.oid = r.connamespace
      where r.contype = 'f' and ${SCHEMAS} and not exists (
        -- Of a key that names the owner beside the parent, the parent is enough; where it may be null, what is null needs no index.
        select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = r.conkey[1]
        where i.indrelid = r.conrelid and i.indkey[0] = r.conkey[1]
          and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = '(' || quote_ident(a.attname) || ' IS NOT NULL)'))`,
    fault: `${TABLE} alter table sample.faulty add column project_id uuid constraint faulty_project references sample.projects on delete cascade`,
  },
  'every foreign key says what becomes of the child': {
    query: `select r.conname as name from pg_constraint r join pg_namespace n on n.oid = r.connamespace
      where r.contype = 'f' and ${SCHEMAS} and r.confdeltype = 'a'`,
    fault: `${TABLE} alter table sample.faulty add column project_id uuid constraint faulty_project references sample.projects`,
  },
  'no index does what another does': {
    query: `select a.indexrelid::regclass::text as name from pg_index a join pg_index b
        on a.indrelid = b.indrelid and a.indexrelid <> b.indexrelid
        and (a.indkey::text = b.indkey::text or b.indkey::text like a.indkey::text || ' %') and a.indkey::text !~ '(^| )0( |$)'
        and (a.indclass::text = b.indclass::text or b.indclass::text like a.indclass::text || ' %')
        and (a.indoption::text = b.indoption::text or b.indoption::text like a.indoption::text || ' %')
        and coalesce(pg_get_expr(a.indpred, a.indrelid), '') = coalesce(pg_get_expr(b.indpred, b.indrelid), '')
        and not (a.indisunique and not (b.indisunique and a.indkey::text = b.indkey::text)) and (not a.indisunique or a.indexrelid > b.indexrelid)
        join pg_class c on c.oid = a.indexrelid join pg_namespace n on n.oid = c.relnamespace
      where ${SCHEMAS}`,
    fault: `create index faulty on sample.projects (user_id, created_at desc)`,
  },
  // The comparison of enums is not leakproof: under row-level security all rows are read before it. Text with a check does.
  'no index has an enum': {
    query: `select i.indexrelid::regclass::text || '.' || t.attname as name from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace and ${SCHEMAS}
        join pg_attribute t on t.attrelid = i.indexrelid join pg_type y on y.oid = t.atttypid
      where y.typtype = 'e' and not c.relispartition`,
    fault: `${TABLE} alter table sample.faulty add column mood sample.mood; create index faulty_mood on sample.faulty (id, mood)`,
  },
  'a constraint that a request can run into has a name of its own': {
    // The names that PostgreSQL makes up of a table's columns.
    query: `select r.conrelid::regclass::text || ' ' || r.conname as name from pg_constraint r join pg_namespace n on n.oid = r.connamespace
      where ${EXPOSED} and r.contype in ('c', 'f', 'u', 'x') and r.conname ~ '_(check|fkey|key|excl)\\d*$'`,
    fault: `${TABLE} alter table sample.faulty add column size int check (size > 0)`,
  },
  'every table and schema says what it is for': {
    query: `select c.oid::regclass::text as name from ${TABLES} and obj_description(c.oid, 'pg_class') is null
      union all select n.nspname from pg_namespace n where ${SCHEMAS} and obj_description(n.oid, 'pg_namespace') is null`,
    fault: `${TABLE} comment on table sample.faulty is null`,
  },
  'what decides on identity folds letter case without regard to the locale': {
    // As often as something is folded, it is folded by the collation "C".
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}, lateral (select pg_get_functiondef(p.oid) as text) as d
        where (select count(*) from regexp_matches(d.text, '\\m(lower|upper|initcap|casefold)\\(', 'g'))
          > (select count(*) from regexp_matches(d.text, 'collate "C"\\)', 'gi')) or d.text ~* '\\milike\\M|~~\\*'
      union all select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace and ${SCHEMAS}, lateral (select pg_get_indexdef(i.indexrelid) as text) as d
        where i.indisunique and d.text ~ '\\m(lower|upper)\\(' and d.text !~ 'COLLATE "C"\\)'
      union all select c.oid::regclass::text || '.' || t.attname from ${TABLES} join pg_attribute t on t.attrelid = c.oid
        where t.attnum > 0 and format_type(t.atttypid, null) ~ 'citext'`,
    fault: `create function sample.faulty(name text) returns text language sql set search_path = '' return lower(name)`,
  },
  'a text that people write is unique in one spelling of it, or is a code': {
    query: `select i.indexrelid::regclass::text || '.' || t.attname as name from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_namespace n on n.oid = c.relnamespace and ${EXPOSED}
        join pg_attribute t on t.attrelid = c.oid and t.attnum = any (i.indkey) and t.atttypid in ('text'::regtype, 'varchar'::regtype)
      where i.indisunique and c.relkind in ('r', 'p') and not c.relispartition
        and i.indexrelid::regclass::text || '.' || t.attname <> all (array['${OPAQUE.join("', '")}'])`,
    fault: `${TABLE} alter table sample.faulty add column name text, add constraint faulty_name unique (user_id, name)`,
  },
  // The planner may put it into a loop and run it anew, with its locks, for each row of the table: 12,000 sessions took 20 s. An
  // array is read once, whatever the statistics say: id = any (array(select ... limit ...)).
  'no row is looked for in a query with a limit': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where p.prosrc ~* '\\min\\s*\\(\\s*select\\M([^()]|\\([^()]*\\))*\\mlimit\\M'`,
    fault: `create function sample.faulty() returns void language sql set search_path = ''
      as 'delete from sample.projects where id in (select p.id from sample.projects as p where p.created_at < now() limit 10)'`,
  },
  // A plan that is made for a statement of one row, and stored, compares each of ten thousand rows with all others. In a text (execute) it is made
  // at each call.
  'no trigger joins the old rows of its statement with the new ones': {
    query: `select p.oid::regprocedure::text as name from ${FUNCTIONS}
      where regexp_replace(p.prosrc, '''[^'']*''', '', 'g') ~ '\\m(new|old)_rows as \\w+\\s+((inner|left) )?join (new|old)_rows\\M'`,
    fault: `create function sample.faulty() returns trigger language plpgsql set search_path = '' as $$ begin
      perform from new_rows as n inner join old_rows as o on o.id = n.id where n.name <> o.name; return null; end $$`,
  },
  // Without statistics the planner combines an index of one column with an index of the other, and reads all rows of an owner for each parent.
  'a foreign key of several columns has an index of all of them': {
    query: `select k.conrelid::regclass || '.' || k.conname as name
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace and ${SCHEMAS}
      where k.contype = 'f' and cardinality(k.conkey) > 1 and k.conparentid = 0 and not exists (
        select from pg_index x, lateral (select (x.indkey::int2[])[0:x.indnkeyatts - 1] as columns) as i
        where x.indrelid = k.conrelid and x.indkey[0] = any (k.conkey)
          and (k.conkey <@ i.columns or x.indisunique and i.columns <@ k.conkey))`,
    fault: `create table sample.faulty_parents (id uuid, user_id uuid, primary key (id, user_id));
      ${TABLE} alter table sample.faulty add column parent uuid, add foreign key (parent, user_id) references sample.faulty_parents;`,
  },
  'times have a zone': {
    query: `select c.oid::regclass::text || '.' || t.attname as name from ${TABLES} join pg_attribute t on t.attrelid = c.oid
      where t.attnum > 0 and not t.attisdropped and t.atttypid = 'timestamp'::regtype`,
    fault: `${TABLE} alter table sample.faulty add column at timestamp`,
  },
};

for (const [rule, { query, fault, system }] of Object.entries(RULES)) {
  // The fault is injected into a table of that system.
  test(rule, system ? needs(system) : {}, async () => {
    const found = (rows) => rows.map(({ name }) => name);
    assert.deepEqual(found(await sql(query)), [], 'now');
    await transaction(async (run) => {
      await run(fault);
      const broken = found(await run(query));
      assert.equal(broken.length > 0, true, 'the injected fault is found');
    });
  });
}

/** Functions that endpoints with a limit call, and that are not volatile, so that the limit cannot be counted. */
const uncounted = async (manifests) => {
  const endpoints = manifests.flatMap((manifest) => manifest.endpoints);
  const calls = endpoints.filter(({ limit }) => limit).map(({ call }) => call);
  const rows = await sql(
    `select name from unnest($1::text[]) as name where not coalesce((
      select bool_and(p.provolatile = 'v') from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
      where n.nspname || '.' || p.proname = name), false)`,
    [calls],
  );
  return rows.map(({ name }) => name);
};

test('an endpoint with a limit calls a volatile function', async () => {
  assert.deepEqual(await uncounted(systems()), [], 'now');
  const limited = (name) => ({ call: `sample_more.${name}`, limit: { per_minute: 1 } });
  const endpoints = ['add_entry', 'say', 'no_such_function'].map(limited);
  const wanted = ['sample_more.say', 'sample_more.no_such_function'];
  assert.deepEqual(await uncounted([...systems(), { endpoints }]), wanted, 'the injected fault is found');
});

/** Systems whose lists are here. Others have theirs in the proof only. */
const LISTED = ['sample', 'clixen', 'growth'];
const listed = systems().filter(({ name }) => LISTED.includes(name));
const inListed = `n.nspname in (${list([...listed.flatMap((system) => system.schemas), 'edge', 'request', 'private'])})`;

const ANYBODY = 'anon authenticated service_role';

/** Functions that requests may execute, and who may: of the core, and by system. */
const EXECUTABLE = {
  core: [
    'edge.api_tokens(): edge',
    'edge.changes(jsonb,boolean): edge',
    'edge.create_api_token(text,text,text,jsonb,jsonb,text,timestamp with time zone): edge',
    'edge.data_api(text[]): authenticated service_role',
    'edge.exchange_api_token(text): edge',
    'edge.new_changes(jsonb,boolean): edge',
    'edge.note_job(text,bigint,bigint,text): edge',
    'edge.erase_person(text,text[],boolean): authenticated service_role',
    'edge.export_person(text,text[]): authenticated service_role',
    'edge.ready(): edge',
    'edge.revoke_api_token(uuid): edge',
    'edge.rewrapped(jsonb): edge',
    'edge.run_job(text): edge',
    'edge.sealed_batch(jsonb,integer,bigint): edge',
    'private.contacts_in(text[]): authenticated service_role',
    'private.is_admin(): authenticated',
    'private.json_texts(jsonb[]): authenticated service_role',
    'private.normalize_email(text): authenticated service_role',
    'private.scope_allows(text,text): authenticated',
    'private.token_allows(text,text): authenticated',
    'private.user_in_scope(text,text): authenticated',
    'private.uuid_v7(timestamp with time zone): authenticated edge service_role',
    'request.begin(text): anon authenticated edge service_role',
  ],
  growth: [
    'edge.running_experiments(): edge',
    'analytics.track_events(jsonb): edge',
    'experiments.auto_assign_experiments(text,text,text): edge',
    'experiments.experiment_results(uuid): authenticated service_role',
    'experiments.override_assignment(uuid,text,text,text): authenticated service_role',
    'experiments.record_exposures(jsonb): edge',
    'marketing.capture_lead(jsonb): edge',
    `marketing.confirm_lead(text): ${ANYBODY}`,
    'marketing.gdpr_delete_user_data(text,text[],boolean): authenticated service_role',
    'marketing.gdpr_export_user_data(text,text[]): authenticated service_role',
    'marketing.lead_field_names(): authenticated service_role',
    'marketing.leads_of_company(text,integer): authenticated service_role',
    'marketing.only_admins(): authenticated service_role',
    'marketing.pending_confirmations(integer,interval): service_role',
    'private.lead_mentions(text,text[]): authenticated service_role',
    `onboarding.activity(text,jsonb): ${ANYBODY}`,
    `onboarding.progress(text): ${ANYBODY}`,
    'onboarding.start(jsonb): edge',
    `onboarding.step(text,jsonb): ${ANYBODY}`,
    'whatsapp.receive_webhook(jsonb): edge',
    'whatsapp.remove_access_token(uuid): authenticated',
    'whatsapp.set_access_token(uuid,text,text,bigint): edge',
    'whatsapp.verify_token_fits(text): edge',
    'whatsapp.own_accounts(): authenticated',
  ],
  clixen: [
    'clixen.create_user_profile(): authenticated',
    'clixen.erase_user(uuid): service_role',
    'clixen.get_or_create_default_project(uuid): authenticated',
    'clixen.may_finish_deployments(): service_role',
    'clixen.open_deployment(uuid,bigint): authenticated',
    'clixen.record_execution(text,timestamp with time zone,bigint): service_role',
    'clixen.track_telemetry(jsonb): edge',
    'edge.called_workflow(uuid,uuid,text): edge',
    'edge.claim_deployment(uuid): edge',
    'edge.claim_removal(text): edge',
    'edge.deployment_workflow(uuid,uuid,boolean): edge',
    'edge.finish_deployment(uuid,uuid,jsonb): edge',
    'edge.note_deployment(uuid,uuid,text): edge',
    'edge.own_workflows(uuid,uuid,text[]): edge',
    'edge.removed_from_n8n(text,boolean): edge',
    'edge.unfinished_deployments(integer): edge',
  ],
  // Those of its own schema stand in the proof.
  flashfusion: [
    'edge.claim_billing_events(integer): edge',
    'edge.finish_billing_event(text,integer,jsonb): edge',
    'edge.key_to_verify(uuid): edge',
    'edge.key_verified(uuid,boolean): edge',
  ],
  // Likewise.
  observatory: ['edge.audit_head(): edge', 'edge.audit_head_sealed(uuid,text,bigint): edge'],
  // Likewise.
  assistant: [
    'edge.save_chat(uuid,text): edge',
    'edge.end_chat(uuid,jsonb): edge',
    'private.tenant_of(uuid): authenticated service_role',
    'private.tenant_of_message(uuid): authenticated service_role',
  ],
  // Those of its own schema stand in the proof.
  sample: [
    'sample.add_project(text): authenticated',
    'sample.count_projects(): authenticated',
    'sample.erase_user(uuid): service_role',
    'sample_more.opened(): edge',
    'sample_more.spend(uuid,bigint): service_role',
    'sample_more.add_entries(jsonb,bigint): service_role',
    'sample_more.add_entry(jsonb): edge',
    `sample_more.say(text,jsonb): ${ANYBODY}`,
  ],
};

test('a function is executable by those it is granted to and nobody else', async () => {
  const query = `select p.oid::regprocedure::text || ': ' || string_agg(a.grantee::regrole::text, ' ' order by a.grantee::regrole::text) as name
    from ${FUNCTIONS}, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    where a.grantee <> p.proowner and ${inListed} group by p.oid order by 1`;
  const wanted = ['core', ...systems().map(({ name }) => name)].flatMap((name) => EXECUTABLE[name] ?? []);
  const found = (await sql(query)).map(({ name }) => name);
  assert.deepEqual(found.sort(), wanted.sort());
});

/** Indexes beside the keys and those of mentions, by table; growth's are fifty and more, clixen's 26. */
const INDEXES = {
  'analytics.event_aggregations': 4,
  'analytics.events': 8,
  'analytics.metrics': 5,
  'clixen.deployments': 4,
  'clixen.mvp_chat_messages': 3,
  'clixen.mvp_chat_sessions': 3,
  'clixen.mvp_workflows': 6,
  'clixen.projects': 3,
  'clixen.telemetry_events': 4,
  'clixen.user_profiles': 3,
  'experiments.assignments': 5,
  'experiments.experiments': 3,
  'marketing.lead_interactions': 6,
  'marketing.leads': 15,
  'onboarding.sessions': 7,
  'onboarding.step_activities': 3,
  'sample.projects': 3,
  'sample.user_profiles': 1,
  'sample_more.entries': 1,
  'whatsapp.accounts': 5,
  'whatsapp.templates': 4,
};

test('every table has the indexes that were decided on: growth at least fifty, clixen 26', async () => {
  const rows = await sql(`select t.oid::regclass::text as name, count(*)::int as count
    from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace and ${EXPOSED}
    where not i.indisprimary and not t.relispartition and ${inListed} and i.indexrelid::regclass::text !~ '_id_user_id$|_mentions$' group by 1`);
  const served = schemas();
  const wanted = Object.entries(INDEXES).filter(([name]) => served.includes(name.split('.')[0]));
  assert.deepEqual(
    Object.fromEntries(rows.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, count }) => [name, count])),
    Object.fromEntries(wanted),
  );
  const total = (system) =>
    rows.filter(({ name }) => system.schemas.includes(name.split('.')[0])).reduce((sum, { count }) => sum + count, 0);
  for (const system of systems()) {
    if (system.name === 'growth') assert.ok(total(system) >= 50);
    if (system.name === 'clixen') assert.equal(total(system), 26);
  }
});

/** How many columns each table of clixen has: a contract with its clients. */
const COLUMNS = {
  'clixen.deployments': 13,
  'clixen.mvp_chat_messages': 10,
  'clixen.mvp_chat_sessions': 13,
  'clixen.mvp_workflows': 19,
  'clixen.projects': 9,
  'clixen.telemetry_events': 15,
  'clixen.user_profiles': 14,
};

test('the tables of clixen are seven, with the columns that were agreed on', needs('clixen'), async () => {
  const rows = await sql(`select c.oid::regclass::text as name,
      (select count(*)::int from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as count
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'clixen' and c.relkind = 'r' order by 1`);
  assert.deepEqual(Object.fromEntries(rows.map(({ name, count }) => [name, count])), COLUMNS);
});
