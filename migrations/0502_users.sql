-- 0502: users. The members of tenants. A row without an account is an invitation. Members read their colleagues and change their own name
-- and preferences; functions change everything else (0503).
-- migrate:up
create table assistant.users (
  id             uuid constraint users_pkey primary key default gen_random_uuid(),
  tenant_id      uuid not null,
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  auth_id        uuid,
  email          text not null,
  name           text,
  role           text not null default 'member',
  preferences    jsonb not null default '{}',
  is_active      boolean not null default true,
  last_active_at timestamptz,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  constraint users_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  -- Children refer to their member and its tenant together, so that nobody can attach one to another tenant's member.
  constraint users_tenant_id_id unique (tenant_id, id),
  constraint users_email check (char_length(email) <= 254 and email ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'),
  constraint users_name check (char_length(name) between 1 and 120 and name ~ '\S'),
  constraint users_role check (role in ('member', 'admin', 'owner')),
  constraint users_preferences check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 16384)
);
comment on table assistant.users is
  'Members of tenants. An account is a member of one tenant at a time: it leaves one before it joins another.';
comment on column assistant.users.auth_id is 'The account. Null: an invitation or, if the row is not active either, a member who has left.';
comment on column assistant.users.email is 'The address that was invited, as it was typed. Who joins has verified it.';
comment on column assistant.users.last_active_at is 'Null: has never joined.';

create unique index users_account on assistant.users (auth_id) where auth_id is not null;
-- Two spellings of one address are the same address. Who has left or was never let in may be invited again, as a new member: the address
-- may be somebody else's by then.
create unique index users_address on assistant.users (tenant_id, private.normalize_email(email)) where is_active or auth_id is not null;
create index users_by_address on assistant.users (private.normalize_email(email));
create index users_owners on assistant.users (tenant_id) where role = 'owner';
create index users_never_joined on assistant.users (updated_at) where auth_id is null and last_active_at is null;

alter table assistant.users enable row level security;
alter table assistant.users force row level security;
create policy member_select on assistant.users for select to authenticated
  using (tenant_id = (select (assistant.me()).tenant_id));
create policy self_update on assistant.users for update to authenticated
  using (id = (select (assistant.me()).id))
  with check (id = (select (assistant.me()).id));
grant select, update (name, preferences) on assistant.users to authenticated;
grant select, insert, update, delete on assistant.users to service_role;
select private.scope_table('assistant.users', array['update']);
select private.limit_writes('assistant.users', 'assistant', true);

create trigger users_erased before insert or update on assistant.users
  for each statement execute function private.refuse_erased_caller();
create trigger users_keep before update of tenant_id, auth_id on assistant.users
  for each row when (
    current_user = 'authenticated' and (new.tenant_id <> old.tenant_id or new.auth_id is distinct from old.auth_id)
  ) execute function private.refuse_another_user();
create trigger users_filter before update or delete on assistant.users
  for each statement execute function private.require_filter();
create trigger users_updated_at before update of auth_id, email, name, role, preferences, is_active on assistant.users
  for each row execute function private.update_updated_at();
create trigger users_audit after insert or delete or update of tenant_id, auth_id, email, name, role, preferences, is_active
  on assistant.users for each row execute function private.audit();

select private.index_mentions('assistant.users', array['name', 'preferences']);

-- migrate:down
delete from private.mention_places where relation = 'assistant.users';
drop table assistant.users;
