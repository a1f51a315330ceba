-- 0410: conversations of observatory. One row for each session and, beside it, one for each of its subagents.
-- migrate:up
create table observatory.conversations (
  id                     uuid constraint conversations_pkey primary key default gen_random_uuid(),
  project_id             uuid not null,
  -- Who sent it: the token's sub.
  owner_id               uuid not null default auth.uid(),
  session_id             text not null,
  agent_id               text,
  parent_conversation_id uuid,
  source                 text not null default 'claude',
  source_path            text,
  title                  text,
  title_source           text,
  status                 text not null default 'active',
  model                  text,
  cli_version            text,
  git_branch             text,
  cwd                    text,
  message_count          bigint not null default 0,
  tool_call_count        bigint not null default 0,
  input_tokens           bigint not null default 0,
  output_tokens          bigint not null default 0,
  cache_read_tokens      bigint not null default 0,
  cache_creation_tokens  bigint not null default 0,
  cost_micro_usd         bigint default 0,
  raw_tokens             bigint not null default 0,
  unpriced               bigint not null default 0,
  missing_agents         bigint not null default 0,
  is_unplaced            boolean not null default false,
  forked_from            text,
  started_at             timestamptz,
  last_message_at        timestamptz,
  ended_at               timestamptz,
  live_since             timestamptz,
  live                   jsonb not null default '{}',
  metadata               jsonb not null default '{}',
  created_at             timestamptz not null default now(),
  updated_at             timestamptz not null default now(),
  deleted_at             timestamptz,
  constraint conversations_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  -- Children refer to their conversation and its project together, so that nobody can attach one to another project's conversation, and they
  -- move with it.
  constraint conversations_id_project_id unique (id, project_id),
  constraint conversations_parent foreign key (parent_conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete set null (parent_conversation_id),
  constraint conversations_project_session unique nulls not distinct (project_id, session_id, agent_id),
  -- A session belongs to its sender, in any directory.
  constraint conversations_owner_session unique nulls not distinct (owner_id, session_id, agent_id),
  constraint conversations_session_id check (char_length(session_id) between 1 and 200),
  constraint conversations_agent_id check (char_length(agent_id) between 1 and 200),
  constraint conversations_not_its_parent check (parent_conversation_id <> id),
  constraint conversations_source check (source in ('claude', 'codex', 'gemini', 'opencode')),
  constraint conversations_source_path check (char_length(source_path) <= 1024),
  constraint conversations_title check (char_length(title) between 1 and 500),
  constraint conversations_title_source check (title_source in ('custom', 'ai', 'summary', 'prompt')),
  constraint conversations_status check (status in ('active', 'idle', 'ended', 'failed', 'archived')),
  constraint conversations_model check (char_length(model) <= 200),
  constraint conversations_cli_version check (char_length(cli_version) <= 100),
  constraint conversations_git_branch check (char_length(git_branch) <= 500),
  constraint conversations_cwd check (char_length(cwd) <= 1024),
  constraint conversations_forked_from check (char_length(forked_from) <= 200),
  constraint conversations_counts check (message_count >= 0 and tool_call_count >= 0 and unpriced >= 0 and missing_agents >= 0),
  constraint conversations_tokens check (
    input_tokens >= 0 and output_tokens >= 0 and cache_read_tokens >= 0 and cache_creation_tokens >= 0 and raw_tokens >= 0
    and cost_micro_usd >= 0
  ),
  constraint conversations_live check (jsonb_typeof(live) = 'object' and octet_length(live::text) <= 65536),
  constraint conversations_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 65536)
);
comment on table observatory.conversations is 'Sessions of coding agents, and a conversation for each of their subagents.';
comment on column observatory.conversations.agent_id is 'Null: the session itself. Else the id of a subagent, whose parent_conversation_id is the session.';
comment on column observatory.conversations.title_source is 'Who gave the title, from the strongest: custom, ai, summary, prompt.';
comment on column observatory.conversations.raw_tokens is 'The sum over all lines as they stand; the other sums count each response once.';
comment on column observatory.conversations.unpriced is 'How many responses have no price. cost_micro_usd is without them, and null if nothing has one.';
comment on column observatory.conversations.missing_agents is 'How many of the subagents that it names have no transcript here: while there are any, its sums are incomplete.';
comment on column observatory.conversations.is_unplaced is 'Nothing has said yet in which directory the agent ran. What does moves the session into that directory''s project.';
comment on column observatory.conversations.live_since is 'The first event that a hook reported. Of sessions that share entries, it says which had them first.';
comment on column observatory.conversations.live is
  'What hooks and OpenTelemetry report before the transcript, or instead of it: agent_type, permission_mode, last_assistant_message, compact_summary, compaction.';
comment on column observatory.conversations.deleted_at is 'When it was deleted: nobody sees it any more, and a job deletes its rows.';

create index conversations_latest on observatory.conversations (project_id, last_message_at desc, id desc);
create index conversations_session on observatory.conversations (session_id);
create index conversations_agent on observatory.conversations (owner_id, agent_id) where agent_id is not null;
create index conversations_by_status on observatory.conversations (project_id, status);
-- With the project for the foreign key, here and in other tables: without statistics the planner would also read all rows of the project.
create index conversations_by_parent on observatory.conversations (parent_conversation_id, project_id) where parent_conversation_id is not null;
create index conversations_title_search on observatory.conversations using gin (to_tsvector('simple', coalesce(title, '')));
create index conversations_started on observatory.conversations (project_id, started_at);
create index conversations_incomplete on observatory.conversations (project_id) where missing_agents > 0;
create index conversations_deleted on observatory.conversations (project_id, id) where deleted_at is not null;

