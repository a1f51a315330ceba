-- 0008: filters. An update or a delete that names no rows is refused here too, for whoever calls PostgREST past the edge.
-- migrate:up
-- For `before update or delete ... for each statement`. A trigger is not told of a statement's conditions, so it reads
-- the statement, which begins in these words when PostgREST makes it; functions and psql may write as they like.
create function private.require_filter() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
declare
  -- Null where it is not PostgREST's.
  mutation constant text := substring(current_query() from '^WITH pgrst_source AS \((.*)$');
begin
  if
    -- DELETE FROM "schema"."table" RETURNING
    mutation ~ '^DELETE FROM "[^"]+"\."[^"]+"\s+RETURNING'
    -- UPDATE "schema"."table" SET ... FROM ... pgrst_body RETURNING
    or mutation ~ '^UPDATE .*\) pgrst_body\s+RETURNING'
    -- Either with limit and order: WITH pgrst_affected_rows AS (SELECT key FROM "schema"."table" ORDER BY
    or mutation ~ '^WITH .*pgrst_affected_rows AS \(SELECT [^()]* FROM "[^"]+"\."[^"]+"\s+ORDER'
  then
    perform private.refuse(
      400, 'RG511', 'An update or a delete needs a filter',
      'Without one it would touch every row; order and limit are no filters',
      'Add a filter, such as id=eq.<id>.'
    );
  end if;
  return null;
end
$$;

-- migrate:down
drop function private.require_filter();
