-- 9001: notes. Users read and write their own notes; nobody sees another's.
-- migrate:up
create schema notes;
comment on schema notes is 'A user''s notes, and suggestions of anybody.';
grant usage on schema notes to authenticated, service_role, edge;

create table notes.notes (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null default auth.uid(), -- the token's sub: identity belongs to the issuer
  text       text not null,
  created_at timestamptz not null default now(),
  constraint note_length check (char_length(text) between 1 and 10000)
);
comment on table notes.notes is 'What users wrote down.';
create index notes_latest on notes.notes (user_id, created_at desc);

alter table notes.notes enable row level security;
alter table notes.notes force row level security;
create policy owner_select on notes.notes for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on notes.notes for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on notes.notes for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on notes.notes for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, insert (text), update (text), delete on notes.notes to authenticated;
grant select, insert, update, delete on notes.notes to service_role;

-- The token of an erased user writes nothing; an update or delete without a filter is refused.
create trigger notes_erased before insert or update on notes.notes
  for each statement execute function private.refuse_erased_caller();
create trigger notes_filter before update or delete on notes.notes
  for each statement execute function private.require_filter();

-- A note may name a person. The receipt of that person's erasure counts it.
select private.index_mentions('notes.notes', array['text']);

create function notes.latest(count int default 10) returns setof notes.notes
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return query
    select n.* from notes.notes as n
    where n.user_id = (select auth.uid())
    order by n.created_at desc
    limit least(latest.count, 100);
end
$$;
revoke execute on function notes.latest(int) from public;
grant execute on function notes.latest(int) to authenticated;

-- Hook: erases the notes of a user whose account was deleted.
create function private.erase_notes(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  erased bigint;
begin
  delete from notes.notes as n where n.user_id = (account ->> 'id')::uuid;
  get diagnostics erased = row_count;
  return jsonb_build_object('notes', erased);
end
$$;
revoke execute on function private.erase_notes(jsonb) from public;

insert into private.hooks (system, event, function) values ('notes', 'account_erased', 'private.erase_notes');

-- migrate:down
delete from private.hooks where system = 'notes';
drop function private.erase_notes(jsonb);
drop function notes.latest(int);
delete from private.mention_places where relation = 'notes.notes';
drop table notes.notes;
drop schema notes;
