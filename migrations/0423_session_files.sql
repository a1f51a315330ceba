-- 0423: session files: files that agents keep beside a transcript. These are outputs that were too large for it, .meta.json files, which say
-- which tool started a subagent, and journals and snapshots of workflows. A file may be sent before or after the lines to which it belongs.
-- migrate:up
create table observatory.session_files (
  id              uuid constraint session_files_pkey primary key default gen_random_uuid(),
  owner_id        uuid not null,
  project_id      uuid not null,
  conversation_id uuid not null,
  session_id      text not null,
  path            text not null,
  kind            text not null,
  content         text not null,
  bytes           bigint not null,
  redactions      bigint not null default 0,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint session_files_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint session_files_place unique (owner_id, session_id, path),
  constraint session_files_session_id check (char_length(session_id) between 1 and 200),
  constraint session_files_path check (char_length(path) between 1 and 1024),
  constraint session_files_kind check (kind in ('tool_result', 'meta', 'journal', 'snapshot', 'other')),
  constraint session_files_content check (octet_length(content) <= 8388608),
  constraint session_files_counts check (bytes >= 0 and redactions >= 0)
);
comment on table observatory.session_files is 'Files beside transcripts, without secrets.';
comment on column observatory.session_files.path is 'Below the session''s folder, such as tool-results/b1.txt.';
comment on column observatory.session_files.bytes is 'The size as it was sent.';

create index session_files_by_conversation on observatory.session_files (conversation_id, project_id);
create index session_files_by_project on observatory.session_files (project_id, updated_at desc);

alter table observatory.session_files enable row level security;
alter table observatory.session_files force row level security;
create policy member_select on observatory.session_files for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.session_files to authenticated;
grant select on observatory.session_files to service_role;

create function observatory.is_own(session_file observatory.session_files) returns boolean
  language sql stable
  set search_path = ''
  as $$
select session_file.owner_id = auth.uid()
$$;
comment on function observatory.is_own(observatory.session_files) is 'Whether the caller has sent the file.';
revoke execute on function observatory.is_own(observatory.session_files) from public;
grant execute on function observatory.is_own(observatory.session_files) to authenticated;

create trigger session_files_erased before insert or update on observatory.session_files
  for each statement execute function private.refuse_erased_caller();
create trigger session_files_filter before update or delete on observatory.session_files
  for each statement execute function private.require_filter();

select private.index_mentions('observatory.session_files', array['path', 'content']);

-- The kind of a file, by its path.
create function private.session_file_kind(path text) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
  when path like '%.meta.json' then 'meta'
  when path like 'tool-results/%' or path like '%/tool-results/%' then 'tool_result'
  when path like '%journal.jsonl' then 'journal'
  when path ~ '(^|/)workflows/[^/]+[.]json$' then 'snapshot'
  else 'other'
end
$$;
revoke execute on function private.session_file_kind(text) from public;

-- What a .meta.json says about a subagent; null for any other text.
create function private.agent_meta(content text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  meta jsonb;
begin
  meta := content::jsonb;
  if jsonb_typeof(meta) is distinct from 'object' then
    return null;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'agent_type', left(meta ->> 'agentType', 200), 'description', left(meta ->> 'description', 2000),
    'tool_use_id', private.entry_id(meta ->> 'toolUseId')
  ));
exception
  when data_exception then
    return null;
end
$$;
revoke execute on function private.agent_meta(text) from public;

