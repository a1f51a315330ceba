-- 0028: data API. What a caller may use of it, for GET /openapi.json.
-- migrate:up

-- Relations and functions of these schemas that the caller's role has rights on, as the fields `schemas` and `paths` of an OpenAPI
-- description. The edge names the schemas that it serves, the default one first. A relation or function that several of them have is
-- one path, for which a header chooses the schema.
create function edge.data_api(schemas text[]) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  made jsonb;
begin
  with scalars as materialized (
    select
      t.oid,
      case
        when t.typtype = 'e' then jsonb_build_object('type', 'string', 'enum', (
          select jsonb_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum as e where e.enumtypid = t.oid
        ))
        when t.typname in ('int2', 'int4', 'int8') then '{"type": "integer"}'
        when t.typname in ('float4', 'float8', 'numeric') then '{"type": "number"}'
        when t.typname = 'bool' then '{"type": "boolean"}'
        when t.typname = 'uuid' then '{"type": "string", "format": "uuid"}'
        when t.typname = 'date' then '{"type": "string", "format": "date"}'
        when t.typname = 'timestamptz' then '{"type": "string", "format": "date-time"}'
        when t.typname in ('json', 'jsonb') or t.typtype in ('c', 'p') then '{}'
        else '{"type": "string"}'
      end::jsonb as schema
    from pg_catalog.pg_type as t
    where t.typtype <> 'd' and t.typcategory <> 'A'
  ),
  types as materialized (
    select s.oid, s.schema from scalars as s
    union all
    select t.oid, jsonb_build_object('type', 'array', 'items', s.schema)
    from pg_catalog.pg_type as t inner join scalars as s on s.oid = t.typelem
    where t.typcategory = 'A' and t.typtype <> 'd'
    union all
    select t.oid, s.schema
    from pg_catalog.pg_type as t inner join scalars as s on s.oid = t.typbasetype
    where t.typtype = 'd'
  ),
  served as materialized (
    select n.oid, n.nspname::text as name, u.place
    from (
      -- Each once, and not more than anybody has: all that follows is done for each of them.
      select s.name, min(s.place) as place from unnest(data_api.schemas[:100]) with ordinality as s (name, place) group by s.name
    ) as u
    inner join pg_catalog.pg_namespace as n on n.nspname = u.name
    where has_schema_privilege(n.oid, 'usage')
  ),
  relations as materialized (
    select
      c.oid, o.name, n.name as in_schema, n.place, 'data.' || regexp_replace(n.name || '.' || o.name, '[^A-Za-z0-9._-]', '_', 'g') as full_name,
      obj_description(c.oid, 'pg_class') as about,
      array_remove(array[
        case when has_any_column_privilege(c.oid, 'select') then 'get' end,
        case when has_any_column_privilege(c.oid, 'insert') then 'post' end,
        case when has_any_column_privilege(c.oid, 'update') then 'patch' end,
        case when has_table_privilege(c.oid, 'delete') then 'delete' end
      ], null) as verbs
    from pg_catalog.pg_class as c
    inner join served as n on n.oid = c.relnamespace
    -- In an address, names of other characters are percent-encoded.
    cross join lateral (
      select case when c.relname ~ '^[A-Za-z0-9._~-]+$' then c.relname::text
        else regexp_replace(encode(convert_to(c.relname::text, 'UTF8'), 'hex'), '..', '%\&', 'g') end
    ) as o (name)
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  ),
  columns as (
    select
      r.full_name,
      jsonb_object_agg(a.attname, case
        when a.attnotnull then coalesce(t.schema, '{}')
        else jsonb_build_object('anyOf', jsonb_build_array(coalesce(t.schema, '{}'), '{"type": "null"}'::jsonb))
      end || jsonb_strip_nulls(jsonb_build_object(
        'description', col_description(r.oid, a.attnum),
        'readOnly', case when not (rights.inserts or rights.updates) then true end,
        'writeOnly', case when not rights.selects then true end
      ))) as properties
    from relations as r
    inner join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join types as t on t.oid = a.atttypid
    cross join lateral (
      select
        has_column_privilege(r.oid, a.attnum, 'select') as selects,
        has_column_privilege(r.oid, a.attnum, 'insert') as inserts,
        has_column_privilege(r.oid, a.attnum, 'update') as updates
    ) as rights
    where rights.selects or rights.inserts or rights.updates
    group by r.full_name
  ),
  verbs as (
    select
      r.name, v.verb, case v.verb when 'get' then 'Accept-Profile' else 'Content-Profile' end as header,
      jsonb_agg(r.in_schema order by r.place) as in_schemas, min(r.place) as place,
      case count(*)
        when 1 then jsonb_agg(jsonb_build_object('$ref', '#/components/schemas/' || r.full_name)) -> 0
        else jsonb_build_object('anyOf', jsonb_agg(jsonb_build_object('$ref', '#/components/schemas/' || r.full_name) order by r.place))
      end as row,
      string_agg(r.about, ' / ' order by r.place) as about
    from relations as r cross join lateral unnest(r.verbs) as v (verb)
    group by r.name, v.verb
  ),
  relation_paths as (
    select
      '/rest/v1/' || v.name as path,
      jsonb_object_agg(v.verb, jsonb_strip_nulls(jsonb_build_object(
        'operationId', format('%s_rest_%s', v.verb, v.name),
        'tags', jsonb_build_array('data API: ' || (v.in_schemas ->> 0)),
        'summary', v.about,
        'parameters', jsonb_build_array(jsonb_build_object(
          'name', v.header, 'in', 'header', 'required', v.place > 1, 'schema', jsonb_build_object('enum', v.in_schemas)
        )) || case v.verb
          when 'get' then '[{"$ref": "#/components/parameters/select"}, {"$ref": "#/components/parameters/order"},
            {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/offset"},
            {"$ref": "#/components/parameters/filters"}]'::jsonb
          when 'post' then '[{"$ref": "#/components/parameters/prefer"}]'
          else '[{"$ref": "#/components/parameters/prefer"}, {"$ref": "#/components/parameters/filters"}]'
        end,
        'requestBody', case
          when v.verb = 'post' then jsonb_build_object('required', true, 'content', jsonb_build_object('application/json',
            jsonb_build_object('schema', jsonb_build_object('anyOf', jsonb_build_array(
              v.row, jsonb_build_object('type', 'array', 'items', v.row)
            )))))
          when v.verb = 'patch' then jsonb_build_object('required', true, 'content', jsonb_build_object('application/json',
            jsonb_build_object('schema', v.row)))
        end,
        'security', '[{"userToken": []}, {"apiToken": []}, {"serviceToken": []}]'::jsonb,
        'responses', jsonb_build_object(case v.verb when 'post' then '201' else '200' end, jsonb_build_object(
          'description', case v.verb when 'get' then 'The rows.' else 'The rows, with Prefer: return=representation.' end,
          'content', jsonb_build_object('application/json', jsonb_build_object('schema', jsonb_build_object('type', 'array', 'items', v.row)))
        ), 'default', '{"$ref": "#/components/responses/DataError"}'::jsonb)
        || case when v.verb in ('patch', 'delete') then '{"204": {"description": "Done."}}' else '{}' end::jsonb
      ))) as item
    from verbs as v group by v.name
  ),
  functions as materialized (
    select
      p.oid, o.name, n.name as in_schema, n.place, obj_description(p.oid, 'pg_proc') as about,
      case when p.proretset then jsonb_build_object('type', 'array', 'items', coalesce(t.schema, '{}')) else coalesce(t.schema, '{}') end
        as result,
      (
        select jsonb_strip_nulls(jsonb_build_object(
          'type', 'object',
          'properties', coalesce(jsonb_object_agg(a.name, coalesce(at.schema, '{}')) filter (where a.name <> ''), '{}'),
          'required', jsonb_agg(a.name order by a.place) filter (where a.name <> '' and a.place <= p.pronargs - p.pronargdefaults),
          'additionalProperties', false
        ))
        from (
          select
            coalesce(p.proargnames[i.place::int], '') as name, i.type,
            row_number() over (order by i.place) as place
          from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes) with ordinality as i (type, mode, place)
          where coalesce(i.mode, 'i') in ('i', 'b', 'v')
        ) as a
        left join types as at on at.oid = a.type
      ) as arguments
    from pg_catalog.pg_proc as p
    inner join served as n on n.oid = p.pronamespace
    cross join lateral (
      select case when p.proname ~ '^[A-Za-z0-9._~-]+$' then p.proname::text
        else regexp_replace(encode(convert_to(p.proname::text, 'UTF8'), 'hex'), '..', '%\&', 'g') end
    ) as o (name)
    left join types as t on t.oid = p.prorettype
    where p.prokind = 'f' and p.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
      and has_function_privilege(p.oid, 'execute')
  ),
  function_paths as (
    select
      '/rest/v1/rpc/' || f.name as path,
      jsonb_build_object('post', jsonb_strip_nulls(jsonb_build_object(
        'operationId', 'post_rpc_' || f.name,
        'tags', jsonb_build_array('data API: ' || (array_agg(f.in_schema order by f.place))[1]),
        'summary', string_agg(f.about, ' / ' order by f.place, f.oid),
        'parameters', jsonb_build_array(jsonb_build_object(
          'name', 'Content-Profile', 'in', 'header', 'required', min(f.place) > 1,
          'schema', jsonb_build_object('enum', jsonb_agg(distinct f.in_schema))
        )),
        'requestBody', jsonb_build_object('content', jsonb_build_object('application/json', jsonb_build_object(
          'schema', case count(*) when 1 then jsonb_agg(f.arguments) -> 0 else jsonb_build_object('anyOf', jsonb_agg(f.arguments)) end
        ))),
        'security', '[{"userToken": []}, {"apiToken": []}, {"serviceToken": []}]'::jsonb,
        'responses', jsonb_build_object(
          '200', jsonb_build_object('description', 'The result.', 'content', jsonb_build_object('application/json', jsonb_build_object(
            'schema', case count(*) when 1 then jsonb_agg(f.result) -> 0 else '{}' end
          ))),
          '204', '{"description": "The function returns nothing."}'::jsonb,
          'default', '{"$ref": "#/components/responses/DataError"}'::jsonb
        )
      ))) as item
    from functions as f group by f.name
  )
  select jsonb_build_object(
    'schemas', coalesce((
      select jsonb_object_agg(r.full_name, jsonb_strip_nulls(jsonb_build_object(
        'type', 'object', 'description', r.about, 'properties', coalesce(c.properties, '{}')
      )))
      from relations as r left join columns as c on c.full_name = r.full_name
      where r.verbs <> '{}'
    ), '{}'),
    'paths', coalesce((
      select jsonb_object_agg(p.path, p.item) from (
        select path, item from relation_paths union all select path, item from function_paths
      ) as p
    ), '{}')
  ) into made;
  return made;
end
$$;
comment on function edge.data_api(text[]) is
  'Relations and functions of the data API that the caller''s role has rights on: columns, types, comments, verbs and arguments, as parts of an OpenAPI description.';
revoke execute on function edge.data_api(text[]) from public;
-- The edge calls it with the caller's own token.
grant execute on function edge.data_api(text[]) to authenticated, service_role;

-- migrate:down
drop function edge.data_api(text[]);
