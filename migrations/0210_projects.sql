-- 0210: projects. Owners read and write their own; nobody sees another's.
-- migrate:up
create schema clixen;
comment on schema clixen is 'clixen: a workflow builder with chat.';
-- The edge calls as itself what depends on what it has seen.
grant usage on schema clixen to authenticated, service_role, edge;

create table clixen.projects (
  id               uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id          uuid not null default auth.uid(),
  name             text not null,
  description      text,
  color            text not null default '#6366f1',
  workflow_count   bigint not null default 0,
  last_activity_at timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  constraint projects_name_length check (char_length(name) between 1 and 120),
  constraint projects_description_length check (char_length(description) <= 2000),
  constraint projects_color check (color ~ '^#[0-9a-fA-F]{6}$'),
  constraint projects_workflow_count check (workflow_count >= 0),
  -- Children name their project and its owner together, so that nobody hangs one on another's project.
  constraint projects_id_user_id unique (id, user_id)
);
comment on table clixen.projects is 'A user''s container of workflows and chats.';
create index projects_activity on clixen.projects (user_id, last_activity_at desc, id desc);
-- Two spellings of one name are one name (0013).
create unique index projects_user_name on clixen.projects (user_id, lower(normalize(regexp_replace(
  name,
  '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
  '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
  '', 'g'
), nfc) collate "C"));
create index projects_created_at on clixen.projects (user_id, created_at desc);

alter table clixen.projects enable row level security;
alter table clixen.projects force row level security;
create policy owner_select on clixen.projects for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.projects for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on clixen.projects for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on clixen.projects for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on clixen.projects to authenticated;
-- Not id: whoever may choose one can ask whether it is taken.
grant insert (user_id, name, description, color) on clixen.projects to authenticated;
grant update (name, description, color) on clixen.projects to authenticated;
grant select, insert, update, delete on clixen.projects to service_role;

create trigger projects_erased before insert or update on clixen.projects
  for each statement execute function private.refuse_erased_caller();
create trigger projects_updated_at before update on clixen.projects
  for each row execute function private.update_updated_at();
create trigger projects_audit after insert or update or delete on clixen.projects
  for each row execute function private.audit();

create trigger projects_filter before update or delete on clixen.projects
  for each statement execute function private.require_filter();

-- migrate:down
drop table clixen.projects;
drop schema clixen;
