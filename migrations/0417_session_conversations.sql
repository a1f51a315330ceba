-- 0417: the conversation to which the entries of a session or a subagent belong, and the parents of subagents' conversations.
-- migrate:up
-- Moves a session, with its subagents and everything in them, to the project of its directory. The session stays where it is if another member
-- of that project has sent a session of this name.
create function private.place_conversation(conversation uuid, project uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.conversations as c set project_id = place_conversation.project, is_unplaced = false
where c.id = place_conversation.conversation and not exists (
  select from observatory.conversations as here
  inner join observatory.conversations as there on there.session_id = here.session_id and there.project_id = place_conversation.project
  where here.session_id = c.session_id and here.owner_id = c.owner_id and there.owner_id <> c.owner_id
)
$$;
revoke execute on function private.place_conversation(uuid, uuid) from public;

-- Finds or creates the conversation of a session, or of a subagent in it. A known conversation stays in its project, wherever its file is now,
-- unless it waits for its directory to be named (is_unplaced). `given` has project, path, source and cwd.
create function private.conversation_for(owner uuid, session text, agent text, given jsonb) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ record;
  parent uuid;
  project uuid;
  is_unplaced_ boolean := false;
  made uuid;
begin
  for found_ in
    select c.id, c.project_id, c.is_unplaced, c.deleted_at is not null or p.deleted_at is not null as is_deleted
    from observatory.conversations as c
    inner join observatory.projects as p on p.id = c.project_id
    where c.owner_id = conversation_for.owner and c.session_id = conversation_for.session
      and c.agent_id is not distinct from conversation_for.agent
  loop
    if not found_.is_deleted then
      -- The sender may have left the project, or be a viewer of it now.
      if private.role_in(found_.project_id, 'write') in ('editor', 'owner') then
        if found_.is_unplaced and coalesce(given ->> 'project', given ->> 'cwd') is not null then
          perform private.place_conversation(found_.id, private.project_for(owner, given ->> 'project', given ->> 'cwd'));
        end if;
        return found_.id;
      end if;
      perform private.refuse(
        403, 'RG661', 'You may not write in this project', format('The session %s is in it', session), 'Ask an owner of the project for the role editor.'
      );
    end if;
    -- A job removes the deleted one. Until then it must not occupy the name of the new one.
    update observatory.conversations as c set session_id = 'deleted:' || gen_random_uuid() where c.id = found_.id;
  end loop;

  if agent is null then
    if coalesce(given ->> 'project', given ->> 'cwd') is null then
      -- The lines so far name no directory: take the project of other sessions in the same folder.
      select f.project_id into project
      from observatory.ingest_files as f
      where f.owner_id = conversation_for.owner and given ->> 'path' ~ '/'
        and regexp_replace(f.path, '/[^/]*$', '') = regexp_replace(given ->> 'path', '/[^/]*$', '')
        and f.project_id = any (observatory.editable_projects())
      order by f.updated_at desc
      limit 1;
      is_unplaced_ := project is null;
    end if;
    project := coalesce(project, private.project_for(owner, given ->> 'project', given ->> 'cwd'));
  else
    -- Without the path: it is the subagent's, not that of the session's own file.
    parent := private.conversation_for(owner, session, null, given - 'path');
    select c.project_id into project from observatory.conversations as c where c.id = parent;
  end if;
  insert into observatory.conversations (
    project_id, owner_id, session_id, agent_id, parent_conversation_id, source, source_path, is_unplaced
  )
  values (project, owner, session, agent, parent, given ->> 'source', left(given ->> 'path', 1024), is_unplaced_)
  on conflict do nothing
  returning id into made;
  if made is null then
    -- Another member of the project has sent a session of this name: this one goes to a project of its sender's own.
    insert into observatory.conversations (project_id, owner_id, session_id, agent_id, parent_conversation_id, source, source_path)
    values (private.project_for(owner, null, null), owner, session, agent, null, given ->> 'source', left(given ->> 'path', 1024))
    returning id into made;
  end if;
  return made;
end
$$;
revoke execute on function private.conversation_for(uuid, text, text, jsonb) from public;

-- Makes each subagent's conversation a child of the conversation whose tool started it, at any depth. `agents` are ids of subagents that are new
-- or newly named. Triggers (0433) count those whose transcripts are missing.
create function private.settle_agents(owner uuid, agents text[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  update observatory.conversations as c set parent_conversation_id = s.parent_id
  from (
    select distinct on (child.id) child.id, t.conversation_id as parent_id
    from observatory.conversations as child
    -- By the agent, however few calls the planner expects of the owner.
    cross join lateral (
      select o.conversation_id from observatory.tool_calls as o
      where o.owner_id = child.owner_id and o.spawned_agent_id = child.agent_id
      offset 0
    ) as t
    inner join observatory.conversations as parent on parent.id = t.conversation_id
    where child.owner_id = settle_agents.owner and child.agent_id = any (settle_agents.agents)
      and parent.session_id = child.session_id and parent.project_id = child.project_id and parent.id <> child.id
      -- Two agents may claim to have started each other.
      and parent.parent_conversation_id is distinct from child.id
    order by child.id, t.conversation_id
  ) as s
  where c.id = s.id and c.parent_conversation_id is distinct from s.parent_id;
end
$$;
revoke execute on function private.settle_agents(uuid, text[]) from public;

-- migrate:down
drop function private.settle_agents(uuid, text[]);
drop function private.conversation_for(uuid, text, text, jsonb);
drop function private.place_conversation(uuid, uuid);
