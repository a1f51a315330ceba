-- 0320: user API keys. What is known about the keys of other services that users store. The keys themselves are sealed by the edge; the
-- database cannot open them.
-- migrate:up
create table private.key_services (
  name      text constraint key_services_pkey primary key,
  title     text not null,
  providers text[] not null default '{}',
  constraint key_services_name check (name ~ '^[a-z][a-z0-9_-]{0,59}$')
);
comment on table private.key_services is
  'Services whose keys users may store, beside the providers of the active rows of flashfusion.ai_services. Insert a row to add one.';
comment on column private.key_services.providers is
  'Providers whose form of key the service''s keys have, as the edge''s hint names them; a key of another form is stored with a warning. Empty: the form is not known.';

alter table private.key_services enable row level security;
alter table private.key_services force row level security;

-- Keys of the last group have no prefix, or one that others share.
insert into private.key_services (name, title, providers) values
('openai', 'OpenAI', '{openai}'),
('anthropic', 'Anthropic', '{anthropic}'),
('google', 'Google', '{google}'),
('groq', 'Groq', '{groq}'),
('openrouter', 'OpenRouter', '{openrouter}'),
('xai', 'xAI', '{xai}'),
('perplexity', 'Perplexity', '{perplexity}'),
('cerebras', 'Cerebras', '{cerebras}'),
('together', 'Together', '{together}'),
('replicate', 'Replicate', '{replicate}'),
('huggingface', 'Hugging Face', '{huggingface}'),
('github', 'GitHub', '{github}'),
('stripe', 'Stripe', '{stripe,webhook}'),
('aws', 'AWS', '{aws}'),
('bedrock', 'Amazon Bedrock', '{bedrock}'),
('slack', 'Slack', '{slack}'),
('supabase', 'Supabase', '{supabase}'),
('vercel', 'Vercel', '{vercel}'),
('mistral', 'Mistral', '{}'),
('cohere', 'Cohere', '{}'),
('deepseek', 'DeepSeek', '{}');

create table flashfusion.user_api_keys (
  id           uuid constraint user_api_keys_pkey primary key,
  user_id      uuid not null,
  service_name text not null,
  key_alias    text,
  is_active    boolean not null default true,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  last_used_at timestamptz,
  usage_count  bigint not null default 0,
  key_prefix   text,
  last_four    text not null,
  fingerprint  text not null,
  status       text not null default 'active', -- not an enum: comparing enums is not leakproof, so their indexes serve no policy
  verified_at  timestamptz,
  expires_at   timestamptz,
  rotated_from uuid,                        -- no foreign key: it says where the key comes from, when the former one is deleted, too
  revoked_at   timestamptz,
  agents       uuid[] not null default '{}',
  projects     uuid[] not null default '{}',
  -- The secret refers to its key and the owner together.
  constraint user_api_keys_id_user_id unique (id, user_id),
  constraint user_api_keys_service_name check (service_name ~ '^[a-z][a-z0-9_.-]{0,59}$'),
  constraint user_api_keys_key_alias_length check (char_length(key_alias) between 1 and 100),
  constraint user_api_keys_status check (status in ('pending', 'active', 'invalid', 'expired', 'revoked')),
  constraint user_api_keys_usage_count check (usage_count >= 0),
  constraint user_api_keys_key_prefix_length check (char_length(key_prefix) <= 20),
  constraint user_api_keys_last_four_length check (char_length(last_four) <= 4),
  constraint user_api_keys_fingerprint_length check (char_length(fingerprint) between 32 and 100),
  constraint user_api_keys_revoked check ((status = 'revoked') = (revoked_at is not null) and not (status = 'revoked' and is_active)),
  constraint user_api_keys_scope check (cardinality(agents) <= 50 and cardinality(projects) <= 50)
);
comment on table flashfusion.user_api_keys is
  'Keys of other services that users have stored, without the secret. Written by functions; users change the alias, is_active and the scope.';
comment on column flashfusion.user_api_keys.fingerprint is
  'HMAC of user and key under a secret of the edge: equal for the same key of the same user only.';
comment on column flashfusion.user_api_keys.status is
  'pending: replaces another key once it is confirmed. invalid: the service refused the key at its last verification, which does not keep workers from using it. expired, revoked: opens no more; the secret is deleted.';
comment on column flashfusion.user_api_keys.verified_at is 'When the service last accepted the key.';
comment on column flashfusion.user_api_keys.expires_at is 'Null: the key never expires.';
comment on column flashfusion.user_api_keys.rotated_from is 'The key that this one replaces, or has replaced.';
comment on column flashfusion.user_api_keys.agents is
  'Agents that may use the key; empty for all. Ids of agents that are deleted stay, so that no deletion widens the scope.';
comment on column flashfusion.user_api_keys.projects is 'The same for projects.';

-- Two spellings of one alias are the same alias; the characters are those of private.invisible(). A pending key shares the alias of
-- the key that it replaces.
create unique index user_api_keys_alias on flashfusion.user_api_keys (user_id, service_name, lower(normalize(regexp_replace(
  key_alias,
  '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
  '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
  '', 'g'
), nfc) collate "C")) nulls not distinct where status = 'active' and is_active;
create unique index user_api_keys_known on flashfusion.user_api_keys (user_id, fingerprint) where revoked_at is null;
create unique index user_api_keys_successor on flashfusion.user_api_keys (rotated_from) where status = 'pending';
create index user_api_keys_user_id on flashfusion.user_api_keys (user_id, created_at desc, id desc);
create index user_api_keys_never_expires on flashfusion.user_api_keys (user_id)
  where expires_at is null and revoked_at is null;
