-- 0030: statistics. Without any, the planner sorts some lists that it could read in order.
-- migrate:up
-- Analyses tables with rows that have never been analysed, the largest first, at most so many, and returns how many. An upgrade of PostgreSQL
-- and a restore bring no statistics along, and autovacuum waits until rows change. After a crash of the server it does once more than it must:
-- when a table was analysed is forgotten then. Tables that somebody has locked are left for the next run. One table a run: a run that takes too
-- long is rolled back with all that it has made.
create function private.analyze_tables(most int default 1) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  relation regclass;
  analyzed bigint := 0;
begin
  for relation in
    select c.oid
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relowner = current_user::regrole and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and pg_relation_size(c.oid) > 0
      and pg_stat_get_last_analyze_time(c.oid) is null and pg_stat_get_last_autoanalyze_time(c.oid) is null
    order by pg_relation_size(c.oid) desc
    limit analyze_tables.most
  loop
    execute format('analyze (skip_locked) %s', relation);
    analyzed := analyzed + 1;
  end loop;
  return analyzed;
end
$$;
revoke execute on function private.analyze_tables(int) from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'analyze_tables', 'private.analyze_tables', '*/5 * * * *', 1, 'Makes the statistics of tables that have none, as after an upgrade of PostgreSQL.'
);

-- migrate:down
delete from private.jobs where name = 'analyze_tables';
drop function private.analyze_tables(int);
