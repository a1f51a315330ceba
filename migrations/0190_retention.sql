-- 0190: retention. Deletes rows of growth at the end of their retention.
-- migrate:up
-- Deletes what is kept for 90 days: events, by whole months, and their minutes; leads that are spam or were deleted; abandoned
-- onboarding sessions and those without a lead. Also webhooks after 30 days. It works in parts: the caller repeats it while it
-- returns 5,000 or more.
create function marketing.cleanup_old_data() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  before constant timestamptz := now() - interval '90 days';
  part constant int := 5000;
  old uuid[];
  deleted bigint := 0;
  rows_ bigint;
begin
  deleted := deleted + analytics.drop_old_events(before)
    -- The bucket of a month begins up to 31 days before its last event.
    + analytics.drop_old_counts(before, before - interval '31 days');

  old := array(
    select l.id from marketing.leads as l where l.is_spam and l.created_at < before and l.updated_at < before limit part
  ) || array(select l.id from marketing.leads as l where l.deleted_at < before limit part);
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
    limit part
  ));
  get diagnostics rows_ = row_count;
  deleted := deleted + rows_;

  -- Messages of people: kept only as long as it takes to see what went wrong.
  return deleted + private.clean_webhook_inbox(now() - interval '30 days');
end
$$;
revoke execute on function marketing.cleanup_old_data() from public;

insert into private.jobs (name, function, schedule, description) values (
  'cleanup_old_data', 'marketing.cleanup_old_data', '17 3 * * *',
  'Deletes data of growth that is past its time.'
);

-- migrate:down
delete from private.jobs where name = 'cleanup_old_data';
drop function marketing.cleanup_old_data();
