-- 0403: invitations to projects, by e-mail address or user id. Nothing here says who has an account: an invitation of an address that nobody
-- has looks like any other.
-- migrate:up
create table observatory.project_invitations (
  id          uuid constraint project_invitations_pkey primary key default gen_random_uuid(),
  project_id  uuid not null,
  email_key   text,
  user_id     uuid,
  role        text not null,
  invited_by  uuid not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null default now() + interval '14 days',
  accepted_at timestamptz,
  declined_at timestamptz,
  constraint project_invitations_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  constraint project_invitations_one check ((email_key is null) <> (user_id is null)),
  constraint project_invitations_address check (char_length(email_key) <= 254),
  constraint project_invitations_role check (role in ('viewer', 'editor', 'owner')),
  constraint project_invitations_ended check (accepted_at is null or declined_at is null)
);
comment on table observatory.project_invitations is
  'Invitations to projects. Owners of the project see the rows; the invited user reads them by observatory.my_invitations().';
comment on column observatory.project_invitations.email_key is 'The address in the form that is equal for all its spellings.';

-- Of addresses alone, and of users alone: without statistics the planner takes what is null for rare, and would read the whole of either
-- index for the other column.
create unique index project_invitations_email on observatory.project_invitations (email_key, project_id)
where email_key is not null and accepted_at is null and declined_at is null;
create unique index project_invitations_user on observatory.project_invitations (user_id, project_id)
where user_id is not null and accepted_at is null and declined_at is null;
create index project_invitations_by_project on observatory.project_invitations (project_id, created_at desc);
create index project_invitations_by_user on observatory.project_invitations (user_id);
create index project_invitations_by_sender on observatory.project_invitations (invited_by);
create index project_invitations_expires_at on observatory.project_invitations (expires_at);
create index project_invitations_by_email on observatory.project_invitations (email_key);

alter table observatory.project_invitations enable row level security;
alter table observatory.project_invitations force row level security;
create policy owner_select on observatory.project_invitations for select to authenticated
  using (project_id = any ((select observatory.owned_projects())::uuid[]));
create policy owner_delete on observatory.project_invitations for delete to authenticated
  using (project_id = any ((select observatory.owned_projects())::uuid[]));
grant select, delete on observatory.project_invitations to authenticated;
grant select, insert, update, delete on observatory.project_invitations to service_role;
select private.scope_table('observatory.project_invitations');

create trigger project_invitations_erased before insert or update on observatory.project_invitations
  for each statement execute function private.refuse_erased_caller();
create trigger project_invitations_filter before update or delete on observatory.project_invitations
  for each statement execute function private.require_filter();
create trigger project_invitations_audit
  after insert or delete or update of role, expires_at, accepted_at, declined_at on observatory.project_invitations
  for each row execute function private.audit();

select private.index_mentions('observatory.project_invitations', array['email_key'], 'private.delete_invitations');

-- How mentions of an address in invitations are erased.
create function private.delete_invitations(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from observatory.project_invitations as i where i.id = any (ids);
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.delete_invitations(uuid[]) from public;

-- Invites somebody into a project. The answer is the same for every address and every id.
create function observatory.invite(project_id uuid, role text, email text default null, user_id uuid default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  caller constant uuid := private.require_user();
  address constant text := private.normalize_email(btrim(email));
  wrong text;
begin
  if private.role_in(invite.project_id, 'read') is null then
    perform private.refuse(404, 'RG660', 'You see no such project', null, 'Take an id of GET /rest/v1/projects.');
  elsif private.role_in(invite.project_id, 'write') is distinct from 'owner' then
    perform private.refuse(403, 'RG666', 'Only the owner of this project may do this', null, 'Ask an owner of the project.');
  end if;
  wrong := case
    when (email is null) = (invite.user_id is null) then 'Send either email or user_id'
    when email is not null and private.is_email(btrim(email)) is not true then 'This is no e-mail address'
    when invite.role is null or invite.role not in ('viewer', 'editor', 'owner') then 'The role is viewer, editor or owner'
    when invite.user_id = caller or address = private.caller_email() then 'This is you'
    when (
      select count(*)
      from observatory.project_invitations as i
      where i.project_id = invite.project_id and i.accepted_at is null and i.declined_at is null and i.expires_at > now()
    ) >= 500 then 'A project has at most 500 open invitations'
  end;
  if wrong is not null then
    perform private.refuse(422, 'RG672', 'This invitation is not possible', wrong, 'Correct it and send it again.');
  end if;
  if address is not null then
    insert into observatory.project_invitations (project_id, email_key, role, invited_by)
    values (invite.project_id, address, invite.role, caller)
    on conflict (email_key, project_id) where email_key is not null and accepted_at is null and declined_at is null
    do update set role = excluded.role, invited_by = excluded.invited_by, created_at = excluded.created_at, expires_at = excluded.expires_at;
  else
    insert into observatory.project_invitations (project_id, user_id, role, invited_by)
    values (invite.project_id, invite.user_id, invite.role, caller)
    on conflict (user_id, project_id) where user_id is not null and accepted_at is null and declined_at is null
    do update set role = excluded.role, invited_by = excluded.invited_by, created_at = excluded.created_at, expires_at = excluded.expires_at;
  end if;
  return jsonb_build_object('status', 'invited');
end
$$;
comment on function observatory.invite(uuid, text, text, uuid) is
  'Invites somebody into a project of the caller''s. Definer: nobody may insert invitations, so that the endpoint limits them.';
revoke execute on function observatory.invite(uuid, text, text, uuid) from public;
grant execute on function observatory.invite(uuid, text, text, uuid) to edge;

-- The open invitations of a caller. An invitation is void once its sender is no owner of the project, and once somebody else has removed the
-- caller from it or changed their role. The audit chain says when: an invitation by address does not say who will accept it.
create function private.open_invitations(caller uuid) returns setof observatory.project_invitations
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := private.caller_email();
begin
  -- Each look-up by an index: without statistics the planner would read all invitations for `or`, and join all projects and members.
  return query
  select i.*
  from (
    select u.* from observatory.project_invitations as u where u.user_id = caller
    union all
    select e.* from observatory.project_invitations as e where e.email_key = address
  ) as i
  where i.accepted_at is null and i.declined_at is null and i.expires_at > now()
    and (select p.deleted_at is null from observatory.projects as p where p.id = i.project_id)
    and (
      select m.role = 'owner' from observatory.project_members as m
      where m.project_id = i.project_id and m.user_id = i.invited_by
    )
    and (
      select max(a.at) from private.observatory_audit as a
      where a.project_id = i.project_id and a.details ->> 'user_id' = caller::text and a.actor is distinct from caller
        and a.relation = 'observatory.project_members' and a.action in ('update', 'delete')
    ) > i.created_at is not true;
end
$$;
revoke execute on function private.open_invitations(uuid) from public;

create function observatory.my_invitations() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
begin
  return jsonb_build_object('invitations', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', i.id, 'project_id', i.project_id,
      'project', (select p.name from observatory.projects as p where p.id = i.project_id),
      'role', i.role, 'invited_by', i.invited_by, 'expires_at', i.expires_at
    ) order by i.created_at desc, i.id), '[]')
    -- Anybody may invite somebody: the answer stays one that can be read.
    from (select o.* from private.open_invitations(caller) as o order by o.created_at desc, o.id limit 200) as i
  ));
