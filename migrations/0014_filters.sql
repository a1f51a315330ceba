-- 0014: filters. An update or a delete without a filter is refused here too, for callers who reach PostgREST without the edge.
-- migrate:up
-- Whether every row meets the conditions of a statement as PostgREST writes them. Values are parameters and cannot be seen:
-- `like(all).{}` looks like any other `LIKE ALL`. What can be seen is `not.in.()`, which PostgREST writes as
-- `NOT "column" = ANY('{}')`, a condition beside its own opposite, such as `is.null` beside `not.is.null`, and what
-- AND, OR and NOT make of these.
create function private.holds_for_all(conditions text) returns boolean
  language plpgsql
  immutable
  -- Of no statement at all there is nothing to say.
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
  -- True becomes T, false F, and what may be either X.
  rest := regexp_replace(rest, field || '\s+IS\s+(\w+)\s+OR\s+NOT\s+\1\s+IS\s+\2', 'T', 'g');
  rest := regexp_replace(rest, 'NOT\s+' || field || '\s+IS\s+(\w+)\s+OR\s+\1\s+IS\s+\2', 'T', 'g');
  rest := regexp_replace(rest, field || '\s+IS\s+NULL\s+OR\s+\1\s+IS\s+NOT\s+NULL', 'T', 'g');
  rest := regexp_replace(rest, field || '\s+IS\s+NOT\s+NULL\s+OR\s+\1\s+IS\s+NULL', 'T', 'g');
  rest := regexp_replace(rest, field || '\s*=\s*ANY\(''\{\}''\)', 'F', 'g');
  rest := regexp_replace(rest, field, 'c', 'g');
  -- Parentheses that belong to a function or to ANY and ALL are no group.
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
  -- With limit and order the rows are chosen beforehand: WITH pgrst_affected_rows AS (SELECT key FROM "schema"."table" WHERE ... ORDER BY
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
