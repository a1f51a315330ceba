-- 0009: edge. The schema of functions that only the edge calls.
-- migrate:up
create schema edge;
comment on schema edge is 'Exposed by PostgREST for the edge''s own calls; the data API does not serve it.';
-- Most of its functions are executable by role edge only; some with the caller's own token.
grant usage on schema edge to edge, authenticated, service_role;

-- Whether the database answers, and which keys of the edge are due, for /readyz.
create function edge.ready() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
begin
  return jsonb_build_object('database', 'ok', 'missing', private.keys_due());
end
$$;
comment on function edge.ready() is
  'Whether the database answers, and which keys of the edge are due. Definer: the edge has no right on the counts of keys.';
revoke execute on function edge.ready() from public;
grant execute on function edge.ready() to edge;

-- migrate:down
drop function edge.ready();
drop schema edge;