end
$$;
comment on function observatory.my_invitations() is
  'Open invitations of the caller, by user id or verified address. Definer: a project''s name is not shown to others before they are members.';
revoke execute on function observatory.my_invitations() from public;
grant execute on function observatory.my_invitations() to authenticated;

-- Accepts an invitation. A member keeps the greater of both roles.
create function observatory.accept_invitation(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  found_ observatory.project_invitations;
begin
  perform private.refuse_erased(caller);
  -- A removal or a change of the caller's role that is under way ends first, and counts.
  perform from observatory.project_members as m
  where m.user_id = caller
    and m.project_id = (select i.project_id from observatory.project_invitations as i where i.id = accept_invitation.id)
  for update;
  update observatory.project_invitations as i set accepted_at = now()
  where i.id = any (array(select o.id from private.open_invitations(caller) as o where o.id = accept_invitation.id))
    and i.accepted_at is null and i.declined_at is null
  returning i.* into found_;
  -- An owner may have changed the invitation until its row was locked: role and sender are those of now.
  if not found or (
    select m.role = 'owner' from observatory.project_members as m
    where m.project_id = found_.project_id and m.user_id = found_.invited_by
  ) is not true then
    perform private.refuse(404, 'RG671', 'You have no such invitation', null, 'GET /v1/invitations lists yours.');
  end if;
  insert into observatory.project_members as m (project_id, user_id, role, added_by)
  values (found_.project_id, caller, found_.role, found_.invited_by)
  on conflict on constraint project_members_once do update set role = excluded.role
  where array_position(array['viewer', 'editor', 'owner'], excluded.role) > array_position(array['viewer', 'editor', 'owner'], m.role);
  return jsonb_build_object('project_id', found_.project_id, 'role', (
    select m.role from observatory.project_members as m where m.project_id = found_.project_id and m.user_id = caller
  ));
end
$$;
comment on function observatory.accept_invitation(uuid) is
  'Accepts one of the caller''s invitations. Definer: nobody may insert members; it asks for an open invitation of the caller first.';
revoke execute on function observatory.accept_invitation(uuid) from public;
grant execute on function observatory.accept_invitation(uuid) to authenticated;

create function observatory.decline_invitation(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
begin
  update observatory.project_invitations as i set declined_at = now()
  where i.id in (select o.id from private.open_invitations(caller) as o where o.id = decline_invitation.id);
  if not found then
    perform private.refuse(404, 'RG671', 'You have no such invitation', null, 'GET /v1/invitations lists yours.');
  end if;
  return jsonb_build_object('status', 'declined');
end
$$;
comment on function observatory.decline_invitation(uuid) is
  'Declines one of the caller''s invitations. Definer: an invited user has no right on the table.';
revoke execute on function observatory.decline_invitation(uuid) from public;
grant execute on function observatory.decline_invitation(uuid) to authenticated;

-- Job: deletes invitations that ended 30 days ago.
create function private.clean_invitations() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('observatory.project_invitations', 'expires_at', now() - interval '30 days');
end
$$;
revoke execute on function private.clean_invitations() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_invitations', 'private.clean_invitations', '17 3 * * *', 'Deletes invitations that ended 30 days ago.'
);

-- migrate:down
delete from private.jobs where name = 'clean_invitations';
drop function private.clean_invitations();
delete from private.mention_places where relation = 'observatory.project_invitations';
drop function observatory.decline_invitation(uuid);
drop function observatory.accept_invitation(uuid);
drop function observatory.my_invitations();
drop function private.open_invitations(uuid);
drop function observatory.invite(uuid, text, text, uuid);
drop table observatory.project_invitations;
drop function private.delete_invitations(uuid[]);
