// What a database's catalog says of the schemas that the migrations make, as texts that can be compared.
import pg from 'pg';
import { schemas } from './systems.js';

// Every query gives (name, definition). Objects that belong to an extension are the extension's affair.
const OWN = `n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'public', 'extensions')`;
/** Partitions come and go with the months, and are made by a function; what operators look at is in public. */
const OWN_RELATION = `not c.relispartition and (${OWN} or c.oid = to_regclass('public.index_usage_stats'))`;
const NOT_EXTENSION = (catalog, oid) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;
const ACL = (acl, owner) => `coalesce((
  select string_agg(coalesce(nullif(grantee, 0)::regrole::text, 'public') || ':' || privileges, ' ' order by grantee::regrole::text)
  from (
    select a.grantee, string_agg(a.privilege_type, ',' order by a.privilege_type) as privileges
    from aclexplode(${acl}) as a where a.grantee <> ${owner} group by a.grantee
  ) as g
), 'nobody')`;
const DESCRIPTION = (oid, catalog) => `coalesce(obj_description(${oid}, '${catalog}'), '')`;
/** The same where most objects have no comment: null adds nothing to the definition. */
const COMMENT = (oid, catalog) => `'comment ' || obj_description(${oid}, '${catalog}')`;

const QUERIES = {
  extension: `select e.extname, n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname <> 'plpgsql'`,
  schema: `select n.nspname, concat_ws(' | ', ${ACL("coalesce(n.nspacl, acldefault('n', n.nspowner))", 'n.nspowner')},
      ${DESCRIPTION('n.oid', 'pg_namespace')})
    from pg_namespace n where ${OWN}`,
  type: `select format('%I.%I', n.nspname, t.typname), concat_ws(' | ',
      (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum where enumtypid = t.oid),
      (select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
        from pg_attribute a where a.attrelid = t.typrelid and not a.attisdropped and t.typtype = 'c'),
      case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end, t.typdefault,
      ${ACL("coalesce(t.typacl, acldefault('T', t.typowner))", 't.typowner')}, ${COMMENT('t.oid', 'pg_type')})
    from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
    where (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c') and ${OWN} and ${NOT_EXTENSION('pg_type', 't.oid')}`,
  table: `select format('%I.%I', n.nspname, c.relname), concat_ws(' | ',
      case c.relkind when 'v' then pg_get_viewdef(c.oid) when 'm' then pg_get_viewdef(c.oid) else concat(c.relkind, c.relpersistence) end,
      case when c.relrowsecurity then 'rls' end, case when c.relforcerowsecurity then 'forced' end, c.reloptions::text,
      ${ACL("coalesce(c.relacl, acldefault('r', c.relowner))", 'c.relowner')}, ${DESCRIPTION('c.oid', 'pg_class')})
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f') and ${OWN_RELATION}`,
  column: `select format('%I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' | ',
      format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
      pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
      (select 'collate ' || l.oid::regcollation from pg_collation l, pg_type t
        where l.oid = a.attcollation and t.oid = a.atttypid and a.attcollation <> t.typcollation),
      'compression ' || nullif(a.attcompression::text, ''), a.attoptions::text,
      case when a.attacl is not null then ${ACL('a.attacl', 'c.relowner')} end, col_description(c.oid, a.attnum))
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm') and ${OWN_RELATION}`,
  constraint: `select format('%s %I', r.conrelid::regclass, r.conname), concat_ws(' | ', pg_get_constraintdef(r.oid),
      case when not r.convalidated then 'not valid' end, ${COMMENT('r.oid', 'pg_constraint')})
    from pg_constraint r join pg_namespace n on n.oid = r.connamespace where r.conrelid <> 0 and ${OWN}
      and not exists (select from pg_class c where c.oid = r.conrelid and c.relispartition)`,
  index: `select format('%I.%I', n.nspname, c.relname), concat_ws(' | ', pg_get_indexdef(c.oid),
      case when not i.indisvalid then 'not valid' end, ${COMMENT('c.oid', 'pg_class')})
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid where c.relkind in ('i', 'I') and ${OWN_RELATION}`,
  policy: `select format('%s %I', p.polrelid::regclass, p.polname), concat_ws(' | ', p.polcmd::text, p.polpermissive::text,
      (select string_agg(case r when 0 then 'public' else r::regrole::text end, ',') from unnest(p.polroles) as r),
      'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid),
      ${COMMENT('p.oid', 'pg_policy')})
    from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where ${OWN}`,
  function: `select p.oid::regprocedure::text, concat_ws(' | ', pg_get_functiondef(p.oid),
      ${ACL("coalesce(p.proacl, acldefault('f', p.proowner))", 'p.proowner')}, ${DESCRIPTION('p.oid', 'pg_proc')})
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and ${OWN} and ${NOT_EXTENSION('pg_proc', 'p.oid')}`,
  trigger: `select format('%s %I', t.tgrelid::regclass, t.tgname), concat_ws(' | ', pg_get_triggerdef(t.oid),
      case t.tgenabled when 'O' then null when 'D' then 'disabled' else 'enabled for ' || t.tgenabled::text end,
      ${COMMENT('t.oid', 'pg_trigger')})
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where not t.tgisinternal and ${OWN}`,
  rule: `select format('%s %I', r.ev_class::regclass, r.rulename), pg_get_ruledef(r.oid)
    from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
    where r.rulename <> '_RETURN' and ${OWN}`,
  sequence: `select format('%I.%I', n.nspname, c.relname), concat_ws(' | ',
      ${ACL("coalesce(c.relacl, acldefault('s', c.relowner))", 'c.relowner')}, format_type(s.seqtypid, null),
      format('start %s by %s from %s to %s cache %s', s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache),
      case when s.seqcycle then 'cycle' end, ${COMMENT('c.oid', 'pg_class')}, (
        select format('of %s.%I', d.refobjid::regclass, a.attname) from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i') and d.refclassid = 'pg_class'::regclass))
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid
    where c.relkind = 'S' and ${OWN}`,
  owner: `select n.nspname || ' ' || kind || ' ' || name, owner::regrole::text from (
      select relnamespace as namespace, 'relation' as kind, relname::text as name, relowner as owner from pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not relispartition
      union all select pronamespace, 'function', oid::regprocedure::text, proowner from pg_proc
      union all select oid, 'schema', '', nspowner from pg_namespace
    ) as owned join pg_namespace n on n.oid = owned.namespace
    where owner <> n.nspowner and ${OWN}`,
  role: `select rolname, concat_ws(' | ', case when rolsuper then 'superuser' end, case when rolbypassrls then 'bypassrls' end,
      case when rolcanlogin then 'login' end, case when rolinherit then 'inherit' end,
      (select string_agg(s, ',' order by s) from pg_db_role_setting rs, unnest(setconfig) as s where setrole = r.oid),
      (select string_agg(m.roleid::regrole::text, ',' order by m.roleid::regrole::text) from pg_auth_members m where m.member = r.oid),
      'comment ' || shobj_description(r.oid, 'pg_authid'))
    from pg_roles r where rolname in ('anon', 'authenticated', 'edge', 'service_role', 'authenticator')`,
  publication: `select p.pubname, string_agg(concat_ws(' ', t.schemaname || '.' || t.tablename, t.rowfilter), ', ' order by t.schemaname, t.tablename)
    from pg_publication p left join pg_publication_tables t on t.pubname = p.pubname group by p.pubname`,
  default: `select concat_ws(' ', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype), defaclacl::text from pg_default_acl`,
};

