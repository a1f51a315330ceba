-- 0421: the reader of Claude Code's transcripts. The format is internal to Claude Code and changes: the reader interprets the fields that it knows
-- and keeps the rest as it is.
-- migrate:up
-- A block of a message as it is stored.
create function private.stored_block(block jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when block ->> 'type' = 'tool_use' then block - 'input'
    when block ->> 'type' = 'tool_result' then block - 'content'
    when block -> 'source' ? 'data' then jsonb_build_object(
      'type', block -> 'type', 'media_type', block #> '{source,media_type}', 'bytes', octet_length(block #>> '{source,data}') / 4 * 3,
      'sha256', encode(sha256(convert_to(block #>> '{source,data}', 'UTF8')), 'hex')
    )
    else block
  end;
end
$$;
revoke execute on function private.stored_block(jsonb) from public;

-- The blocks of a message as they are stored: the bytes of images and documents only in the line itself, inputs and results of tools
-- only in their tool calls. Null if there is nothing but text, which the message's content has.
create function private.stored_blocks(blocks jsonb) returns jsonb
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return (
    select case
      when bool_and(coalesce(b.block ->> 'type' = 'text', false)) then null
      else jsonb_agg(private.stored_block(b.block) order by b.n)
    end
    from jsonb_array_elements(blocks) with ordinality as b (block, n)
  );
end
$$;
revoke execute on function private.stored_blocks(jsonb) from public;

-- The usage of a response of the API. Before version 2.1.152 the total of cache writes may be 0 although its parts are not. The response's numbers
-- do not include what other models did for it: `extra` has a record for each of these.
create function private.claude_usage(message jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  used constant jsonb := message -> 'usage';
  parts constant jsonb := used -> 'cache_creation';
  hour constant bigint := case when parts is null then 0 else private.entry_count(parts -> 'ephemeral_1h_input_tokens') end;
  extra jsonb;
begin
  if jsonb_typeof(used) is distinct from 'object' or message ->> 'model' = '<synthetic>' then
    return null;
  end if;
  if jsonb_typeof(used -> 'iterations') = 'array' then
    select jsonb_agg(jsonb_build_object(
      'n', i.n, 'kind', case i.one ->> 'type' when 'advisor_message' then 'advisor' else 'compaction' end,
      'model', left(coalesce(i.one ->> 'model', message ->> 'model'), 200),
      'input', private.entry_count(i.one -> 'input_tokens'), 'output', private.entry_count(i.one -> 'output_tokens'),
      'cache_read', private.entry_count(i.one -> 'cache_read_input_tokens'),
      'cache_write_5m', greatest(
        private.entry_count(i.one -> 'cache_creation_input_tokens') - private.entry_count(i.one #> '{cache_creation,ephemeral_1h_input_tokens}'),
        private.entry_count(i.one #> '{cache_creation,ephemeral_5m_input_tokens}')
      ),
      'cache_write_1h', private.entry_count(i.one #> '{cache_creation,ephemeral_1h_input_tokens}')
    ) order by i.n) into extra
    from jsonb_array_elements(used -> 'iterations') with ordinality as i (one, n)
    where i.one ->> 'type' in ('advisor_message', 'compaction');
  end if;
  -- Not by jsonb_build_object, which writes and reads each number by itself: it takes three times as long.
  return format(
    '{"input": %s, "output": %s, "cache_read": %s, "cache_write_5m": %s, "cache_write_1h": %s, "web_searches": %s}',
    private.entry_count(used -> 'input_tokens'), private.entry_count(used -> 'output_tokens'),
    private.entry_count(used -> 'cache_read_input_tokens'),
    greatest(
      private.entry_count(used -> 'cache_creation_input_tokens') - hour,
      case when parts is null then 0 else private.entry_count(parts -> 'ephemeral_5m_input_tokens') end
    ),
    hour,
    case when used ? 'server_tool_use' then private.entry_count(used #> '{server_tool_use,web_search_requests}') else 0 end
  )::jsonb || case when used ?| array['service_tier', 'speed', 'inference_geo'] or extra is not null then jsonb_strip_nulls(jsonb_build_object(
    'tier', case when jsonb_typeof(used -> 'service_tier') = 'string' then left(used ->> 'service_tier', 40) end,
    'variant', case
      when used ->> 'speed' = 'fast' then 'fast'
      when used ->> 'service_tier' in ('batch', 'flex', 'priority') then used ->> 'service_tier'
    end,
    'geo', case when used ->> 'inference_geo' not in ('', 'not_available') then left(used ->> 'inference_geo', 40) end,
    'extra', extra
  )) else '{}' end;
end
$$;
revoke execute on function private.claude_usage(jsonb) from public;

-- The use of a tool, or the result of one, in a block; null for other blocks.
create function private.claude_tool(block jsonb, result jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if block ->> 'type' = 'tool_use' and block ->> 'id' <> '' then
    return jsonb_build_object('use', jsonb_build_object(
      'id', case when octet_length(block ->> 'id') <= 200 then block ->> 'id' else private.entry_id(block ->> 'id') end,
      'name', left(block ->> 'name', 200), 'input', block -> 'input'
    ));
  elsif block ->> 'type' = 'tool_result' and block ->> 'tool_use_id' <> '' then
    return jsonb_build_object('result', jsonb_build_object(
      'id', case when octet_length(block ->> 'tool_use_id') <= 200 then block ->> 'tool_use_id' else private.entry_id(block ->> 'tool_use_id') end,
      'is_error', block -> 'is_error' = 'true',
      'output', private.blocks_text(block -> 'content'), 'facts', private.claude_result_facts(result)
    ));
  end if;
  return null;
end
$$;
revoke execute on function private.claude_tool(jsonb, jsonb) from public;

-- Uses and results of tools in a message. `result` is toolUseResult, Claude Code's notes beside the message; they are about its first result.
create function private.claude_tools(content jsonb, result jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return (
    select jsonb_agg(private.claude_tool(b.block, case when b.place = 1 then result end) order by b.n)
    from (
      select e.block, e.n, row_number() over (partition by e.block ->> 'type' order by e.n) as place
      from jsonb_array_elements(content) with ordinality as e (block, n)
      where (e.block ->> 'type' = 'tool_use' and e.block ->> 'id' <> '') or (e.block ->> 'type' = 'tool_result' and e.block ->> 'tool_use_id' <> '')
    ) as b
  );
end
$$;

-- What is stored of Claude Code's notes about a result. Token counts of a subagent are left out: they are those of its last request, so their sum
-- would mean nothing.
create function private.claude_result_facts(result jsonb) returns jsonb
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  if jsonb_typeof(result) = 'string' then
    return case when result #>> '{}' like 'User rejected tool use%' then '{"rejected": true}'::jsonb end;
  end if;
  if jsonb_typeof(result) is distinct from 'object' then
    return null;
  end if;
  -- A fast path: the usual command that was run has none of these.
  if result -> 'interrupted' is distinct from 'true' and coalesce(result ->> 'stderr', '') = '' and not result ?| array[
    'persistedOutputPath', 'agentId', 'durationMs', 'totalDurationMs', 'gitOperation', 'searchCount', 'backgroundTaskId', 'worktreePath',
    'filePath', 'file'
  ] then
    return null;
  end if;
  return nullif(jsonb_strip_nulls(jsonb_build_object(
    'interrupted', case when result -> 'interrupted' = 'true' then true end,
    'persisted_output_path', left(result ->> 'persistedOutputPath', 1024),
    'agent_id', private.entry_id(result ->> 'agentId'),
    'agent_status', case when result ? 'agentId' then left(result ->> 'status', 60) end,
    'duration_ms', coalesce(
      nullif(private.entry_count(result -> 'durationMs'), 0), nullif(private.entry_count(result -> 'totalDurationMs'), 0)
    ),
    'git', case when jsonb_typeof(result -> 'gitOperation') = 'object' and pg_column_size(result -> 'gitOperation') < 8192 then result -> 'gitOperation' end,
    'search_count', nullif(private.entry_count(result -> 'searchCount'), 0),
    'background_task_id', left(result ->> 'backgroundTaskId', 200),
    'worktree_path', left(result ->> 'worktreePath', 1024),
    'file_path', left(coalesce(result ->> 'filePath', result #>> '{file,filePath}'), 1024),
    'stderr', nullif(left(result ->> 'stderr', 2000), '')
  )), '{}');
end
$$;
revoke execute on function private.claude_result_facts(jsonb) from public;
revoke execute on function private.claude_tools(jsonb, jsonb) from public;

-- Refuses a line whose message has so many blocks that storing them would take longer than a request may.
create function private.refuse_blocks(content jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  raise exception 'a message has % blocks', jsonb_array_length(content) using errcode = 'program_limit_exceeded';
end
$$;

-- The same of a line that has a whole session: of its messages and tool calls so far, with those of one more.
create function private.count_parts(parts int, tools jsonb) returns int
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  -- Of a call, its use and its result.
  more constant int := parts + 1 + coalesce(jsonb_array_length(tools) / 2, 0);
begin
  if more > 5000 then
    raise exception 'a line has more than 5,000 messages and tool calls' using errcode = 'program_limit_exceeded';
  end if;
  return more;
end
$$;
revoke execute on function private.count_parts(int, jsonb) from public;
revoke execute on function private.refuse_blocks(jsonb) from public;

-- Reads lines of Claude Code. `lines` has texts of JSON objects, and null for a line that could not be read; `offsets` their places in the
-- file.
create function private.claude_entries(lines text[], offsets bigint[]) returns private.entry[]
  -- Not in SQL: that would be planned at every call.
  language plpgsql stable
  set search_path = ''
  as $$
begin
  -- Each step is a query of its own (offset 0): a step that is part of the next one would be computed for each use of its columns.
  return array(
    select row(
      offsets[t.n],
      -- Ids of the usual length skip private.entry_id: the call would take as long as everything else that is done with them.
      coalesce(
        case when octet_length(t.id) between 1 and 200 then t.id else private.entry_id(t.id) end,
        'h:' || left(encode(sha256(convert_to(t.words, 'UTF8')), 'hex'), 32)
      ),
      case when octet_length(t.above) between 1 and 200 then t.above else private.entry_id(t.above) end,
      private.entry_id(t.v ->> 'logicalParentUuid'),
      case when octet_length(t.session) between 1 and 200 then t.session else private.entry_id(t.session) end,
      case when t.is_sidechain then private.entry_id(t.v ->> 'agentId') end,
      t.kind,
      case when t.kind in ('user', 'assistant', 'system') then t.kind end,
      private.entry_time(t.v ->> 'timestamp'),
      coalesce(t.is_sidechain, false),
      coalesce(t.v -> 'isMeta' = 'true', false),
      case when octet_length(t.api_id) between 1 and 200 then t.api_id else private.entry_id(t.api_id) end,
      case when octet_length(t.request_id) between 1 and 200 then t.request_id else private.entry_id(t.request_id) end,
      case when t.kind = 'assistant' then left(t.m ->> 'model', 200) end,
      case when t.kind = 'assistant' then left(t.m ->> 'stop_reason', 60) end,
      case
        when t.only_one is not null then case when t.only_type = 'text' then t.only_one ->> 'text' end
        when t.is_message and t.content_list is null then t.m ->> 'content'
        when t.is_message then (
          select string_agg(b.block ->> 'text', E'\n\n' order by b.n)
          from jsonb_array_elements(t.content_list) with ordinality as b (block, n)
          where b.block ->> 'type' = 'text'
        )
        when t.kind = 'summary' then t.v ->> 'summary'
        when t.kind = 'custom-title' then t.v ->> 'customTitle'
        when t.kind = 'ai-title' then t.v ->> 'aiTitle'
        when t.kind in ('system', 'queue-operation') and jsonb_typeof(t.v -> 'content') = 'string' then t.v ->> 'content'
      end,
      -- Most messages have one block: the functions for lists take ten times as long.
      case
        when t.only_one is null then private.stored_blocks(t.content_list)
        when t.only_type is distinct from 'text' then jsonb_build_array(private.stored_block(t.only_one))
      end,
      case
        when t.kind = 'assistant' then private.claude_usage(t.m)
        -- A web search that the command line makes is not in the numbers of any response.
        when t.result ? 'searchCount' and t.kind = 'user' and jsonb_typeof(t.result) = 'object'
          and private.entry_count(t.result -> 'searchCount') > 0
          then jsonb_build_object('web_searches', private.entry_count(t.result -> 'searchCount'))
      end,
      case
        when t.only_type in ('tool_use', 'tool_result') then nullif(jsonb_build_array(private.claude_tool(t.only_one, t.result)), '[null]')
        when t.only_one is null and t.content_list is not null then private.claude_tools(t.content_list, t.result)
      end,
      case when jsonb_typeof(t.v -> 'forkedFrom') = 'object' then private.entry_id(t.v #>> '{forkedFrom,sessionId}') end,
      case
        -- Messages have all three, and no title.
        when t.is_message and t.cwd is not null and t.version is not null and t.branch is not null
          then jsonb_build_object('cwd', t.cwd, 'version', t.version, 'branch', t.branch)
        else jsonb_strip_nulls(jsonb_build_object('cwd', t.cwd, 'version', t.version, 'branch', t.branch) || case
          when t.kind in ('summary', 'custom-title', 'ai-title', 'worktree-state', 'pr-link') then jsonb_build_object(
            'title', left(case t.kind
              when 'summary' then t.v ->> 'summary' when 'custom-title' then t.v ->> 'customTitle' when 'ai-title' then t.v ->> 'aiTitle'
            end, 500),
            'title_source', case t.kind when 'summary' then 'summary' when 'custom-title' then 'custom' when 'ai-title' then 'ai' end,
            'leaf', case when t.kind = 'summary' then private.entry_id(t.v ->> 'leafUuid') end,
            'worktree_name', case when t.kind = 'worktree-state' then left(t.v #>> '{worktreeSession,worktreeName}', 250) end,
            'pr', case when t.kind = 'pr-link' then jsonb_build_object(
              'number', t.v -> 'prNumber', 'url', left(t.v ->> 'prUrl', 2000), 'repository', left(t.v ->> 'prRepository', 250)
            ) end
          )
          else '{}'
        end)
      end,
      case
        when t.kind = 'progress' then null
        -- A fast path: most messages have none of these fields.
        when t.is_message and not t.v ?| array[
          'isCompactSummary', 'isVisibleInTranscriptOnly', 'isApiErrorMessage', 'promptSource', 'sessionKind', 'permissionMode', 'effort',
          'sourceToolAssistantUUID', 'sourceToolUseID', 'forkedFrom'
        ] then null
        when t.is_message then nullif(jsonb_strip_nulls(jsonb_build_object(
          'is_compact_summary', case when t.v -> 'isCompactSummary' = 'true' then true end,
          'is_transcript_only', case when t.v -> 'isVisibleInTranscriptOnly' = 'true' then true end,
          'is_api_error', case when t.v -> 'isApiErrorMessage' = 'true' then true end,
          'prompt_source', left(t.v ->> 'promptSource', 60),
          'session_kind', left(t.v ->> 'sessionKind', 60),
          'permission_mode', left(t.v ->> 'permissionMode', 60),
          'effort', case when jsonb_typeof(t.v -> 'effort') = 'string' then left(t.v ->> 'effort', 60) end,
          'advisor_model', left(t.v ->> 'advisorModel', 200),
          'source_tool_assistant', private.entry_id(t.v ->> 'sourceToolAssistantUUID'),
          'source_tool_use', private.entry_id(t.v ->> 'sourceToolUseID'),
          'forked_from_message', case when jsonb_typeof(t.v -> 'forkedFrom') = 'object' then private.entry_id(t.v #>> '{forkedFrom,messageUuid}') end
        )), '{}')
        -- Records that are no messages are stored whole if they are small. The stored line has them in any case.
        when pg_column_size(t.v) <= 16384 then nullif(
          t.v - array[
            'type', 'uuid', 'parentUuid', 'sessionId', 'timestamp', 'cwd', 'version', 'gitBranch', 'userType', 'isSidechain', 'isMeta',
            'entrypoint', 'slug', 'agentId', 'message', 'toolUseResult'
          ],
          '{}'
        )
        else jsonb_strip_nulls(jsonb_build_object(
          'subtype', left(t.v ->> 'subtype', 100), 'bytes', octet_length(t.words),
          -- A compaction that preserves hundreds of entries lists them; its segment says the same.
          'compactMetadata', case when jsonb_typeof(t.v -> 'compactMetadata') = 'object' then jsonb_build_object(
            'trigger', left(t.v #>> '{compactMetadata,trigger}', 60), 'preTokens', private.entry_count(t.v #> '{compactMetadata,preTokens}'),
            'preservedSegment', case
              when pg_column_size(t.v #> '{compactMetadata,preservedSegment}') <= 1024 then t.v #> '{compactMetadata,preservedSegment}'
            end
          ) end
        ))
      end,
      0
    )::private.entry
    from (
      select
        e.*, e.v ->> 'uuid' as id, e.v ->> 'parentUuid' as above, e.v ->> 'sessionId' as session, e.v ->> 'requestId' as request_id,
        e.v -> 'toolUseResult' as result, left(e.v ->> 'cwd', 1024) as cwd, left(e.v ->> 'version', 60) as version,
        left(e.v ->> 'gitBranch', 250) as branch,
        case when e.kind = 'assistant' then e.m ->> 'id' end as api_id,
        case when jsonb_array_length(e.content_list) = 1 then e.content_list -> 0 end as only_one,
        case when jsonb_array_length(e.content_list) = 1 then e.content_list #>> '{0,type}' end as only_type
      from (
        select r.*, case when r.is_message and jsonb_typeof(r.content) = 'array' then
          case when jsonb_array_length(r.content) <= 5000 then r.content else private.refuse_blocks(r.content) end
        end as content_list
        from (
          select
            k.*, k.m -> 'content' as content, k.kind in ('user', 'assistant') as is_message
          from (
            select
              line.n, line.words, line.v, left(coalesce(nullif(line.v ->> 'type', ''), 'unknown'), 100) as kind,
              line.v -> 'message' as m, line.v -> 'isSidechain' = 'true' as is_sidechain
            from (
              select l.n, l.words, l.words::jsonb as v
              from unnest(lines) with ordinality as l (words, n)
              where l.words is not null
              offset 0
            ) as line
            offset 0
          ) as k
          offset 0
        ) as r
        offset 0
      ) as e
      offset 0
    ) as t
    order by t.n
  );
end
$$;
revoke execute on function private.claude_entries(text[], bigint[]) from public;

-- migrate:down
drop function private.claude_entries(text[], bigint[]);
drop function private.count_parts(int, jsonb);
drop function private.refuse_blocks(jsonb);
drop function private.claude_tools(jsonb, jsonb);
drop function private.claude_tool(jsonb, jsonb);
drop function private.claude_result_facts(jsonb);
drop function private.claude_usage(jsonb);
drop function private.stored_blocks(jsonb);
drop function private.stored_block(jsonb);
