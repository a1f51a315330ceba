-- 0143: experiment exposures. When a unit was shown its variant.
-- migrate:up
-- The time of an exposure: ISO 8601 with its zone, at most 5 days back and 24 hours ahead, as for events; a time ahead counts as
-- now. Null if it is none of these.
create function private.exposure_time(at jsonb) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
declare
  moment timestamptz;
begin
  if at is null or at = 'null' then
    return now();
  end if;
  if jsonb_typeof(at) <> 'string' or at #>> '{}' !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)$' then
    return null;
  end if;
  begin
    moment := (at #>> '{}')::timestamptz;
  exception
    when data_exception then
      return null;
  end;
  if moment < now() - interval '5 days' or moment > now() + interval '24 hours' then
    return null;
  end if;
  return least(moment, now());
end
$$;

-- Checks one exposure of a call: gives the code that refuses it, or its assignment, with the time as last_exposure_at.
create function private.check_exposure(exposure jsonb, place text, out code text, out assignment experiments.assignments)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  e experiments.experiments;
  who private.experiment_units;
  moment timestamptz;
begin
  if jsonb_typeof(exposure) <> 'object' then
    code := 'RG551';
    return;
  end if;
  if exists (
    select from unnest(array['experiment_id', 'variant_id', 'user_id', 'session_id']) as field
    where jsonb_typeof(exposure -> field) in ('array', 'object', 'boolean')
  -- A number that is not whole has several spellings, and a unit must have one.
  ) or exists (
    select from unnest(array['user_id', 'session_id']) as field
    where jsonb_typeof(exposure -> field) = 'number' and exposure ->> field !~ '^-?[0-9]+$'
  ) or coalesce(exposure ->> 'experiment_id', '') !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    code := 'RG551';
    return;
  end if;
  moment := private.exposure_time(exposure -> 'at');
  if moment is null then
    code := 'RG551';
    return;
  end if;
  who := private.experiment_units(exposure ->> 'user_id', exposure ->> 'session_id');
  if who.fault is not null then
    code := 'RG550';
    return;
  end if;
  select x.* into e
  from experiments.experiments as x
  where x.id = (exposure ->> 'experiment_id')::uuid and x.status = 'running' and x.is_active
    and coalesce(x.start_date <= now(), true) and coalesce(x.end_date > now(), true);
  if not found then
    code := 'RG554';
    return;
  end if;

  select (p.assignment).* into assignment from private.place_unit(e, who, place) as p;
  if assignment.unit_key is null then
    code := 'RG550';
  elsif assignment.variant_id is null then
    code := 'RG555';
  elsif exposure ->> 'variant_id' <> assignment.variant_id then
    code := 'RG556';
  end if;
  -- No exposure is earlier than the start of the experiment.
  assignment.last_exposure_at := greatest(moment, e.start_date);
end
$$;

create function experiments.record_exposures(exposures jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  items constant jsonb := case jsonb_typeof(exposures) when 'object' then exposures -> 'exposures' else exposures end;
  -- The fields that apply to all exposures.
  unit constant jsonb := case jsonb_typeof(exposures) when 'object' then jsonb_strip_nulls(jsonb_build_object(
    'user_id', exposures -> 'user_id', 'session_id', exposures -> 'session_id', 'country', exposures -> 'country'
  )) else '{}' end;
  place text;
  answer jsonb;
  item record;
  checked record;
  drafts experiments.assignments[] := '{}';
  times record;
  draft experiments.assignments;
  rejected jsonb := '[]';
  made bigint := 0;
  answer_bytes bigint;
begin
  if jsonb_typeof(items) is distinct from 'array' or jsonb_typeof(unit -> 'country') <> 'string' then
    perform private.refuse(
      400, 'RG551', 'Exposures must be an array', null, 'Send {"session_id": "...", "exposures": [{"experiment_id": "..."}]}.'
    );
  end if;
  -- The edge counts the bytes that were sent; as jsonb a byte may take eight.
  if pg_column_size(exposures) > 524288 or jsonb_array_length(items) > 100 then
    perform private.refuse(
      413, 'RG552', 'There are too many exposures', 'At most 100 and 64 KB in a call', 'Send them in several calls.'
    );
  end if;
  place := private.experiment_country(unit ->> 'country');
  perform private.limit_caller('experiments');
  -- The answer is stored even if no assignment is new.
  if private.request_header('idempotency-key') is not null then
    perform private.require_allowance('experiments');
  end if;
  answer := private.idempotency_begin('experiments.record_exposures', exposures);
  if answer is not null then
    return answer;
  end if;

  for item in select each.value, each.position - 1 as index from jsonb_array_elements(items) with ordinality as each (value, position) loop
    checked := private.check_exposure(
      case when jsonb_typeof(item.value) = 'object' then unit || jsonb_strip_nulls(item.value) else item.value end, place
    );
    if checked.code is null then
      drafts := drafts || checked.assignment;
    else
      rejected := rejected || jsonb_build_object('index', item.index, 'code', checked.code);
    end if;
  end loop;

  if exists (select from unnest(drafts) as d where d.id is null) then
    perform private.require_allowance('experiments');
  end if;

  -- Each unit once, stored and counted before the next one, in the order of the keys.
  for times in
    select (array_agg(d order by d.last_exposure_at))[1] as draft, array_agg(d.last_exposure_at) as all_, min(d.last_exposure_at) as first, max(d.last_exposure_at) as last
    from unnest(drafts) as d
    group by d.experiment_id, d.unit_key
    order by d.experiment_id, d.unit_key
  loop
    draft := times.draft;
    if draft.id is null then
      -- A client that computed the variant itself may report it later.
      draft.assigned_at := times.first;
      perform private.store_assignments(array[draft]);
      made := made + 1;
    end if;
    -- An exposure that is not later than the last one is a duplicate, or too late to be distinguished from one. No exposure is earlier
    -- than the assignment.
    update experiments.assignments as a set
      first_exposure_at = least(a.first_exposure_at, greatest(times.first, a.assigned_at)),
      last_exposure_at = greatest(a.last_exposure_at, times.last, a.assigned_at),
      exposure_count = a.exposure_count + (
        select count(distinct greatest(each.at, a.assigned_at)) from unnest(times.all_) as each (at)
        where greatest(each.at, a.assigned_at) > coalesce(a.last_exposure_at, '-infinity')
      )
    where a.experiment_id = draft.experiment_id and a.unit_key = draft.unit_key and a.variant_id = draft.variant_id
      and (
        a.first_exposure_at is null or greatest(times.last, a.assigned_at) > a.last_exposure_at
        or greatest(times.first, a.assigned_at) < a.first_exposure_at
      );
  end loop;

  answer := jsonb_build_object('accepted', jsonb_array_length(items) - jsonb_array_length(rejected), 'rejected', rejected);
  perform private.idempotency_end('experiments.record_exposures', answer);
  answer_bytes := private.idempotency_bytes(answer);
  if made > 0 or answer_bytes > 0 then
    perform private.use_allowance('experiments', answer_bytes, made);
  end if;
  return answer;
end
$$;
comment on function experiments.record_exposures(jsonb) is
  'Takes up to 100 exposures: [{"experiment_id", "variant_id"?, "user_id"?, "session_id"?, "at"?}], or {"user_id"?, "session_id"?, "country"?, "exposures": [...]}. Each is for the variant that its unit is in; any other one is reported with its index and a code, and does not affect the rest. A repetition with the same at, or with the same Idempotency-Key, changes nothing. Definer: the public has no right on the tables, and this function decides what it may write.';
revoke execute on function experiments.record_exposures(jsonb) from public;
grant execute on function experiments.record_exposures(jsonb) to edge;

-- migrate:down
drop function experiments.record_exposures(jsonb);
drop function private.check_exposure(jsonb, text);
drop function private.exposure_time(jsonb);
