-- 0364: receive billing events. Takes events from the edge, which has checked Stripe's signature, and processes each once; what cannot be
-- applied yet is tried again.
-- migrate:up
-- Processes a stored event, unless that has been done, and gives the outcome. An error is stored; it undoes what the event has changed.
create function private.process_billing_event(event_id text) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  event private.billing_events;
  result text;
  is_done boolean;
begin
  select * into event from private.billing_events as e where e.event_id = process_billing_event.event_id for update;
  if event.processed_at is not null then
    return event.outcome;
  end if;
  begin
    result := private.apply_billing_event(event);
  exception
    -- Not `query_canceled`: then nothing is stored, and Stripe sends the event again.
    when others then
      result := left('failed: ' || sqlstate || ' ' || sqlerrm, 500);
  end;
  is_done := result not in ('unknown customer', 'unknown subscription', 'not fetched') and result not like 'failed: %';
  update private.billing_events as e set
    outcome = result,
    processed_at = case when is_done then now() end,
    attempts = event.attempts + 1,
    -- Of an erased user nothing personal is stored any more.
    payload = case when is_done and (result = 'erased user' or exists (
      select from private.billing_customers as c
      inner join private.erased_users as x on x.id = c.user_id
      where c.stripe_customer_id = event.customer_id
    )) then '{}' else event.payload end,
    -- What has been fetched may be old when it can be applied.
    fetched = case when result like 'failed: %' then event.fetched end,
    due_at = case
      when result = 'not fetched' then clock_timestamp()
      when result like 'failed: %' and event.attempts < 50
        then clock_timestamp() + make_interval(secs => least((event.attempts + 2) ^ 4, 21600))
    end
  where e.event_id = event.event_id;
  return result;
end
$$;
revoke execute on function private.process_billing_event(text) from public;

