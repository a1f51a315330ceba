-- 9002: suggestions. Anybody may send one; admins read them.
-- migrate:up
create table notes.suggestions (
  id         uuid primary key default gen_random_uuid(),
  suggestion text not null,
  created_at timestamptz not null default now(),
  constraint suggestion_length check (char_length(suggestion) between 1 and 2000)
);
comment on table notes.suggestions is 'What people have sent through the public form.';

alter table notes.suggestions enable row level security;
alter table notes.suggestions force row level security;
create policy admin_select on notes.suggestions for select to authenticated
  using ((select private.is_admin()));
grant select on notes.suggestions to authenticated;
grant select, delete on notes.suggestions to service_role;
select private.scope_table('notes.suggestions');

create trigger suggestions_erased before insert or update on notes.suggestions
  for each statement execute function private.refuse_erased_caller();
create trigger suggestions_filter before update or delete on notes.suggestions
  for each statement execute function private.require_filter();
select private.index_mentions('notes.suggestions', array['suggestion']);

-- 10 at once and one more every 10 seconds for each address.
insert into private.limit_rules (name, burst, refill, shared) values ('suggestions', 10, '10 seconds', 10);

create function notes.suggest(suggestion text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  answer constant jsonb := '{"status": "received"}';
  stored jsonb;
begin
  perform private.limit_caller('suggestions');
  stored := private.idempotency_begin('notes.suggest', to_jsonb(suggest.suggestion), answer);
  if stored is not null then
    return stored;
  end if;
  if char_length(btrim(suggest.suggestion)) not between 1 and 2000 then
    perform private.refuse(422, 'RG700', 'A suggestion has 1 to 2,000 characters', null, 'Write one.');
  end if;
  insert into notes.suggestions (suggestion) values (btrim(suggest.suggestion));
  return answer;
end
$$;
comment on function notes.suggest(text) is 'Takes a suggestion. Definer: the public has no right on the table.';
revoke execute on function notes.suggest(text) from public;
-- Executable by the edge only: the limit counts by what the edge has seen.
grant execute on function notes.suggest(text) to edge;

-- Job: deletes suggestions after a year, 5,000 at most, and returns how many.
create function private.clean_suggestions() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('notes.suggestions', 'created_at', now() - interval '1 year');
end
$$;
revoke execute on function private.clean_suggestions() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_suggestions', 'private.clean_suggestions', '17 3 * * *', 'Deletes suggestions after a year.'
);

-- migrate:down
delete from private.jobs where name = 'clean_suggestions';
drop function private.clean_suggestions();
drop function notes.suggest(text);
delete from private.limit_rules where name = 'suggestions';
delete from private.mention_places where relation = 'notes.suggestions';
drop table notes.suggestions;
