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
  from observatory.conversations as c
  inner join below as b on c.parent_conversation_id = b.id
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

-- Job: deletes at most so many rows of what was deleted, children first, then words that only deleted messages had, and returns how many.
create function private.purge_observatory(most bigint default 5000) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  doomed record;
  copied text[];
  part bigint;
  done bigint := 0;
begin
  -- Conversations that were stored while their project was being deleted.
  perform private.hide_conversations(array(
    select c.id
    from observatory.projects as p
    inner join observatory.conversations as c on c.project_id = p.id and c.deleted_at is null
    where p.deleted_at is not null
    order by c.id
  ));
  for doomed in
    select c.id, c.owner_id
    from observatory.conversations as c
    where c.deleted_at is not null
    -- Subagents before those that they belong to.
    order by c.project_id, c.agent_id is null, c.id
    limit most
  loop
    -- Not while an upload of the same user is under way.
    continue when not pg_try_advisory_xact_lock(hashtextextended(doomed.owner_id::text, 420));
    with gone as (
      delete from observatory.messages as m
      where m.id = any (array(select o.id from observatory.messages as o where o.conversation_id = doomed.id limit most - done))
      returning m.owner_id, m.entry_uuid, m.conversation_id
    )
    select count(*), array_agg(distinct g.entry_uuid) filter (where exists (
      select from observatory.messages as o
      where o.owner_id = g.owner_id and o.entry_uuid = g.entry_uuid and o.conversation_id <> g.conversation_id
    )) into part, copied
    from gone as g;
    done := done + part;
    -- A fork that has them, too, owns them now.
    if copied is not null then
      perform private.settle_copies(doomed.owner_id, copied);
    end if;
    exit when done >= most;
    delete from observatory.tool_calls as t
    where t.id = any (array(select o.id from observatory.tool_calls as o where o.conversation_id = doomed.id limit most - done));
    get diagnostics part = row_count;
    done := done + part;
    exit when done >= most;
    delete from observatory.usage_records as u where u.conversation_id = doomed.id;
    delete from observatory.conversations as c where c.id = doomed.id;
    done := done + 1;
  end loop;
  delete from observatory.projects as p
  where p.deleted_at is not null and not exists (select from observatory.conversations as c where c.project_id = p.id);
  get diagnostics part = row_count;
  return done + part + private.delete_stale_terms();
end
$$;
revoke execute on function private.purge_observatory(bigint) from public;

insert into private.jobs (name, function, schedule, description) values (
  'purge_observatory', 'private.purge_observatory', '*/5 * * * *', 'Deletes the rows of deleted conversations and projects, and words that only they had.'
);

-- migrate:down
delete from private.jobs where name = 'purge_observatory';
drop function private.purge_observatory(bigint);
drop function observatory.delete_project(uuid);
drop function observatory.delete_conversation(uuid);
drop function private.conversations_below(uuid);
drop function private.hide_project(uuid);
drop function private.hide_conversations(uuid[]);
