-- 0111: lead interactions. What was said to a lead and by whom, which admins read and write; and the lead's own submissions.
-- migrate:up
create table marketing.lead_interactions (
  id               uuid primary key default pg_catalog.gen_random_uuid(),
  lead_id          uuid not null,
  interaction_type text not null,
  subject          text,
  description      text,
  outcome          text,
  scheduled_at     timestamptz,
  completed_at     timestamptz,
  created_by       uuid default auth.uid(),
  metadata         jsonb not null default '{}',
  submission       jsonb,
  created_at       timestamptz not null default now(),
  constraint lead_interactions_lead_id foreign key (lead_id) references marketing.leads (id) on delete cascade
);
comment on table marketing.lead_interactions is 'Calls, messages, meetings and notes about a lead. A scheduled one is open until it is completed.';
comment on column marketing.lead_interactions.interaction_type is 'A word such as call, email, meeting, demo, note.';
comment on column marketing.lead_interactions.submission is
  'One whole submission of a form, which only capture_lead writes, as an interaction of the type submission: {fields, touch, consent: {given, version}, spam?}.';
comment on column marketing.lead_interactions.created_by is 'The user who wrote it.';

create index lead_interactions_lead_id on marketing.lead_interactions (lead_id, created_at desc);
create index lead_interactions_type on marketing.lead_interactions (interaction_type, created_at desc);
create index lead_interactions_open on marketing.lead_interactions (scheduled_at)
  where scheduled_at is not null and completed_at is null;
create index lead_interactions_metadata on marketing.lead_interactions using gin (metadata);
create index lead_interactions_session on marketing.lead_interactions (left(submission -> 'fields' ->> 'session_id', 200))
  where submission -> 'fields' ->> 'session_id' is not null;
create index lead_interactions_browser on marketing.lead_interactions (left(submission -> 'fields' ->> 'anonymous_id', 200))
  where submission -> 'fields' ->> 'anonymous_id' is not null;

alter table marketing.lead_interactions enable row level security;
alter table marketing.lead_interactions force row level security;
create policy admin_select on marketing.lead_interactions for select to authenticated
  using ((select private.is_admin()));
create policy admin_insert on marketing.lead_interactions for insert to authenticated
  with check ((select private.is_admin()));
create policy admin_update on marketing.lead_interactions for update to authenticated
  using ((select private.is_admin()))
  with check ((select private.is_admin()));
create policy admin_delete on marketing.lead_interactions for delete to authenticated
  using ((select private.is_admin()));
grant select, delete on marketing.lead_interactions to authenticated, service_role;
-- Not created_by: it is the token's user, and null for service_role.
grant insert (lead_id, interaction_type, subject, description, outcome, scheduled_at, completed_at, metadata)
  on marketing.lead_interactions to authenticated, service_role;
grant update (interaction_type, subject, description, outcome, scheduled_at, completed_at, metadata)
  on marketing.lead_interactions to authenticated, service_role;
select private.scope_table('marketing.lead_interactions');

create trigger lead_interactions_erased before insert or update on marketing.lead_interactions
  for each statement execute function private.refuse_erased_caller();
create trigger lead_interactions_filter before update or delete on marketing.lead_interactions
  for each statement execute function private.require_filter();
create trigger lead_interactions_audit after update or delete on marketing.lead_interactions
  for each row execute function private.audit();

-- What check constraints would check, as in private.check_lead; before the row is written, since a type may be too long for its index.
create function private.check_lead_interaction() returns trigger
  language plpgsql
  set search_path = ''
  as $$
declare
  broken constant text := case
    when not (new.interaction_type ~ '^[a-z][a-z0-9_-]{0,59}$') then 'lead_interactions_type'
    when not (char_length(new.subject) <= 300) then 'lead_interactions_subject_length'
    when not (char_length(new.description) <= 20000) then 'lead_interactions_description_length'
    when not (char_length(new.outcome) <= 2000) then 'lead_interactions_outcome_length'
    when not (jsonb_typeof(new.metadata) = 'object' and octet_length(new.metadata::text) <= 16384) then 'lead_interactions_metadata'
    -- A lead has at most 64 KB of fields; as jsonb, and with its origin, it is a little larger.
    when not (
      (new.interaction_type = 'submission') = (new.submission is not null)
      and jsonb_typeof(new.submission) = 'object' and octet_length(new.submission::text) <= 131072
    ) then 'lead_interactions_submission'
  end;
begin
  if broken is not null then
    raise check_violation using constraint = broken, message = format('an interaction breaks the rule %s', broken);
  end if;
  return new;
end
$$;
revoke execute on function private.check_lead_interaction() from public;
create trigger lead_interactions_check
  before insert or update of interaction_type, subject, description, outcome, metadata, submission
  on marketing.lead_interactions for each row execute function private.check_lead_interaction();

select private.index_mentions('marketing.lead_interactions', array['subject', 'description', 'outcome', 'metadata', 'submission']);

-- migrate:down
delete from private.mention_places where relation = 'marketing.lead_interactions';
drop table marketing.lead_interactions;
drop function private.check_lead_interaction();
