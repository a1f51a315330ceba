-- 0019: index usage. Which indexes are used; for operators, who connect to the database itself.
-- migrate:up
create view public.index_usage_stats with (security_invoker = true) as
select
  s.schemaname as schema, s.relname as table, s.indexrelname as index, s.idx_scan as scans, s.idx_tup_read as entries_read,
  s.idx_tup_fetch as rows_fetched, pg_relation_size(s.indexrelid) as bytes, i.indisunique as is_unique,
  s.idx_scan = 0 and not i.indisunique as is_unused
from pg_catalog.pg_stat_user_indexes as s
inner join pg_catalog.pg_index as i on i.indexrelid = s.indexrelid
-- The schemas of these migrations, for any choice of systems: those that belong to the owner of private.
where s.schemaname not in ('public', 'extensions', 'auth') and s.relid in (
  select c.oid
  from pg_catalog.pg_class as c
  inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  inner join pg_catalog.pg_namespace as own on own.nspowner = n.nspowner and own.nspname = 'private'
)
order by s.schemaname, s.relname, s.indexrelname;
comment on view public.index_usage_stats is 'How often each index was used since the statistics were last reset. For operators: no request role may read it.';
-- Some platforms grant everything in public to everybody by default.
revoke all on public.index_usage_stats from public, anon, authenticated, service_role;

-- migrate:down
drop view public.index_usage_stats;
