-- 0014: filters. An update or a delete without a filter is refused here too, for callers who reach PostgREST without the edge.
-- migrate:up
-- Whether the conditions of a statement, as PostgREST writes them, hold for every row. Values are parameters and cannot be seen:
-- `like(all).{}` looks like any other `LIKE ALL`. It recognises `not.in.()`, which PostgREST writes as `NOT "column" =
-- ANY('{}')`, a condition next to its own opposite, such as `is.null` next to `not.is.null`, and combinations of these by AND, OR
-- and NOT.
create function private.holds_for_all(conditions text) returns boolean
  language plpgsql
  immutable
  -- Null for null: no statement, no answer.
  strict
  set search_path = ''
  as $$
declare
  field constant text := '((?:to_jsonb\()?"(?:[^"]|"")*"(?:\."(?:[^"]|"")*")*\)?(?:->>?\$\d+(?:::int)?)*)';
  rest text := conditions;
  before text;
begin
  if strpos(conditions, 'ANY(''{}'')') = 0 and strpos(conditions, ' OR ') = 0 then
    return false;
  end if;
  -- Write T for true, F for false, and X for what may be either.
  rest := regexp_replace(rest, field || '\s+IS\s+(\w+)\s+OR\s+NOT\s+\1\s+IS\s+\2', 'T', 'g');
  rest := regexp_replace(rest, 'NOT\s+' || field || '\s+IS\s+(\w+)\s+OR\s+\1\s+IS\s+\2', 'T', 'g');
  rest := regexp_replace(rest, field || '\s+IS\s+NULL\s+OR\s+\1\s+IS\s+NOT\s+NULL', 'T', 'g');
  rest := regexp_replace(rest, field || '\s+IS\s+NOT\s+NULL\s+OR\s+\1\s+IS\s+NULL', 'T', 'g');
  rest := regexp_replace(rest, field || '\s*=\s*ANY\(''\{\}''\)', 'F', 'g');
  rest := regexp_replace(rest, field, 'c', 'g');
  -- Parentheses of a function, of ANY and of ALL do not group conditions.
  loop
    before := rest;
    rest := regexp_replace(rest, '(?:\mANY|\mALL|\m[a-z_][a-z0-9_]*)\s*\([^()]*\)', 'v', 'g');
    exit when rest = before;
  end loop;
  rest := regexp_replace(rest, '\mc\M.*?(?=\s+AND\s|\s+OR\s|\s*\)|\s*$)', 'X', 'g');
  loop
    before := rest;
    rest := regexp_replace(rest, '\mNOT\s+T\M', 'F', 'g');
    rest := regexp_replace(rest, '\mNOT\s+F\M', 'T', 'g');
    rest := regexp_replace(rest, '\mNOT\s+X\M', 'X', 'g');
    rest := regexp_replace(rest, '\(\s*(?:[TFX]\s+OR\s+)*T(?:\s+OR\s+[TFX])*\s*\)', ' T ', 'g');
    rest := regexp_replace(rest, '\(\s*F(?:\s+OR\s+F)*\s*\)', ' F ', 'g');
    rest := regexp_replace(rest, '\(\s*T(?:\s+AND\s+T)*\s*\)', ' T ', 'g');
    rest := regexp_replace(rest, '\(\s*(?:[TFX]\s+AND\s+)*F(?:\s+AND\s+[TFX])*\s*\)', ' F ', 'g');
    rest := regexp_replace(rest, '\(\s*[TFX](?:\s+(?:AND|OR)\s+[TFX])*\s*\)', ' X ', 'g');
    exit when rest = before;
  end loop;
  return rest ~ '^\s*T(?:\s+AND\s+T)*\s*$';
end
$$;

-- For `before update or delete ... for each statement`. A trigger does not see the conditions of a statement, so it reads the
-- statement's text, which begins in these words when PostgREST writes it; functions and psql may write as they like.
create function private.require_filter() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
declare
  -- Null where PostgREST did not write the statement.
  mutation constant text := substring(current_query() from '^WITH pgrst_source AS \((.*)$');
  -- With limit and order PostgREST chooses the rows first: WITH pgrst_affected_rows AS (SELECT key FROM "schema"."table" WHERE
  -- ... ORDER BY
  conditions constant text := coalesce(
    substring(mutation from '^WITH .*?pgrst_affected_rows AS \(SELECT .*? FROM (?:"(?:[^"]|"")*"\.?)+\s+WHERE (.*?) ORDER BY'),
    substring(mutation from '^UPDATE .*?\) pgrst_body\s+WHERE (.*?) RETURNING'),
    substring(mutation from '^DELETE FROM (?:"(?:[^"]|"")*"\.?)+\s+WHERE (.*?) RETURNING')
  );
begin
  if
    -- DELETE FROM "schema"."table" RETURNING
    mutation ~ '^DELETE FROM (?:"(?:[^"]|"")*"\.?)+\s+RETURNING'
    -- UPDATE "schema"."table" SET ... FROM ... pgrst_body RETURNING
    or mutation ~ '^UPDATE .*\) pgrst_body\s+RETURNING'
    -- Either with limit and order: WITH pgrst_affected_rows AS (SELECT key FROM "schema"."table" ORDER BY
    or mutation ~ '^WITH .*pgrst_affected_rows AS \(SELECT [^()]* FROM (?:"(?:[^"]|"")*"\.?)+\s+ORDER'
    or private.holds_for_all(conditions)
  then
    perform private.refuse(
      400, 'RG511', 'An update or a delete needs a filter',
      'Without one it would touch every row; order and limit are no filters, nor is a condition that no row can fail',
      'Add a filter, such as id=eq.<id>.'
    );
  end if;
  return null;
end
$$;

-- migrate:down
drop function private.require_filter();
drop function private.holds_for_all(text);
