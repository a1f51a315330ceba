-- 9001: notes. Users read and write their own notes; nobody sees another's.
-- migrate:up
create schema notes;
comment on schema notes is 'A user''s notes, and suggestions of anybody.';
grant usage on schema notes to authenticated, service_role, edge;
insert into private.system_schemas (schema, system) values ('notes', 'notes');

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
select private.scope_table('notes.notes');

-- The token of an erased user writes nothing; an update or delete without a filter is refused.
create trigger notes_erased before insert or update on notes.notes
  for each statement execute function private.refuse_erased_caller();
create trigger notes_filter before update or delete on notes.notes
  for each statement execute function private.require_filter();

-- What a user writes in a day.
insert into private.daily_allowances (name, bytes, rows) values ('notes', 10485760, 10000);
select private.limit_writes('notes.notes', 'notes', true);

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
    -- The caller chooses the number, so it may be negative or huge.
    limit least(greatest(coalesce(latest.count, 10), 1), 100);
end
$$;
revoke execute on function notes.latest(int) from public;
grant execute on function notes.latest(int) to authenticated;

-- Deletes the notes of users, and returns their number by table.
create function private.delete_notes(users uuid[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from notes.notes as n where n.user_id = any (users);
  get diagnostics deleted = row_count;
  return jsonb_build_object('notes.notes', deleted);
end
$$;
revoke execute on function private.delete_notes(uuid[]) from public;

-- Hook: erases the notes of a user whose account was deleted.
create function private.notes_account_erased(account jsonb) returns jsonb
  language sql volatile
  set search_path = ''
  as $$ select private.delete_notes(array[(account ->> 'id')::uuid]) $$;
revoke execute on function private.notes_account_erased(jsonb) from public;

-- Hook: a person's notes, for the export of all that is stored about them. `users` are the person's accounts.
create function private.notes_export(person jsonb) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select jsonb_build_object('notes.notes', coalesce(jsonb_agg(to_jsonb(n) order by n.created_at), '[]'))
from notes.notes as n
where n.user_id = any (private.texts(person -> 'users')::uuid[])
$$;
revoke execute on function private.notes_export(jsonb) from public;

-- Hook: the ids of a person's own notes. The export counts the rows of others that mention the person, without these.
create function private.notes_rows(person jsonb) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select jsonb_build_object('notes.notes', to_jsonb(array(
  select n.id from notes.notes as n where n.user_id = any (private.texts(person -> 'users')::uuid[])
)))
$$;
revoke execute on function private.notes_rows(jsonb) from public;

-- Hook: erases a person's notes.
create function private.notes_erase(person jsonb) returns jsonb
  language sql volatile
  set search_path = ''
  as $$ select private.delete_notes(private.texts(person -> 'users')::uuid[]) $$;
revoke execute on function private.notes_erase(jsonb) from public;

insert into private.hooks (system, event, function) values
('notes', 'account_erased', 'private.notes_account_erased'),
('notes', 'person_export', 'private.notes_export'),
('notes', 'person_rows', 'private.notes_rows'),
('notes', 'person_erase', 'private.notes_erase');

-- migrate:down
delete from private.system_schemas where system = 'notes';
delete from private.hooks where system = 'notes';
drop function private.notes_erase(jsonb);
drop function private.notes_rows(jsonb);
drop function private.notes_export(jsonb);
drop function private.notes_account_erased(jsonb);
drop function private.delete_notes(uuid[]);
drop function notes.latest(int);
delete from private.mention_places where relation = 'notes.notes';
delete from private.daily_allowances where name = 'notes';
drop table notes.notes;
drop schema notes;
