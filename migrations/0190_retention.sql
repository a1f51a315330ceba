-- 0190: retention. Deletes rows of growth at the end of their retention.
-- migrate:up
-- Deletes leads that are spam or were deleted before a time, and before them their onboarding sessions and interactions, which anybody may have made
-- in any number. Of all of these a part; a lead that has more stays for another call. Returns how many rows are gone.
create function private.delete_old_leads(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  part constant int := 2000;
  old uuid[];
  deleted bigint;
  rows_ bigint;
begin
  -- Locked by the condition that makes them old: a submission or a member of staff may be about to bring one back.
  old := array(
    select l.id from marketing.leads as l where l.is_spam and l.created_at < before and l.updated_at < before
    limit part for update skip locked
  ) || array(select l.id from marketing.leads as l where l.deleted_at < before limit part for update skip locked);
  -- Before the leads: afterwards these sessions could not be found.
  select d.sessions + d.activities into deleted
  from private.delete_onboardings(array(
    select s.id from onboarding.sessions as s where s.lead_id = any (old) limit 5000 for update skip locked
  )) as d;
  delete from marketing.lead_interactions as i
  where i.id = any (array(
    select o.id from marketing.lead_interactions as o where o.lead_id = any (old) limit 10000 for update skip locked
  ));
  get diagnostics rows_ = row_count;
  deleted := deleted + rows_;
  delete from marketing.leads as l
  where l.id = any (old)
    and not exists (select from onboarding.sessions as s where s.lead_id = l.id)
    and not exists (select from marketing.lead_interactions as i where i.lead_id = l.id);
  get diagnostics rows_ = row_count;
  return deleted + rows_;
end
$$;
revoke execute on function private.delete_old_leads(timestamptz) from public;

-- Deletes assignments of experiments whose results were stored before a time, 20,000 at most, and returns how many. Nobody needs them: the results
-- stay as they were stored, and such an experiment does not run again. What staff have overridden stays, as its audit does.
create function private.delete_old_assignments(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set jit = off
  as $$
declare
  over_ constant uuid[] := array(
    select e.id from experiments.experiments as e
    where e.status in ('completed', 'archived') and (e.results ->> 'computed_at')::timestamptz < before
  );
  deleted bigint;
begin
  delete from experiments.assignments as a
  where a.id = any (array(
    select o.id from experiments.assignments as o
    where o.experiment_id = any (over_) and o.source = 'hash'
    limit 20000 for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.delete_old_assignments(timestamptz) from public;

-- Deletes what is kept for 90 days: leads that are spam or were deleted; abandoned onboarding sessions and those without a lead; assignments of
-- experiments that are over; events without a month. Also webhooks after 30 days. It works in parts, and begins none after three seconds: the
-- caller repeats it until there is nothing left. Whole months of events are dropped by analytics.drop_event_partitions, minutes and actors by analytics.drop_old_counts.
create function marketing.cleanup_old_data() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  started constant timestamptz := clock_timestamp();
  latest constant interval := '3 seconds';
  before constant timestamptz := now() - interval '90 days';
  deleted bigint := private.delete_old_leads(before);
  rows_ bigint;
begin
  if clock_timestamp() - started < latest then
    select d.sessions + d.activities into rows_
    from private.delete_onboardings(array(
      select old_.id from onboarding.sessions as old_
      where old_.last_activity_at < before and (old_.status = 'abandoned' or old_.lead_id is null)
      order by old_.last_activity_at
      limit 5000 for update skip locked
    )) as d;
    deleted := deleted + rows_;
  end if;
  if clock_timestamp() - started < latest then
    deleted := deleted + private.delete_old_assignments(before);
  end if;

  -- Before the webhooks, as in an erasure.
  if clock_timestamp() - started < latest then
    deleted := deleted + analytics.delete_undated_events(private.events_since());
  end if;
  -- Messages of people: kept only as long as it takes to see what went wrong.
  if clock_timestamp() - started < latest then
    deleted := deleted + private.clean_webhook_inbox(now() - interval '30 days');
  end if;
  return deleted;
end
$$;
revoke execute on function marketing.cleanup_old_data() from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'cleanup_old_data', 'marketing.cleanup_old_data', '7 * * * *', 1,
  'Deletes data of growth that is past its time.'
);

-- migrate:down
delete from private.jobs where name = 'cleanup_old_data';
drop function marketing.cleanup_old_data();
drop function private.delete_old_assignments(timestamptz);
drop function private.delete_old_leads(timestamptz);