create index user_api_keys_expires_at on flashfusion.user_api_keys (expires_at) where status in ('pending', 'active', 'invalid');

alter table flashfusion.user_api_keys enable row level security;
alter table flashfusion.user_api_keys force row level security;
create policy owner_select on flashfusion.user_api_keys for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_update on flashfusion.user_api_keys for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.user_api_keys for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, update (key_alias, is_active, agents, projects), delete on flashfusion.user_api_keys to authenticated;
-- service_role can stop a key, and widens no scope.
grant select, update (is_active), delete on flashfusion.user_api_keys to service_role;
select private.scope_table('flashfusion.user_api_keys');
select private.limit_writes('flashfusion.user_api_keys', 'flashfusion', true);

-- Trigger: the projects of a scope are the owner's own, and its agents are there. Ids that the scope had before pass, and those of the key
-- that this one replaces: they may have been deleted since.
create function private.check_key_scope() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  before flashfusion.user_api_keys;
  unknown uuid;
begin
  if tg_op = 'UPDATE' then
    before := old;
  elsif new.rotated_from is not null then
    select * into before from flashfusion.user_api_keys as k where k.id = new.rotated_from and k.user_id = new.user_id;
  end if;
  if array_position(new.agents || new.projects, null) is not null then
    perform private.refuse(422, 'RG606', 'A scope has an empty id', null, 'Leave it out.');
  end if;
  if cardinality(new.projects) > 0 then
    select s.id into unknown
    from unnest(new.projects) as s (id)
    where s.id <> all (coalesce(before.projects, '{}'))
      and not exists (select from flashfusion.projects as p where p.id = s.id and p.user_id = new.user_id)
    limit 1;
    if found then
      perform private.refuse(422, 'RG606', 'You have no such project', unknown::text, 'Take ids of GET /rest/v1/projects.');
    end if;
  end if;
  if cardinality(new.agents) > 0 then
    select s.id into unknown
    from unnest(new.agents) as s (id)
    where s.id <> all (coalesce(before.agents, '{}')) and not exists (select from flashfusion.agents as a where a.id = s.id)
    limit 1;
    if found then
      perform private.refuse(422, 'RG606', 'There is no such agent', unknown::text, 'Take ids of GET /v1/agents.');
    end if;
  end if;
  return new;
end
$$;
comment on function private.check_key_scope() is 'Trigger of user_api_keys. Definer: a token that may write keys need not read projects.';
revoke execute on function private.check_key_scope() from public;

create trigger user_api_keys_erased before insert or update on flashfusion.user_api_keys
  for each statement execute function private.refuse_erased_caller();
create trigger user_api_keys_filter before update or delete on flashfusion.user_api_keys
  for each statement execute function private.require_filter();
create trigger user_api_keys_scope before insert or update of agents, projects on flashfusion.user_api_keys
  for each row execute function private.check_key_scope();
-- A use does not change the row.
create trigger user_api_keys_updated_at
  before update of key_alias, is_active, status, verified_at, revoked_at, agents, projects on flashfusion.user_api_keys
  for each row execute function private.update_updated_at();
create trigger user_api_keys_audit after insert or delete or update on flashfusion.user_api_keys
  for each row execute function private.audit();
create trigger user_api_keys_watch_deletes after delete on flashfusion.user_api_keys referencing old table as old_rows
  for each statement execute function private.watch_deletes();

select private.index_mentions('flashfusion.user_api_keys', array['key_alias']);

-- The sealed keys. One text holds the version, both nonces, the wrapped data key and the sealed key: docs/architecture.md.
create table private.api_key_secrets (
  key_id      uuid constraint api_key_secrets_pkey primary key,
  user_id     uuid not null,
  sealed      text not null,
  key_version bigint not null,
  created_at  timestamptz not null default now(),
  constraint api_key_secrets_owner foreign key (key_id, user_id)
    references flashfusion.user_api_keys (id, user_id) on delete cascade,
  constraint api_key_secrets_sealed check (octet_length(sealed) between 1 and 16384),
  constraint api_key_secrets_key_version check (key_version > 0)
);
comment on table private.api_key_secrets is
  'Users'' keys, sealed by the edge for their row and owner; the database cannot open them. A row is deleted, and its wrapped data key with it, when the key is revoked, expires or is deleted.';

alter table private.api_key_secrets enable row level security;
alter table private.api_key_secrets force row level security;

create trigger api_key_secrets_erased before insert or update on private.api_key_secrets
  for each statement execute function private.refuse_erased_caller();
create trigger api_key_secrets_audit after insert or delete on private.api_key_secrets
  for each row execute function private.audit('key_id');

select private.register_sealed_column('private.api_key_secrets', 'flashfusion.user_api_keys.key', 'key_id', 't.user_id');

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.user_api_keys';
delete from private.sealed_columns where relation = 'private.api_key_secrets';
drop table private.api_key_secrets;
drop table flashfusion.user_api_keys;
drop function private.check_key_scope();
drop table private.key_services;
