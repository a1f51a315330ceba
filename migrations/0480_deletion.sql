-- 0480: deletion of conversations and projects. Nobody sees them from then on; a job deletes their rows, in parts.
-- migrate:up
-- Hides conversations, and gives how many. The same session may be sent again: it becomes a new conversation.
create function private.hide_conversations(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  hidden bigint;
begin
  -- Nobody can foresee the new name, and so take it first.
  update observatory.conversations as c set deleted_at = now(), session_id = 'deleted:' || gen_random_uuid()
  where c.id = any (ids) and c.deleted_at is null;
  get diagnostics hidden = row_count;
  return hidden;
end
$$;
revoke execute on function private.hide_conversations(uuid[]) from public;

-- Hides a project and everything in it.
create function private.hide_project(project_id uuid) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  sender uuid;
begin
  for sender in
    select distinct c.owner_id from observatory.conversations as c where c.project_id = hide_project.project_id order by c.owner_id
  loop
    perform private.lock_observatory_owner(sender);
  end loop;
  update observatory.projects as p set deleted_at = now(), is_active = false
  where p.id = hide_project.project_id and p.deleted_at is null;
  -- Later sessions in its directories go to a new project.
  delete from observatory.project_paths as w where w.project_id = hide_project.project_id;
  return private.hide_conversations(array(
    select c.id from observatory.conversations as c where c.project_id = hide_project.project_id order by c.id
  ));
end
$$;
revoke execute on function private.hide_project(uuid) from public;

-- A conversation and those of its subagents, however deep.
create function private.conversations_below(id uuid) returns setof uuid
  language sql stable
  set search_path = ''
  as $$
with recursive below (id) as (
  select conversations_below.id
  union
  select c.id
  from below as b
  cross join lateral (select o.id from observatory.conversations as o where o.parent_conversation_id = b.id offset 0) as c
)
select b.id from below as b
$$;
revoke execute on function private.conversations_below(uuid) from public;

-- Deletes a conversation with those of its subagents: its sender, while they may write in the project, and owners of the project.
create function observatory.delete_conversation(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  found_ observatory.conversations;
  role text;
begin
  select c.* into found_
  from observatory.conversations as c
  where c.id = delete_conversation.id and c.deleted_at is null;
  role := private.role_in(found_.project_id, 'write');
  if private.role_in(found_.project_id, 'read') is null then
    perform private.refuse(404, 'RG662', 'You see no such conversation', null, 'Take an id of GET /rest/v1/conversations.');
  elsif role in ('editor', 'owner') is not true then
    perform private.refuse(403, 'RG661', 'You may only read in this project', null, 'Ask an owner of the project to make you an editor.');
  elsif found_.owner_id <> caller and role <> 'owner' then
    perform private.refuse(
      403, 'RG666', 'Only the owner of this project may do this', 'Somebody else has sent the conversation', 'Ask an owner of the project.'
    );
  end if;
  perform private.lock_observatory_owner(found_.owner_id);
  return jsonb_build_object('conversations', private.hide_conversations(array(
    select b.id from private.conversations_below(delete_conversation.id) as b (id)
    union
    -- Subagents whose parent is not known.
    select c.id
    from observatory.conversations as c
    where found_.agent_id is null and c.owner_id = found_.owner_id and c.session_id = found_.session_id
    order by 1
  )));
end
$$;
comment on function observatory.delete_conversation(uuid) is
  'Deletes a conversation and its subagents. Definer: deleted_at and session_id are not users'' to write; it asks what the caller may first.';
revoke execute on function observatory.delete_conversation(uuid) from public;
grant execute on function observatory.delete_conversation(uuid) to authenticated;

-- Deletes a project with everything in it: its owners.
create function observatory.delete_project(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.require_user();
  if private.role_in(delete_project.id, 'read') is null then
    perform private.refuse(404, 'RG660', 'You see no such project', null, 'Take an id of GET /rest/v1/projects.');
  elsif private.role_in(delete_project.id, 'write') is distinct from 'owner' then
    perform private.refuse(403, 'RG666', 'Only the owner of this project may do this', null, 'Ask an owner of the project.');
  end if;
  return jsonb_build_object('conversations', private.hide_project(delete_project.id));
end
$$;
comment on function observatory.delete_project(uuid) is
  'Deletes a project and everything in it. Definer: deleted_at is not users'' to write; it asks what the caller may first.';
revoke execute on function observatory.delete_project(uuid) from public;
grant execute on function observatory.delete_project(uuid) to authenticated;

-- Deletes at most so many rows of tables, one table after the other, until a time, and returns how many. Each place: a table, a condition on
-- its rows, o, of which $1 is `value`, and how many go at once: few where a row may have megabytes.
create function private.purge_rows(places text[], value uuid, most bigint, until_ timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index, also where a conversation is believed to have most of the rows.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  place text[];
  asked bigint;
  part bigint;
  done bigint := 0;
begin
  foreach place slice 1 in array places loop
    loop
      asked := least(place[3]::bigint, most - done);
      if asked <= 0 or clock_timestamp() > until_ then
        return done;
      end if;
      execute format(
        'delete from %1$s as t where t.ctid = any (array(select o.ctid from %1$s as o where %2$s limit $2))', place[1]::regclass, place[2]
      ) using purge_rows.value, asked;
      get diagnostics part = row_count;
      done := done + part;
      exit when part < asked;
    end loop;
  end loop;
  return done;
end
$$;
revoke execute on function private.purge_rows(text[], uuid, bigint, timestamptz) from public;

-- Deletes at most so many rows of a deleted conversation, until a time, and itself when none is left; returns how many.
create function private.purge_conversation(conversation uuid, owner uuid, most bigint, until_ timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- As private.purge_rows.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  own constant text := 'o.conversation_id = $1';
  copied text[];
  asked bigint;
  part bigint;
  -- Calls before their messages, chunks before their files: no row takes many others along.
  done bigint := private.purge_rows(
    array[['observatory.git_links', own, '200'], ['observatory.tool_calls', own, '200']], conversation, most, until_
  );
begin
  loop
    asked := least(200, most - done);
    if asked <= 0 or clock_timestamp() > until_ then
      return done;
    end if;
    with gone as (
      delete from observatory.messages as m
      where m.id = any (array(select o.id from observatory.messages as o where o.conversation_id = conversation limit asked))
      returning m.owner_id, m.entry_uuid, m.conversation_id
    )
    select count(*), array_agg(distinct g.entry_uuid) filter (where exists (
      select from observatory.messages as o
      where o.owner_id = g.owner_id and o.entry_uuid = g.entry_uuid and o.conversation_id <> g.conversation_id
      offset 0
    )) into part, copied
    from gone as g;
    done := done + part;
    -- A fork that has them, too, owns them now.
    if copied is not null then
      perform private.settle_copies(owner, array[conversation], copied);
    end if;
    exit when part < asked;
  end loop;
  -- Usage after the messages: it goes with those that a fork owns now.
  done := done + private.purge_rows(array[
    ['observatory.usage_records', own, '200'], ['private.entry_links', own, '200'], ['observatory.hook_events', own, '200'],
    ['observatory.session_files', own, '10'],
    [
      'private.transcript_chunks',
      'o.file_id = any (array(select f.id from observatory.ingest_files as f where f.conversation_id = $1))', '10'
    ],
    ['observatory.ingest_files', own, '200'], ['observatory.share_links', own, '200'],
    ['private.fork_pairs', 'o.one = $1', '200'], ['private.fork_pairs', 'o.other = $1', '200']
  ], conversation, most - done, until_);
  if done >= most or clock_timestamp() > until_ then
    return done;
  end if;
  delete from observatory.conversations as c where c.id = conversation;
  return done + 1;
end
$$;
revoke execute on function private.purge_conversation(uuid, uuid, bigint, timestamptz) from public;

-- The same of a deleted project that has no conversation any more.
create function private.purge_project(project uuid, most bigint, until_ timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  own constant text := 'o.project_id = $1';
  done constant bigint := private.purge_rows(array[
    ['observatory.search_terms', own, '200'], ['observatory.daily_rollups', own, '200'], ['observatory.activity_rollups', own, '200'],
    ['observatory.tool_rollups', own, '200'], ['private.reprice_receipts', own, '200']
  ], project, most, until_);
begin
  if done >= most or clock_timestamp() > until_ then
    return done;
  end if;
  delete from observatory.projects as p where p.id = project;
  return done + 1;
end
$$;
revoke execute on function private.purge_project(uuid, bigint, timestamptz) from public;

-- Job: deletes at most so many rows of what was deleted, children first, then words that only deleted messages had. Returns the rows that it has
-- deleted and the words that it has looked for, as a number.
-- One conversation or project that cannot be deleted, or takes too long, stops no other.
create function private.purge_observatory(most bigint default 5000) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index, also where most conversations or projects are believed to be deleted.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  -- The job is one statement, which has eight seconds.
  until_ constant timestamptz := clock_timestamp() + interval '3 seconds';
  -- Projects and their conversations come in another order each time, so that none is always behind one that takes all the time.
  turn constant bigint := floor(random() * 1000000000);
  doomed record;
  done bigint := 0;
begin
  -- Conversations that were stored while their project was being deleted.
  perform private.hide_conversations(array(
    select late.id
    from (
      select c.id
      from (select o.id from observatory.projects as o where o.deleted_at is not null offset 0) as p
      -- By the project: in the order of their ids all conversations would be read.
      cross join lateral (
        select o.id from observatory.conversations as o where o.project_id = p.id and o.deleted_at is null offset 0
      ) as c
      limit 100
    ) as late
    order by late.id
  ));
  for doomed in
    select c.id, c.owner_id, false as is_project, hashtextextended(c.project_id::text, turn) as place, c.agent_id is null as is_main,
      hashtextextended(c.id::text, turn) as within
    from observatory.conversations as c
    where c.deleted_at is not null
    union all
    select p.id, p.owner_id, true, null, null, hashtextextended(p.id::text, turn)
    from observatory.projects as p
    where p.deleted_at is not null
    -- Subagents before those that they belong to, projects last.
    order by is_project, place, is_main, within
    limit most
  loop
    exit when done >= most or clock_timestamp() > until_;
    begin
      if doomed.is_project then
        continue when exists (select from observatory.conversations as c where c.project_id = doomed.id);
        done := done + private.purge_project(doomed.id, most - done, until_);
      -- Not while an upload of the same user is under way.
      elsif pg_try_advisory_xact_lock(hashtextextended(doomed.owner_id::text, 420)) then
        done := done + private.purge_conversation(doomed.id, doomed.owner_id, most - done, until_);
      end if;
    exception
      when query_canceled then
        -- The time of the statement is over; what others have lost is kept.
        raise warning 'purge_observatory: % takes too long', doomed.id;
        return done;
      when others then
        raise warning 'purge_observatory: % cannot be deleted: %', doomed.id, sqlstate;
    end;
  end loop;
  return done + private.delete_stale_terms();
end
$$;
revoke execute on function private.purge_observatory(bigint) from public;

insert into private.jobs (name, function, schedule, description, more_from) values (
  'purge_observatory', 'private.purge_observatory', '*/5 * * * *', 'Deletes the rows of deleted conversations and projects, and words that only they had.',
  -- A run may end by the clock, with few rows.
  1
);

-- migrate:down
delete from private.jobs where name = 'purge_observatory';
drop function private.purge_observatory(bigint);
drop function private.purge_project(uuid, bigint, timestamptz);
drop function private.purge_conversation(uuid, uuid, bigint, timestamptz);
drop function private.purge_rows(text[], uuid, bigint, timestamptz);
drop function observatory.delete_project(uuid);
drop function observatory.delete_conversation(uuid);
drop function private.conversations_below(uuid);
drop function private.hide_project(uuid);
drop function private.hide_conversations(uuid[]);