-- Until the end of the transaction the events of one customer are applied one after the other. The lock comes before the user's.
create function private.lock_billing_customer(customer text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if customer is not null then
    perform pg_advisory_xact_lock(hashtextextended(customer, 323));
  end if;
end
$$;
revoke execute on function private.lock_billing_customer(text) from public;

-- Takes one event. The edge has checked Stripe's signature. {"received": true, "duplicate", "outcome"}
create function flashfusion.take_billing_event(event jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  name constant text := private.stripe_id(event -> 'id');
  is_thin constant boolean := event ->> 'object' = 'v2.core.event';
  object constant jsonb := case when is_thin then event -> 'related_object' else event #> '{data,object}' end;
  type_ constant text := case when jsonb_typeof(event -> 'type') = 'string' then event ->> 'type' end;
  url constant text := object ->> 'url';
  is_new boolean;
begin
  if name is null or name !~ '^[A-Za-z0-9_]+$' or coalesce(event ->> 'object' not in ('event', 'v2.core.event'), true)
    or coalesce(char_length(type_) not between 1 and 200, true) then
    perform private.refuse(
      400, 'RG622', 'This is no event of Stripe''s', null, 'Let Stripe send events to this address: snapshots, or thin ones.'
    );
  end if;
  perform private.lock_billing_customer(case when not is_thin then private.stripe_id(object -> 'customer') end);
  insert into private.billing_events (
    event_id, type, created, payload, kind, livemode, api_version, customer_id, subscription_id, path
  )
  values (
    name, type_, coalesce(private.stripe_time(event -> 'created'), now()), event, case when is_thin then 'thin' else 'snapshot' end,
    event -> 'livemode' = 'true', left(event ->> 'api_version', 100),
    case when not is_thin then private.stripe_id(object -> 'customer') end,
    case
      when is_thin then null
      when type_ like 'customer.subscription.%' then private.stripe_id(object -> 'id')
      when type_ like 'invoice.%' then private.stripe_subscription_of(object)
    end,
    -- The path only: the address of Stripe's API is the edge's to know.
    case when is_thin and type_ ~ '^v1[.](customer[.]subscription|invoice|checkout[.]session)[.]'
      and url ~ '^/v[12]/[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$' and char_length(url) <= 500 then ltrim(url, '/') end
  )
  on conflict on constraint billing_events_pkey do nothing;
  is_new := found;
  return jsonb_build_object(
    'received', true, 'duplicate', not is_new,
    'outcome', split_part(
      case when is_thin and not is_new then 'not fetched' else private.process_billing_event(name) end, ':', 1
    )
  );
end
$$;
comment on function flashfusion.take_billing_event(jsonb) is
  'Stores one event of Stripe''s and applies it, once. Definer: the edge, which has checked the signature, has no right on any table.';
revoke execute on function flashfusion.take_billing_event(jsonb) from public;
grant execute on function flashfusion.take_billing_event(jsonb) to edge;

-- The thin events whose objects are to be fetched now, at most so many: [{"event_id", "path"}]. Nobody else gets them for five minutes.
create function edge.claim_billing_events(most int) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  claimed jsonb;
begin
  with due as (
    select e.event_id from private.billing_events as e
    where e.due_at <= clock_timestamp() and e.kind = 'thin' and e.processed_at is null
    order by e.due_at
    limit least(claim_billing_events.most, 100)
    for update skip locked
  ),

  taken as (
    update private.billing_events as e set due_at = now() + interval '5 minutes', fetching_since = clock_timestamp(), attempts = e.attempts + 1
    from due
    where e.event_id = due.event_id
    returning e.event_id, e.path
  )

  select coalesce(jsonb_agg(jsonb_build_object('event_id', t.event_id, 'path', t.path)), '[]') into claimed from taken as t;
  return claimed;
end
$$;
comment on function edge.claim_billing_events(int) is
  'The thin events whose objects the edge is to fetch. Definer: the edge has no right on any table.';
revoke execute on function edge.claim_billing_events(int) from public;
grant execute on function edge.claim_billing_events(int) to edge;

-- Takes what Stripe has answered: the status, 0 for none, and the object. Returns the outcome.
create function edge.finish_billing_event(event_id text, status int, object jsonb default null) returns text
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  event private.billing_events;
  customer constant text := private.stripe_id(object -> 'customer');
  is_whole constant boolean := finish_billing_event.status between 200 and 299 and private.stripe_id(object -> 'id') is not null;
begin
  perform private.lock_billing_customer(customer);
  select * into event from private.billing_events as e where e.event_id = finish_billing_event.event_id and e.kind = 'thin' for update;
  if not found or event.processed_at is not null then
    return 'ignored';
  end if;
  if is_whole and private.stripe_id(object -> 'id') = split_part(event.path, '/', -1) then
    update private.billing_events as e set
      fetched = finish_billing_event.object, customer_id = customer,
      subscription_id = case when event.type like 'v1.invoice.%' then private.stripe_subscription_of(object) else private.stripe_id(object -> 'id') end
    where e.event_id = event.event_id;
    return private.process_billing_event(event.event_id);
  end if;
  update private.billing_events as e set
    outcome = case when finish_billing_event.status = 404 then 'gone' else format('not fetched: status %s', finish_billing_event.status) end,
    processed_at = case when finish_billing_event.status = 404 then now() end,
    due_at = case when finish_billing_event.status <> 404 then now() + make_interval(secs => least(event.attempts ^ 4, 21600)) end
  where e.event_id = event.event_id;
  return case when finish_billing_event.status = 404 then 'gone' else 'not fetched' end;
end
$$;
comment on function edge.finish_billing_event(text, int, jsonb) is
  'Applies the object of a thin event that the edge has fetched. Definer: the edge has no right on any table.';
revoke execute on function edge.finish_billing_event(text, int, jsonb) from public;
grant execute on function edge.finish_billing_event(text, int, jsonb) to edge;

-- Whether the caller may have the edge fetch the objects of thin events now: service_role may.
create function flashfusion.may_fetch_thin_events() returns boolean
  language sql stable
  set search_path = ''
  as $$ select true $$;
revoke execute on function flashfusion.may_fetch_thin_events() from public;
grant execute on function flashfusion.may_fetch_thin_events() to service_role;

-- Tries again what has failed, and returns how many events it has tried.
create function private.retry_billing_events() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  one record;
  tried bigint := 0;
begin
  for one in
    select e.event_id, e.customer_id from private.billing_events as e
    where e.due_at <= clock_timestamp() and e.kind = 'snapshot' and e.processed_at is null
    order by e.due_at
    limit 200
  loop
    -- Without waiting: this transaction has the locks of other customers.
    continue when one.customer_id is not null and not pg_try_advisory_xact_lock(hashtextextended(one.customer_id, 323));
    perform private.process_billing_event(one.event_id);
    tried := tried + 1;
  end loop;
  return tried;
end
$$;
revoke execute on function private.retry_billing_events() from public;

-- Has subscriptions fetched that give a tier and whose period ended more than three days ago: their last event may be lost. Returns how
-- many. Each has one row, as if Stripe had sent a thin event.
create function private.recheck_subscriptions() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  checked bigint;
begin
  insert into private.billing_events as e (
    event_id, type, created, payload, kind, customer_id, subscription_id, path, outcome, due_at
  )
  select
    'recheck_' || encode(sha256(convert_to(b.subscription_id, 'UTF8')), 'hex'), 'v1.customer.subscription.updated', b.last_event_at, '{}',
    'thin', b.stripe_customer_id, b.subscription_id, 'v1/subscriptions/' || b.subscription_id, 'not fetched', now()
  from flashfusion.billing as b
  where b.status = any (private.entitling_statuses()) and b.current_period_end < now() - interval '3 days' and b.subscription_id ~ '^[A-Za-z0-9_]+$'
  order by b.current_period_end
  limit 1000
  on conflict on constraint billing_events_pkey do update
    set due_at = excluded.due_at, outcome = excluded.outcome, processed_at = null, attempts = 0, received_at = now()
    where e.processed_at is not null;
  get diagnostics checked = row_count;
  return checked;
end
$$;
revoke execute on function private.recheck_subscriptions() from public;

-- Deletes events after 90 days, 5,000 at most, and returns how many.
create function private.clean_billing_events() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('private.billing_events', 'received_at', now() - interval '90 days');
end
$$;
revoke execute on function private.clean_billing_events() from public;

insert into private.jobs (name, function, schedule, more_from, description) values
('retry_billing_events', 'private.retry_billing_events', '*/5 * * * *', 200, 'Applies events of Stripe''s that could not be applied before.'),
('recheck_subscriptions', 'private.recheck_subscriptions', '17 3 * * *', 5000, 'Has subscriptions fetched that should have ended.'),
('clean_billing_events', 'private.clean_billing_events', '17 3 * * *', 5000, 'Deletes events of Stripe''s after 90 days.');

-- migrate:down
delete from private.jobs where name in ('retry_billing_events', 'recheck_subscriptions', 'clean_billing_events');
drop function private.recheck_subscriptions();
drop function private.clean_billing_events();
drop function private.retry_billing_events();
drop function flashfusion.may_fetch_thin_events();
drop function edge.finish_billing_event(text, int, jsonb);
drop function edge.claim_billing_events(int);
drop function flashfusion.take_billing_event(jsonb);
drop function private.lock_billing_customer(text);
drop function private.process_billing_event(text);