-- Deleted conversations of the caller's projects whose rows the job has not removed yet. Usually there are none.
create function observatory.hidden_conversations() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  as $$
declare
  caller constant uuid := auth.uid();
begin
  return array(
    select c.id
    from observatory.conversations as c
    where c.project_id = any (array(select m.project_id from observatory.project_members as m where m.user_id = caller))
      and c.deleted_at is not null
  );
end
$$;
comment on function observatory.hidden_conversations() is
  'Deleted conversations of projects that the caller may see. Definer: no policy shows them; their ids reveal nothing.';
revoke execute on function observatory.hidden_conversations() from public;
grant execute on function observatory.hidden_conversations() to authenticated;

-- Deleted conversations of these projects. Functions that concern one project ask this: the one above looks up every project of the caller.
create function private.hidden_in(projects uuid[]) returns uuid[]
  language plpgsql stable
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  as $$
begin
  return array(
    select c.id from observatory.conversations as c where c.project_id = any (hidden_in.projects) and c.deleted_at is not null
  );
end
$$;
revoke execute on function private.hidden_in(uuid[]) from public;

alter table observatory.conversations enable row level security;
alter table observatory.conversations force row level security;
create policy member_select on observatory.conversations for select to authenticated
  using (project_id = any ((select observatory.visible_projects())::uuid[]) and deleted_at is null);
create policy editor_insert on observatory.conversations for insert to authenticated
  with check (project_id = any ((select observatory.editable_projects())::uuid[]) and owner_id = (select auth.uid()));
create policy editor_update on observatory.conversations for update to authenticated
  using (project_id = any ((select observatory.editable_projects())::uuid[]) and deleted_at is null)
  with check (project_id = any ((select observatory.editable_projects())::uuid[]));
-- The sender of a conversation may delete it while they may write in the project.
create policy owner_delete on observatory.conversations for delete to authenticated
  using (
    project_id = any ((select observatory.owned_projects())::uuid[])
    or (owner_id = (select auth.uid()) and project_id = any ((select observatory.editable_projects())::uuid[]))
  );
grant select, delete on observatory.conversations to authenticated;
grant insert (
  project_id, session_id, agent_id, source, title, status, model, cli_version, git_branch, cwd, started_at, metadata
) on observatory.conversations to authenticated;
grant update (title, status, metadata) on observatory.conversations to authenticated;
grant select, insert, update, delete on observatory.conversations to service_role;
select private.scope_table('observatory.conversations', array['insert', 'update', 'delete']);
select private.limit_writes('observatory.conversations', 'observatory', true);

create trigger conversations_erased before insert or update on observatory.conversations
  for each statement execute function private.refuse_erased_caller();
create trigger conversations_keep before update of owner_id on observatory.conversations
  for each row when (current_user = 'authenticated' and new.owner_id <> old.owner_id) execute function private.refuse_another_user();
create trigger conversations_filter before update or delete on observatory.conversations
  for each statement execute function private.require_filter();
create trigger conversations_updated_at before update of title, status, metadata on observatory.conversations
  for each row execute function private.update_updated_at();
-- Uploads change other columns many times a minute, and the title with each record that has one. Only titles that a person writes are audited.
create trigger conversations_audit after update of title, metadata, deleted_at on observatory.conversations
  for each row when (
    current_user in ('authenticated', 'service_role')
    or (old.metadata, old.deleted_at) is distinct from (new.metadata, new.deleted_at)
  ) execute function private.audit();
create trigger conversations_audit_delete after delete on observatory.conversations
  for each row execute function private.audit();
create trigger conversations_redact
  before insert or update of session_id, agent_id, title, model, cli_version, git_branch, cwd, metadata on observatory.conversations
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.redact_direct_write(
    'session_id', 'agent_id', 'title', 'model', 'cli_version', 'git_branch', 'cwd', 'metadata'
  );

select private.index_mentions(
  'observatory.conversations', array['source_path', 'title', 'git_branch', 'cwd', 'live', 'metadata']
);
select private.track_changes(
  'observatory.conversations',
  'array(select m.user_id from observatory.project_members as m where m.project_id = r.project_id and r.deleted_at is null)'
);

-- Trigger: a title that a user writes takes precedence over all others.
create function private.mark_custom_title() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.title_source := case when new.title is not null then 'custom' end;
  return new;
end
$$;
revoke execute on function private.mark_custom_title() from public;
create trigger conversations_title before insert or update of title on observatory.conversations
  for each row when (current_user = 'authenticated') execute function private.mark_custom_title();

-- migrate:down
delete from private.mention_places where relation = 'observatory.conversations';
select private.untrack_changes('observatory.conversations');
drop policy member_select on observatory.conversations;
drop function private.hidden_in(uuid[]);
drop function observatory.hidden_conversations();
drop table observatory.conversations;
drop function private.mark_custom_title();