/** Jobs of pg_cron, where it is installed. */
const JOBS = `select coalesce(jobname, jobid::text), concat_ws(' | ', schedule, command, case when not active then 'not active' end)
  from cron.job where database = current_database()`;

/**
 * The catalog as a map from "kind name" to a definition.
 * @param {string} connectionString
 * @returns {Promise<Map<string, string>>}
 */
export const catalog = async (connectionString) => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    // An empty search path makes every name in a definition a full one.
    await client.query(`set default_transaction_read_only = on; set search_path = ''`);
    const found = new Map();
    const { rows: cron } = await client.query(`select to_regclass('cron.job') is not null as there`);
    const queries = { ...QUERIES, ...(cron[0].there && { job: JOBS }) };
    for (const [kind, query] of Object.entries(queries)) {
      const { rows } = await client.query({ text: query, rowMode: 'array' });
      for (const [name, definition] of rows) {
        // dbmate's own.
        if (!name.startsWith('private.schema_migrations')) found.set(`${kind} ${name}`, definition ?? '');
      }
    }
    return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await client.end();
  }
};

/** Values that differ between two databases of the same migrations: random keys, and times of now. */
const VOLATILE = ['secret', 'at', 'created_at', 'updated_at', 'month'];

/**
 * The rows that the migrations themselves write, such as rate limits, as the keys of a map: of a database that nothing else has
 * written to.
 * @param {string} connectionString
 * @returns {Promise<Map<string, string>>}
 */
