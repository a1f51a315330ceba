-- 0142: experiment assignments. Which unit (a user or a session) is in which variant, and since when.
-- migrate:up
create type experiments.assignment_source as enum ('hash', 'override');

create table experiments.assignments (
  id                uuid primary key default pg_catalog.gen_random_uuid(),
  experiment_id     uuid not null,
  unit_key          text not null,
  user_id           uuid,
  session_id        text,
  variant_id        text not null,
  bucket_version    bigint not null,
  source            experiments.assignment_source not null default 'hash',
  assigned_at       timestamptz not null default now(),
  first_exposure_at timestamptz,
  last_exposure_at  timestamptz,
  exposure_count    bigint not null default 0,
  country           text,
  constraint assignments_experiment foreign key (experiment_id) references experiments.experiments (id) on delete cascade,
  -- A unit is in one variant of an experiment.
  constraint assignments_unit unique (experiment_id, unit_key),
  constraint assignments_unit_key_form check (unit_key ~ '^(user|claimed|session):.' and char_length(unit_key) <= 210),
  constraint assignments_session_id_length check (char_length(session_id) between 1 and 200),
  constraint assignments_variant_id_length check (char_length(variant_id) between 1 and 60),
  constraint assignments_country check (country ~ '^[A-Z][A-Z0-9]$'),
  constraint assignments_exposures check (
    case when exposure_count = 0 then first_exposure_at is null and last_exposure_at is null
      else exposure_count > 0 and first_exposure_at <= last_exposure_at end
  )
);
comment on table experiments.assignments is 'Which unit is in which variant, since when, and whether it was shown. Written by functions only.';
comment on column experiments.assignments.unit_key is
  '"user:" and the id of a user that a token or service_role has named, "claimed:" and an id that anybody may have typed, or "session:" and the session''s id. One id gets the same variant with either prefix; nobody else can write the row of a user.';
comment on column experiments.assignments.user_id is 'The user, if the id is a uuid: whose conversions count, and what is erased with the user.';
comment on column experiments.assignments.session_id is 'The session that asked; for a user, the first session.';
comment on column experiments.assignments.source is 'hash, or override: staff have put the unit into this variant, and it counts in no result.';
comment on column experiments.assignments.exposure_count is
  'Exposures at different times, each later than the ones before: repeated and late ones are not counted again.';

create index assignments_unit_key on experiments.assignments (unit_key);
create index assignments_exposed on experiments.assignments (experiment_id, variant_id) where first_exposure_at is not null;
create index assignments_user_id on experiments.assignments (user_id) where user_id is not null;
create index assignments_session_id on experiments.assignments (session_id) where session_id is not null;

alter table experiments.assignments enable row level security;
alter table experiments.assignments force row level security;
create policy admin_select on experiments.assignments for select to authenticated
  using ((select private.is_admin()));
grant select on experiments.assignments to authenticated, service_role;
select private.scope_table('experiments.assignments');

create trigger assignments_erased before insert or update on experiments.assignments
  for each statement execute function private.refuse_erased_caller();
-- Only overrides: everything else is frequent, and nobody's decision.
create trigger assignments_audit after insert or update on experiments.assignments
  for each row when (new.source = 'override') execute function private.audit();

