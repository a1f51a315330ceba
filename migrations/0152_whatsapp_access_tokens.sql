-- 0152: WhatsApp access tokens. Owners send the access token of their account; the edge seals it before it is stored.
-- migrate:up
create table private.whatsapp_access_tokens (
  account_id  uuid constraint whatsapp_access_tokens_pkey primary key
    constraint whatsapp_access_tokens_account references whatsapp.accounts on delete cascade,
  sealed      text not null,
  key_version bigint not null,
  updated_at  timestamptz not null default now(),
  constraint whatsapp_access_tokens_sealed check (octet_length(sealed) between 1 and 16384),
  constraint whatsapp_access_tokens_key_version check (key_version > 0)
);
comment on table private.whatsapp_access_tokens is 'Access tokens of accounts, sealed by the edge; the database cannot open them.';

alter table private.whatsapp_access_tokens enable row level security;
alter table private.whatsapp_access_tokens force row level security;

create trigger whatsapp_access_tokens_erased before insert or update on private.whatsapp_access_tokens
  for each statement execute function private.refuse_erased_caller();
create trigger whatsapp_access_tokens_updated_at before update on private.whatsapp_access_tokens
  for each row execute function private.update_updated_at();
create trigger whatsapp_access_tokens_audit after insert or delete or update on private.whatsapp_access_tokens
  for each row execute function private.audit('account_id');

select private.register_sealed_column(
  'private.whatsapp_access_tokens', 'whatsapp.accounts.access_token', 'account_id',
  '(select a.owner_id from whatsapp.accounts as a where a.id = t.account_id)'
);

insert into private.limit_rules (name, burst, refill, shared) values ('access-tokens', 20, '1 minute', 1);

-- The owner of the caller's account, or a refusal: the same one for another owner's account and for an absent one.
create function private.require_own_account(account_id uuid) returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
declare
  owner uuid;
begin
  select a.owner_id into owner
  from whatsapp.accounts as a
  where a.id = require_own_account.account_id and a.owner_id = (select auth.uid());
  if owner is null then
    perform private.refuse(404, 'RG563', 'You have no such WhatsApp account', null, 'Take an id of GET /rest/v1/accounts.');
  end if;
  return owner;
end
$$;
revoke execute on function private.require_own_account(uuid) from public;

create function whatsapp.set_access_token(account_id uuid, owner_id text, sealed text, key_version bigint) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner uuid;
  moment timestamptz;
begin
  perform private.require_user();
  owner := private.require_own_account(set_access_token.account_id);
  perform private.limit_caller('access-tokens');
  -- A token is sealed for its owner's id, and can be opened for that id only.
  if owner_id is distinct from owner::text or set_access_token.key_version not between 1 and 99
    or set_access_token.key_version is null
    or set_access_token.sealed is null or set_access_token.sealed !~ '^v1([.][A-Za-z0-9_-]{16,}){4}$' then
    perform private.refuse(
      422, 'RG564', 'This is no sealed access token', null, 'Send the token itself to PUT /v1/whatsapp/accounts/{id}/access-token.'
    );
  end if;
  insert into private.whatsapp_access_tokens as t (account_id, sealed, key_version)
  values (set_access_token.account_id, set_access_token.sealed, set_access_token.key_version)
  on conflict on constraint whatsapp_access_tokens_pkey do update
    set sealed = excluded.sealed, key_version = excluded.key_version
  returning t.updated_at into moment;
  return jsonb_build_object('account_id', set_access_token.account_id, 'updated_at', moment);
end
$$;
comment on function whatsapp.set_access_token(uuid, text, text, bigint) is
  'Stores an access token that the edge has sealed: only the edge may call it, on behalf of the account''s owner. Definer: nobody has a right on the table; the account is the caller''s.';
revoke execute on function whatsapp.set_access_token(uuid, text, text, bigint) from public;
grant execute on function whatsapp.set_access_token(uuid, text, text, bigint) to edge;

create function whatsapp.remove_access_token(account_id uuid) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.require_own_account(remove_access_token.account_id);
  delete from private.whatsapp_access_tokens as t where t.account_id = remove_access_token.account_id;
  return found;
end
$$;
comment on function whatsapp.remove_access_token(uuid) is
  'Deletes an access token and says whether there was one. Definer: nobody has a right on the table; the account is the caller''s.';
revoke execute on function whatsapp.remove_access_token(uuid) from public;
grant execute on function whatsapp.remove_access_token(uuid) to authenticated;

-- Trigger: an account with a new owner loses the access token of its former owner.
create function private.forget_access_token() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  delete from private.whatsapp_access_tokens as t where t.account_id = new.id;
  return null;
end
$$;
comment on function private.forget_access_token() is
  'Trigger of whatsapp.accounts. Definer: a user who gives an account away has no right on the table of tokens.';
revoke execute on function private.forget_access_token() from public;
create trigger accounts_given_away after update of owner_id on whatsapp.accounts
  for each row when (old.owner_id is distinct from new.owner_id) execute function private.forget_access_token();

-- migrate:down
drop trigger accounts_given_away on whatsapp.accounts;
delete from private.limit_rules where name = 'access-tokens';
delete from private.sealed_columns where relation = 'private.whatsapp_access_tokens';
drop function private.forget_access_token();
drop function whatsapp.remove_access_token(uuid);
drop function whatsapp.set_access_token(uuid, text, text, bigint);
drop function private.require_own_account(uuid);
drop table private.whatsapp_access_tokens;
