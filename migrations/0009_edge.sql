-- 0009: edge. The schema of functions that only the edge calls.
-- migrate:up
create schema edge;
comment on schema edge is 'Exposed by PostgREST for the edge''s own calls; the data API does not serve it.';
-- Most of its functions are executable by role edge only; some with the caller's own token.
grant usage on schema edge to edge, authenticated, service_role;

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
