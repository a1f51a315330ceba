-- 0190: retention. Deletes rows of growth at the end of their retention.
-- migrate:up
-- Deletes what is kept for 90 days: leads that are spam or were deleted; abandoned onboarding sessions and those without a lead; events
-- without a month. Also webhooks after 30 days. It works in parts, and begins none after three seconds: the caller repeats it until there is
-- nothing left. Whole months of events are dropped by analytics.drop_event_partitions, minutes and actors by analytics.drop_old_counts.
create function marketing.cleanup_old_data() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  started constant timestamptz := clock_timestamp();
  latest constant interval := '3 seconds';
  before constant timestamptz := now() - interval '90 days';
  part constant int := 5000;
  old uuid[];
  deleted bigint := 0;
  rows_ bigint;
begin
  -- Locked by the condition that makes them old: a submission or a member of staff may be about to bring one back.
  old := array(
    select l.id from marketing.leads as l where l.is_spam and l.created_at < before and l.updated_at < before
    limit part for update skip locked
  ) || array(select l.id from marketing.leads as l where l.deleted_at < before limit part for update skip locked);
  -- Before the leads: afterwards these sessions could not be found.
  delete from onboarding.sessions as s where s.lead_id = any (old);
  get diagnostics rows_ = row_count;
  deleted := deleted + rows_;
  delete from marketing.leads as l where l.id = any (old);
  get diagnostics rows_ = row_count;
  deleted := deleted + rows_;

  delete from onboarding.sessions as s
  where s.id = any (array(
    select old_.id from onboarding.sessions as old_
    where old_.last_activity_at < before and (old_.status = 'abandoned' or old_.lead_id is null)
    order by old_.last_activity_at
    limit part for update skip locked
  ));
  get diagnostics rows_ = row_count;
  deleted := deleted + rows_;

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
