-- 0009: edge. The schema of functions that only the edge calls, with its own token of the role edge.
-- migrate:up
create schema edge;
comment on schema edge is 'Exposed by PostgREST, executable by role edge only.';
grant usage on schema edge to edge;

-- Whether the database answers, for the edge's /readyz.
create function edge.ready() returns jsonb
  language sql stable
  set search_path = ''
  as $$ select jsonb_build_object('database', 'ok') $$;
revoke execute on function edge.ready() from public;
grant execute on function edge.ready() to edge;

-- migrate:down
drop function edge.ready();
drop schema edge;
