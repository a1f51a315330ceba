-- 0418: stores the tool calls in entries of a transcript, and their results.
-- migrate:up
-- The beginning of a text, in at most so many bytes of UTF-8.
create function private.cut(words text, bytes int) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if octet_length(words) <= bytes then
    return words;
  end if;
  return left(words, case when octet_length(words) = char_length(words) then bytes else bytes / 4 end);
end
$$;
revoke execute on function private.cut(text, int) from public;

-- Gives results the tool and the model that their calls name: a compaction may write a call again that it preserves, and only then is the call
-- in the file, after its result. Messages with the results are indexed again, and searches that these report are counted again.
create function private.name_results(owner uuid, calls uuid[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ record;
begin
  select
    array_agg(m.id) as messages,
    array_agg(jsonb_populate_record(null::private.entry, jsonb_build_object(
      'uuid', m.entry_uuid, 'at', m.occurred_at, 'is_sidechain', m.is_sidechain,
      'usage', jsonb_build_object('web_searches', t.metadata -> 'search_count'),
      'tools', jsonb_build_array(jsonb_build_object('result', jsonb_build_object('id', t.tool_use_id)))
    ))) filter (where t.metadata ? 'search_count') as searches
  into found_
  from observatory.tool_calls as t
  inner join observatory.messages as m on m.conversation_id = t.conversation_id and m.entry_uuid = t.metadata ->> 'result_entry'
  where t.id = any (name_results.calls);
  perform private.index_messages(found_.messages);
  perform private.count_usage(owner, found_.searches);
end
$$;
revoke execute on function private.name_results(uuid, uuid[]) from public;

-- Stores the tool calls of entries, and their results. If a call has several results, the first in the file counts, however the file is split
-- into uploads. Returns how many calls are new.
create function private.store_tool_calls(owner uuid, places jsonb, entries private.entry[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  added bigint;
  -- Calls whose results were stored before them.
  late uuid[];
  -- As in private.store_messages.
  stem constant text := left(gen_random_uuid()::text, 30);
begin
  with place as (
    select p.* from jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid, project_id uuid)
  ),

  part as materialized (
    select p.conversation_id, p.project_id, e.pos, t.n, e.uuid, e.at, t.one -> 'use' as use, t.one -> 'result' as result,
      coalesce(t.one #>> '{use,id}', t.one #>> '{result,id}') as tool_use_id
    from unnest(entries) as e
    inner join place as p on p.session = e.session and p.agent is not distinct from e.agent
    cross join jsonb_array_elements(e.tools) with ordinality as t (one, n)
    where e.tools is not null
  ),

  used as (
    select distinct on (part.conversation_id, part.tool_use_id) part.* from part
    where part.use is not null and part.tool_use_id is not null
    order by part.conversation_id, part.tool_use_id, part.pos, part.n
  ),

  returned as (
    select distinct on (part.conversation_id, part.tool_use_id) part.*, part.result -> 'facts' as facts, part.result ->> 'output' as output,
      part.result -> 'is_error' = 'true' as is_error
    from part
    where part.result is not null and part.tool_use_id is not null
    order by part.conversation_id, part.tool_use_id, part.pos, part.n
  ),

  call as (
    select
      coalesce(u.conversation_id, r.conversation_id) as conversation_id,
      coalesce(u.project_id, r.project_id) as project_id,
      coalesce(u.tool_use_id, r.tool_use_id) as tool_use_id,
      m.id as message_id, u.at as started_at, u.use, r.uuid as result_uuid, r.at as completed_at, r.output, r.is_error, r.facts,
      case when r.uuid is null then 'pending'
        when r.facts -> 'rejected' = 'true' or (r.is_error and r.output like 'The user doesn''t want to proceed%') then 'rejected'
        when r.facts -> 'interrupted' = 'true' or (r.is_error and r.output like '[Request interrupted by user%') then 'interrupted'
        when r.is_error then 'failed' else 'completed'
      end as status
    from used as u
    full outer join returned as r on r.conversation_id = u.conversation_id and r.tool_use_id = u.tool_use_id
    -- By index, whatever the planner expects: it would read all messages, each time.
    left join lateral (
      select s.id from observatory.messages as s where s.conversation_id = u.conversation_id and s.entry_uuid = u.uuid limit 1
    ) as m on true
  ),

  written as (
    insert into observatory.tool_calls as t (
      id, project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output, output_truncated, status, is_error,
      error_message, started_at, completed_at, duration_ms, duration_source, file_path, spawned_agent_id, metadata
    )
    select
      (stem || lpad(to_hex(row_number() over (order by call.conversation_id, call.tool_use_id)), 6, '0'))::uuid, call.project_id,
      call.conversation_id, owner, call.message_id, call.tool_use_id,
      coalesce(nullif(call.use ->> 'name', ''), 'unknown'),
      case
        -- As text it has at most six times as many bytes: each control character is an escape.
        when pg_column_size(call.use -> 'input') <= 170000 then call.use -> 'input'
        -- Enough to recognise the call. The stored line has the rest.
        else jsonb_build_object('cut', left(call.use ->> 'input', 50000))
      end,
      private.cut(call.output, 262144), coalesce(octet_length(call.output) > 262144, false) or coalesce(call.facts ? 'persisted_output_path', false),
      call.status, coalesce(call.is_error, false), case when call.is_error then left(call.output, 2000) end,
      call.started_at, call.completed_at,
      (call.facts ->> 'duration_ms')::bigint, case when call.facts ? 'duration_ms' then 'result' end,
      private.indexed_path(coalesce(
        call.use #>> '{input,file_path}', call.use #>> '{input,notebook_path}', call.use #>> '{input,path}', call.facts ->> 'file_path'
      )),
      call.facts ->> 'agent_id',
      case when call.result_uuid is null then '{}' else coalesce(nullif(call.facts, 'null'), '{}') || jsonb_build_object('result_entry', call.result_uuid) end
    from call
    order by call.conversation_id, call.tool_use_id
    on conflict on constraint tool_calls_use do update set
      message_id = coalesce(t.message_id, excluded.message_id),
      tool_name = case when t.message_id is null and excluded.message_id is not null then excluded.tool_name else t.tool_name end,
      input = case when t.message_id is null and excluded.message_id is not null then excluded.input else t.input end,
      started_at = case when t.message_id is null and excluded.message_id is not null then excluded.started_at else t.started_at end,
      file_path = coalesce(t.file_path, excluded.file_path),
      output = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.output else t.output end,
      output_truncated = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.output_truncated else t.output_truncated end,
      status = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.status else t.status end,
      is_error = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.is_error else t.is_error end,
      error_message = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.error_message else t.error_message end,
      completed_at = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.completed_at else t.completed_at end,
      duration_ms = case when t.duration_source = 'hook' or excluded.duration_ms is null then t.duration_ms else excluded.duration_ms end,
      duration_source = case when t.duration_source = 'hook' or excluded.duration_ms is null then t.duration_source else excluded.duration_source end,
      spawned_agent_id = coalesce(t.spawned_agent_id, excluded.spawned_agent_id),
      metadata = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then t.metadata || excluded.metadata else t.metadata end
    where (t.message_id is null and excluded.message_id is not null) or (excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry')
    returning t.id, t.conversation_id, t.tool_use_id, t.xmax = 0 as is_new
  )

  select
    count(*) filter (where written.is_new),
    array_agg(written.id) filter (where not written.is_new and exists (
      select from part
      where part.use is not null and part.conversation_id = written.conversation_id and part.tool_use_id = written.tool_use_id
    ))
  into added, late
  from written;
  if late is not null then
    perform private.name_results(owner, late);
  end if;
  return added;
end
$$;
revoke execute on function private.store_tool_calls(uuid, jsonb, private.entry[]) from public;

-- migrate:down
drop function private.store_tool_calls(uuid, jsonb, private.entry[]);
drop function private.name_results(uuid, uuid[]);
drop function private.cut(text, int);
