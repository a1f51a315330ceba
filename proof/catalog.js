// What there is to be decided: every relation, column, foreign key and function of the schemas that PostgREST exposes, as the
// database's catalog has it.
import { schemas } from '../dev/systems.js';

const IN_SCHEMAS = `n.nspname = any ($1)`;

const RELATIONS = `
select format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema, c.relname as relation,
  array(
    select a.attname::text from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum
  ) as columns,
  coalesce((
    select array_agg(a.attname::text order by a.attnum) from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = c.oid and i.indisprimary
  ), '{}') as key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and ${IN_SCHEMAS}
order by 1`;

const FOREIGN_KEYS = `
select r.conname as name, format('%I.%I', n.nspname, c.relname) as child, format('%I.%I', pn.nspname, p.relname) as parent
from pg_constraint r
join pg_class c on c.oid = r.conrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class p on p.oid = r.confrelid join pg_namespace pn on pn.oid = p.relnamespace
where r.contype = 'f' and r.conparentid = 0 and ${IN_SCHEMAS} and pn.nspname = n.nspname
order by 1`;

// A trigger's function cannot be called by anybody.
const FUNCTIONS = `
select format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) as name, n.nspname as schema,
  p.proname as function, case
    when p.proargmodes is null then coalesce(p.proargnames[1:p.pronargs], '{}')
    else array(select given.name from unnest(p.proargnames, p.proargmodes) as given (name, mode) where given.mode = any ('{i,b,v}'::"char"[]))
  end as arguments
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind = 'f' and p.prorettype <> 'trigger'::regtype and ${IN_SCHEMAS}
order by 1`;

/** Relations, foreign keys between them, and functions. */
export const exposed = async (sql) => ({
  relations: await sql(RELATIONS, [schemas()]),
  foreignKeys: await sql(FOREIGN_KEYS, [schemas()]),
  functions: await sql(FUNCTIONS, [schemas()]),
});
