-- 0420: files of observatory: how much of each transcript is stored, and its lines as they were sent, without secrets.
-- migrate:up
create table observatory.ingest_files (
  id              uuid constraint ingest_files_pkey primary key default gen_random_uuid(),
  owner_id        uuid not null,
  project_id      uuid not null,
  conversation_id uuid not null,
  session_id      text not null,
  agent_id        text,
  name            text not null,
  variant         bigint not null default 1,
  path            text not null,
  source          text not null,
  generation      bigint not null default 1,
  head_hash       bytea,
  byte_offset     bigint not null default 0,
  line_no         bigint not null default 0,
  lines           bigint not null default 0,
  skipped         jsonb not null default '{}',
  errors          jsonb not null default '[]',
  reader_state    jsonb,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint ingest_files_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  -- Without the folder: when a session continues in another directory, its file moves there.
  constraint ingest_files_place unique nulls not distinct (owner_id, session_id, agent_id, name, variant),
  constraint ingest_files_session_id check (char_length(session_id) between 1 and 200),
  constraint ingest_files_agent_id check (char_length(agent_id) between 1 and 200),
  constraint ingest_files_name check (char_length(name) between 1 and 255),
  constraint ingest_files_path check (char_length(path) between 1 and 1024),
  constraint ingest_files_source check (source in ('claude', 'codex', 'gemini', 'opencode')),
  constraint ingest_files_positions check (variant >= 1 and generation >= 1 and byte_offset >= 0 and line_no >= 0 and lines >= 0)
);
comment on table observatory.ingest_files is 'Transcripts. The next upload of a file continues at byte_offset.';
comment on column observatory.ingest_files.name is 'The last part of the path. With the session it identifies the file, in any folder.';
comment on column observatory.ingest_files.variant is
  'Distinguishes files of one name: those of several sessions, and those that begin alike and then differ, such as those of a session that was continued on two machines. Of these, later ones have only lines that no other variant of the session has.';
comment on column observatory.ingest_files.generation is 'Increases when a file of the same session with another first line replaces this one.';
comment on column observatory.ingest_files.head_hash is 'SHA-256 of the first stored line. A file of the same session with another first line replaces this one.';
comment on column observatory.ingest_files.line_no is 'Lines so far, including skipped ones.';
comment on column observatory.ingest_files.lines is 'Stored lines.';
comment on column observatory.ingest_files.skipped is 'How many lines were skipped, by reason: malformed, too_large; refused: no table can hold it, it is only in the file.';
comment on column observatory.ingest_files.errors is 'The first 20 lines that were skipped: {offset, code}.';
comment on column observatory.ingest_files.reader_state is 'What the readers of agents other than Claude Code need to know of earlier lines.';

create index ingest_files_by_conversation on observatory.ingest_files (conversation_id, project_id);
create index ingest_files_by_project on observatory.ingest_files (project_id, updated_at desc);

alter table observatory.ingest_files enable row level security;
alter table observatory.ingest_files force row level security;
create policy member_select on observatory.ingest_files for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.ingest_files to authenticated;
grant select on observatory.ingest_files to service_role;

-- Whether the caller has sent a file, as a computed column for filters. Members see each other's files.
create function observatory.is_own(ingest_file observatory.ingest_files) returns boolean
  language sql stable
  set search_path = ''
  as $$
select ingest_file.owner_id = auth.uid()
$$;
comment on function observatory.is_own(observatory.ingest_files) is 'Whether the caller has sent the transcript.';
revoke execute on function observatory.is_own(observatory.ingest_files) from public;
grant execute on function observatory.is_own(observatory.ingest_files) to authenticated;

create trigger ingest_files_erased before insert or update on observatory.ingest_files
  for each statement execute function private.refuse_erased_caller();
create trigger ingest_files_filter before update or delete on observatory.ingest_files
  for each statement execute function private.require_filter();

select private.index_mentions('observatory.ingest_files', array['path', 'name']);

create table private.transcript_chunks (
  id           uuid not null default gen_random_uuid(),
  file_id      uuid not null,
  generation   bigint not null,
  start_offset bigint not null,
  end_offset   bigint not null,
  body         text not null,
  constraint transcript_chunks_pkey primary key (file_id, generation, start_offset),
  constraint transcript_chunks_file foreign key (file_id) references observatory.ingest_files (id) on delete cascade,
  constraint transcript_chunks_offsets check (start_offset >= 0 and end_offset >= start_offset)
);
comment on table private.transcript_chunks is
  'The lines of transcripts as they were sent, without secrets, each ended by a line feed. The offsets are those of the file that was sent.';
-- lz4 is three times as fast as the default. Not every build of PostgreSQL has it.
do $$
begin
  alter table private.transcript_chunks alter column body set compression lz4;
exception
  when feature_not_supported then
    null;
end
$$;

alter table private.transcript_chunks enable row level security;
alter table private.transcript_chunks force row level security;

select private.index_mentions('private.transcript_chunks', array['body']);

-- Trigger: another file has taken the place of this one. Its lines are in no download any more: without this, a document that its agent writes
-- anew would be stored once for each time.
create function private.delete_replaced_lines() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  delete from private.transcript_chunks as k where k.file_id = new.id and k.generation < new.generation;
  return null;
end
$$;
revoke execute on function private.delete_replaced_lines() from public;
create trigger ingest_files_replaced after update of generation on observatory.ingest_files
  for each row when (new.generation > old.generation) execute function private.delete_replaced_lines();

-- migrate:down
delete from private.mention_places where relation in ('observatory.ingest_files', 'private.transcript_chunks');
drop function observatory.is_own(observatory.ingest_files);
drop trigger ingest_files_replaced on observatory.ingest_files;
drop function private.delete_replaced_lines();
drop table private.transcript_chunks;
drop table observatory.ingest_files;