-- Copies what .meta.json files say to the subagents of a session, and the ids of these to the tool calls that started them. `agents`: only
-- these subagents; null: all of the session.
create function private.apply_agent_metas(owner uuid, session text, agents text[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  known text[];
begin
  update observatory.conversations as c set metadata = c.metadata || m.meta
  from (
    select distinct on (child.id) child.id, private.agent_meta(f.content) as meta
    from observatory.session_files as f
    inner join observatory.conversations as child
      on child.owner_id = f.owner_id and child.session_id = f.session_id and child.agent_id is not null
      and right(f.path, char_length(child.agent_id) + 16) = 'agent-' || child.agent_id || '.meta.json'
    where f.owner_id = apply_agent_metas.owner and f.session_id = apply_agent_metas.session and f.kind = 'meta'
      and (agents is null or child.agent_id = any (agents))
    order by child.id, f.path
  ) as m
  where c.id = m.id and not c.metadata @> m.meta;

  select array_agg(distinct c.agent_id) into known
  from observatory.conversations as c
  where c.owner_id = apply_agent_metas.owner and c.session_id = apply_agent_metas.session and c.agent_id is not null
    and c.metadata ? 'tool_use_id' and (agents is null or c.agent_id = any (agents));
  if known is null then
    return;
  end if;
  update observatory.tool_calls as t set spawned_agent_id = child.agent_id
  from observatory.conversations as child
  inner join observatory.conversations as parent on parent.owner_id = child.owner_id and parent.session_id = child.session_id
  where child.owner_id = apply_agent_metas.owner and child.session_id = apply_agent_metas.session and child.agent_id = any (known)
    and t.conversation_id = parent.id and t.tool_use_id = child.metadata ->> 'tool_use_id' and t.spawned_agent_id is null
    and parent.id <> child.id;
  perform private.settle_agents(owner, known);
end
$$;
revoke execute on function private.apply_agent_metas(uuid, text, text[]) from public;

-- Copies outputs that are in files of their own into their tool calls, up to the size that those store. `place`: the path of the only file to copy;
-- null: all of the session.
create function private.apply_spilled_outputs(owner uuid, session text, place text) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.tool_calls as t set
  output = private.cut(f.content, 262144),
  output_truncated = octet_length(f.content) > 262144,
  metadata = t.metadata || jsonb_build_object('output_file', f.path)
from observatory.session_files as f
inner join observatory.conversations as c on c.owner_id = f.owner_id and c.session_id = f.session_id
where f.owner_id = apply_spilled_outputs.owner and f.session_id = apply_spilled_outputs.session and f.kind = 'tool_result'
  and (place is null or f.path = place)
  and t.conversation_id = c.id and t.metadata ? 'persisted_output_path'
  and right(replace(t.metadata ->> 'persisted_output_path', '\', '/'), char_length(f.path) + 1) = '/' || f.path
  and t.output is distinct from private.cut(f.content, 262144)
$$;
revoke execute on function private.apply_spilled_outputs(uuid, text, text) from public;

-- Takes a file that lies beside a transcript. `redactions` is how many secrets the edge took out of it, `bytes` how large it was before.
create function observatory.attach_file(
  file text, content text, bytes bigint, redactions int, session text default null, project text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.require_user();
  -- The end of a very long path names the file.
  given constant text := right(replace(private.redact_path(file), '\', '/'), 1024);
  -- The last folder of such a name counts: a folder above the sessions may have the same name. Workflows have folders below `subagents`.
  session_ constant text := coalesce(
    nullif(left(private.redact_secrets(session), 200), ''),
    left((regexp_match(given, '^(?:.*/)?(?!subagents/)([^/]+)/(?:subagents|tool-results|workflows)/'))[1], 200)
  );
  -- Below the session's folder.
  path constant text := case
    when strpos(given, session_ || '/') > 0 then substr(given, strpos(given, session_ || '/') + char_length(session_) + 1)
    else regexp_replace(given, '^.*/', '')
  end;
  kind_ constant text := private.session_file_kind(path);
  conversation uuid;
  stored observatory.session_files;
begin
  if session_ is null or path = '' then
    perform private.refuse(
      422, 'RG664', 'It is not clear which session this is', 'Neither session nor the path in file names one', 'Send session=<id> and file=<path>.'
    );
  end if;
  perform private.require_allowance('transcripts');
  perform private.lock_observatory_owner(owner);
  conversation := private.conversation_for(owner, session_, null, jsonb_build_object(
    'project', private.redact_secrets(project), 'source', 'claude',
    -- The path of the session's transcript: other sessions of its folder show which project the session belongs to.
    'path', case when strpos(given, session_ || '/') > 0 then left(given, strpos(given, session_ || '/') - 1) || session_ || '.jsonl' end
  ));
  insert into observatory.session_files as f (owner_id, project_id, conversation_id, session_id, path, kind, content, bytes, redactions)
  select owner, c.project_id, c.id, session_, path, kind_, private.cut(attach_file.content, 8388608), attach_file.bytes, attach_file.redactions
  from observatory.conversations as c
  where c.id = conversation
  on conflict on constraint session_files_place do update set
    content = excluded.content, bytes = excluded.bytes, redactions = excluded.redactions, updated_at = now(),
    -- The session may have been deleted and sent again.
    conversation_id = excluded.conversation_id, project_id = excluded.project_id
  where f.content <> excluded.content or f.conversation_id <> excluded.conversation_id
  returning f.* into stored;
  if stored.id is not null then
    if kind_ = 'meta' then
      perform private.apply_agent_metas(owner, session_, array(
        select c.agent_id from observatory.conversations as c
        where c.owner_id = owner and c.session_id = session_ and c.agent_id is not null
          and right(path, char_length(c.agent_id) + 16) = 'agent-' || c.agent_id || '.meta.json'
      ));
    elsif kind_ = 'tool_result' then
      perform private.apply_spilled_outputs(owner, session_, path);
    end if;
    perform private.use_allowance('transcripts', octet_length(content), 1);
  end if;
  return jsonb_build_object(
    'conversation_id', conversation, 'path', path, 'kind', kind_, 'bytes', bytes, 'redactions', redactions, 'is_new', stored.id is not null
  );
end
$$;
comment on function observatory.attach_file(text, text, bigint, int, text, text) is
  'Stores a file that lies beside a transcript. Executable by the edge only, which has taken the secrets out of it. Definer: users may not write the table.';
revoke execute on function observatory.attach_file(text, text, bigint, int, text, text) from public;
grant execute on function observatory.attach_file(text, text, bigint, int, text, text) to edge;

-- migrate:down
delete from private.mention_places where relation = 'observatory.session_files';
drop function observatory.attach_file(text, text, bigint, int, text, text);
drop function private.apply_spilled_outputs(uuid, text, text);
drop function private.apply_agent_metas(uuid, text, text[]);
drop function private.agent_meta(text);
drop function observatory.is_own(observatory.session_files);
drop table observatory.session_files;
drop function private.session_file_kind(text);