export const configuration = async (connectionString) => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows: tables } = await client.query(`select c.oid::regclass::text as name from pg_class c
      join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relname <> 'schema_migrations' and ${OWN_RELATION} order by 1`);
    const found = new Map();
    for (const { name } of tables) {
      const { rows } = await client.query(`select (to_jsonb(t) - $1::text[])::text as row from ${name} as t`, [
        VOLATILE,
      ]);
      for (const { row } of rows) found.set(`row ${name} ${row}`, '');
    }
    return found;
  } finally {
    await client.end();
  }
};

/** The differences of two catalogs, in words. */
export const differences = (wanted, found) => {
  const missing = [...wanted.keys()].filter((key) => !found.has(key)).map((key) => `missing: ${key}`);
  const extra = [...found.keys()].filter((key) => !wanted.has(key)).map((key) => `not from the migrations: ${key}`);
  const different = [...wanted]
    .filter(([key, definition]) => found.has(key) && found.get(key) !== definition)
    .map(([key, definition]) => `different: ${key}\n  intended: ${definition}\n  found:    ${found.get(key)}`);
  return [...missing, ...extra, ...different];
};

/** Memberships and powers that no request role may have: worth a word wherever they are found, for roles may be somebody else's. */
const POWER = /\b(superuser|bypassrls|login)\b|(^|[| ,])(anon|authenticated|edge|service_role)(?=$|[ ,|])/g;

/**
 * Only what the migrations make or rely on, for databases that have more: their schemas, their triggers on others' tables, and
 * the powers of the roles.
 */
export const ownPart = (all) => {
  const own = [...schemas(), 'request', 'private'];
  const kinds = [
    'schema',
    'type',
    'table',
    'column',
    'constraint',
    'index',
    'policy',
    'function',
    'trigger',
    'rule',
    'sequence',
    'owner',
  ];
  const inside = (key) => {
    const [kind, ...name] = key.split(' ');
    if (kind === 'job') return name.join(' ').startsWith('rowgate ');
    if (kind === 'role') return true;
    return (
      kinds.includes(kind) &&
      (own.includes(name.join(' ').split(/[. ]/)[0]) || /^public\.index_usage_stats\b/.test(name[0]))
    );
  };
  const found = new Map([...all].filter(([key]) => inside(key)));
  for (const [key, definition] of found) {
    if (key.startsWith('role '))
      found.set(
        key,
        (definition.match(POWER) ?? [])
          .map((word) => word.replace(/[| ,]/g, ''))
          .sort()
          .join(', '),
      );
  }
  // Where a database keeps the accounts, triggers tell the systems of them.
  for (const name of all.has('table auth.users') ? ACCOUNT_TRIGGERS : []) {
    const key = `trigger auth.users ${name}`;
    found.set(key, all.has(key) ? 'there' : 'missing: sign-ups or deletions of accounts do nothing');
  }
  return found;
};

/** Triggers on `auth.users`: private.attach_account_triggers makes them. */
const ACCOUNT_TRIGGERS = ['rowgate_follow_account', 'rowgate_erase_account'];

/** What is intended of a database that keeps accounts, beside what is intended of every one. */
export const withAccounts = (intended, found) => {
  const more = ACCOUNT_TRIGGERS.map((name) => `trigger auth.users ${name}`).filter((key) => found.has(key));
  return new Map([...intended, ...more.map((key) => [key, 'there'])]);
};