-- Deletes assignments whose unit key names a person, and returns how many.
create function private.forget_assignments(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  forgotten bigint;
begin
  delete from experiments.assignments as a where a.id = any (ids);
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

select private.index_mentions('experiments.assignments', array['unit_key', 'session_id'], 'private.forget_assignments');

insert into private.limit_rules (name, burst, refill, shared) values ('experiments', 300, '100 milliseconds', 60);
-- Assignments, whose size is bounded, and the bytes of answers under an Idempotency-Key. No limit for all callers together: a flood must not
-- keep pages from their variants.
insert into private.daily_allowances (name, bytes, rows) values ('experiments', 104857600, 500000);

-- Whether a text can name a unit: 1 to 200 characters without control characters (Unicode's category Cc, the same in every
-- locale). Units are opaque: hashed, stored and compared exactly as they were sent.
create function private.is_unit(value text) returns boolean
  language sql immutable strict
  set search_path = ''
  as $$ select value ~ '^[^\u0001-\u001f\u007f-\u009f]{1,200}$' $$;

-- The caller as units: a user, a session, or both.
create type private.experiment_units as (
  fault         text,    -- what is wrong with the arguments, in words
  claimed       boolean, -- whether the user is only said to be this one
  user_key      text,
  user_value    text,
  user_id       uuid,
  session_key   text,
  session_value text
);

-- The units of a caller. A signed-in caller is the token's user, whatever the arguments say. The arguments of service_role are
-- trusted. Any other caller may have guessed the user_id: it is hashed to the same variant, but no row of that user is read or
-- written.
create function private.experiment_units(user_id text, session_id text) returns private.experiment_units
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller_role constant text := private.caller_role();
  caller constant uuid := case when caller_role = 'authenticated' then (select auth.uid()) end;
  who private.experiment_units;
begin
  who.user_value := coalesce(caller::text, nullif(experiment_units.user_id, ''));
  who.session_value := nullif(experiment_units.session_id, '');
  if not private.is_unit(nullif(experiment_units.user_id, '')) or not private.is_unit(who.session_value) then
    who.fault := 'user_id and session_id have 1 to 200 characters, and no control characters';
  elsif who.user_value is null and who.session_value is null then
    who.fault := 'user_id and session_id are both missing';
  end if;
  if who.user_value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    who.user_id := who.user_value::uuid;
  end if;
  who.claimed := caller is null and caller_role is distinct from 'service_role';
  who.user_key := case when who.claimed then 'claimed:' else 'user:' end || who.user_value;
  who.session_key := 'session:' || who.session_value;
  return who;
end
$$;

-- The country of a request: what the edge has verified, else the argument, in capitals; refused if it is not a country code. The place of a
-- server is not its users'.
create function private.experiment_country(country text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if country !~ '^([A-Za-z][A-Za-z0-9])?$' then
    perform private.refuse(
      422, 'RG550', 'The country is not one', 'A code of two letters', 'Send a code such as DE, or leave it out.'
    );
  end if;
  return coalesce(
    case when not private.is_server() then substring(private.edge_claim() ->> 'country' from '^[A-Z][A-Z0-9]$') end,
    upper(nullif(country, '') collate "C")
  );
end
$$;

-- The assignment of a unit, stored or to be stored: an override, else the row of this bucket version, else by the hash. Its id is
-- null if no row of this version is stored; its variant_id is null if the unit is not in the experiment.
create function private.place_unit(
  e experiments.experiments, who private.experiment_units, country text, out assignment experiments.assignments, out believed boolean
)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  of_user constant boolean := e.unit = 'user_id';
  value constant text := case when of_user then who.user_value else who.session_value end;
  key constant text := case when of_user then who.user_key else who.session_key end;
begin
  believed := false;
  if value is null then
    return;
  end if;
  select a.* into assignment
  from experiments.assignments as a
  where a.experiment_id = e.id and a.unit_key = key;
  if assignment.source = 'override' and (
    e.control_variant ->> 'id' = assignment.variant_id
    or e.test_variants @> jsonb_build_array(jsonb_build_object('id', assignment.variant_id))
  ) then
    believed := true;
    return;
  end if;
  if assignment.bucket_version = e.bucket_version and assignment.source = 'hash' then
    -- The row of a claimed user is personal data: only the session that created it may see it.
    believed := not (of_user and who.claimed) or coalesce(assignment.session_id = who.session_value, false);
    if not believed then
      assignment.variant_id := private.variant_of(e, value, country);
    end if;
    return;
  end if;

  assignment := null;
  assignment.experiment_id := e.id;
  assignment.unit_key := key;
  assignment.variant_id := private.variant_of(e, value, country);
  assignment.bucket_version := e.bucket_version;
  assignment.source := 'hash';
  -- Nobody attaches another person's user id to a session.
  assignment.user_id := case when of_user or not who.claimed then who.user_id end;
  assignment.session_id := who.session_value;
  assignment.country := country;
end
$$;

-- Stores assignments, unless another transaction has just stored them; one of an earlier bucket version starts anew. In the order
-- of the keys, like every write here, so that two callers who store the same rows cannot deadlock.
create function private.store_assignments(drafts experiments.assignments[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into experiments.assignments as a (
    experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source, assigned_at, country
  )
  select
    d.experiment_id, d.unit_key, d.user_id, d.session_id, d.variant_id, d.bucket_version, d.source,
    coalesce(d.assigned_at, now()), d.country
  from unnest(drafts) as d
  order by d.experiment_id, d.unit_key
  on conflict (experiment_id, unit_key) do update set
    user_id = excluded.user_id, session_id = excluded.session_id, variant_id = excluded.variant_id,
    bucket_version = excluded.bucket_version, source = excluded.source, assigned_at = excluded.assigned_at,
    first_exposure_at = null, last_exposure_at = null, exposure_count = 0, country = excluded.country
    where a.bucket_version < excluded.bucket_version;
end
$$;

create function experiments.auto_assign_experiments(
  user_id text default null, session_id text default null, country text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  place constant text := private.experiment_country(auto_assign_experiments.country);
  who constant private.experiment_units := private.experiment_units(
    auto_assign_experiments.user_id, auto_assign_experiments.session_id
  );
  e experiments.experiments;
  placed record;
  assignment experiments.assignments;
  fresh experiments.assignments[] := '{}';
  answer jsonb := '[]';
begin
  if who.fault is not null then
    perform private.refuse(422, 'RG550', 'There is nobody to assign', who.fault, 'Send a session_id, a user_id or both.');
  end if;
  perform private.limit_caller('experiments');

  for e in
    select x.*
    from experiments.experiments as x
    where x.status = 'running' and x.is_active
      and coalesce(x.start_date <= now(), true) and coalesce(x.end_date > now(), true)
    order by x.id
  loop
    placed := private.place_unit(e, who, place);
    assignment := placed.assignment;
    if assignment.variant_id is null then
      continue;
    end if;
    if assignment.id is null then
      fresh := fresh || assignment;
    end if;
    answer := answer || jsonb_build_object(
      'experiment_id', e.id, 'name', e.name, 'variant_id', assignment.variant_id, 'bucket_version', e.bucket_version,
      'is_control', assignment.variant_id = e.control_variant ->> 'id',
      'source', case when not placed.believed then 'hash' when assignment.source = 'override' then 'override' else 'sticky' end
    );
  end loop;
  if cardinality(fresh) > 0 then
    perform private.require_allowance('experiments');
    perform private.store_assignments(fresh);
    perform private.use_allowance('experiments', 0, cardinality(fresh));
  end if;
  return jsonb_build_object('assignments', answer);
end
$$;
comment on function experiments.auto_assign_experiments(text, text, text) is
  'The variant of every running experiment for a user, a session or both, without experiments that the unit is not in. Stores new assignments. Definer: the public has no right on the tables, and this function decides what it may see.';
revoke execute on function experiments.auto_assign_experiments(text, text, text) from public;
grant execute on function experiments.auto_assign_experiments(text, text, text) to edge;

create function experiments.override_assignment(
  experiment_id uuid, variant_id text default null, user_id text default null, session_id text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  e experiments.experiments;
  draft experiments.assignments;
begin
  perform private.require_admin();
  select x.* into e from experiments.experiments as x where x.id = override_assignment.experiment_id for share;
  if not found then
    perform private.refuse(404, 'RG554', 'There is no such experiment', null, 'Check its id.');
  end if;
  if e.unit = 'user_id' then
    draft.unit_key := 'user:' || nullif(override_assignment.user_id, '');
    if override_assignment.user_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      draft.user_id := override_assignment.user_id::uuid;
    end if;
  else
    draft.session_id := nullif(override_assignment.session_id, '');
    draft.unit_key := 'session:' || draft.session_id;
  end if;
  if not coalesce(private.is_unit(case when e.unit = 'user_id' then override_assignment.user_id else draft.session_id end), false) then
    perform private.refuse(
      422, 'RG550', 'There is nobody to assign', format('%s must have 1 to 200 characters', e.unit), format('Send the %s.', e.unit)
    );
  end if;
  if override_assignment.variant_id is null then
    delete from experiments.assignments as a
    where a.experiment_id = e.id and a.unit_key = draft.unit_key and a.source = 'override';
    return jsonb_build_object('variant_id', null);
  end if;
  if e.control_variant ->> 'id' <> override_assignment.variant_id
    and not e.test_variants @> jsonb_build_array(jsonb_build_object('id', override_assignment.variant_id)) then
    perform private.refuse(422, 'RG557', 'The experiment has no such variant', null, 'Send the id of one of its variants, or none.');
  end if;
  insert into experiments.assignments as a (experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source)
  values (e.id, draft.unit_key, draft.user_id, draft.session_id, override_assignment.variant_id, e.bucket_version, 'override')
  on conflict on constraint assignments_unit do update set
    variant_id = excluded.variant_id, bucket_version = excluded.bucket_version, source = 'override', assigned_at = now(),
    first_exposure_at = null, last_exposure_at = null, exposure_count = 0;
  return jsonb_build_object('variant_id', override_assignment.variant_id);
end
$$;
comment on function experiments.override_assignment(uuid, text, text, text) is
  'Puts a user or a session, as the experiment''s unit requires, into a variant, regardless of hash, rules and namespace; without a variant it removes that. For admins, to look at a variant: such a unit counts in no result. Definer: only functions write assignments.';
revoke execute on function experiments.override_assignment(uuid, text, text, text) from public;
grant execute on function experiments.override_assignment(uuid, text, text, text) to authenticated, service_role;

-- migrate:down
delete from private.daily_allowances where name = 'experiments';
delete from private.limit_rules where name = 'experiments';
delete from private.mention_places where relation = 'experiments.assignments';
drop function experiments.override_assignment(uuid, text, text, text);
drop function experiments.auto_assign_experiments(text, text, text);
drop function private.store_assignments(experiments.assignments[]);
drop function private.place_unit(experiments.experiments, private.experiment_units, text);
drop function private.experiment_country(text);
drop function private.experiment_units(text, text);
drop type private.experiment_units;
drop function private.is_unit(text);
drop function private.forget_assignments(uuid[]);
drop table experiments.assignments;
drop type experiments.assignment_source;
