-- 0363: subscription states. What an event changes: the row of its subscription, or which user a customer is.
-- migrate:up
-- Which of two events of one subscription and one second is the later one, as far as their kinds say it: nothing comes before the
-- creation, and nothing after the end.
create function private.billing_rank(type text, object jsonb) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when type like '%.deleted' or object ->> 'status' in ('canceled', 'incomplete_expired') then 2
    when type like '%.created' then 0
    else 1
  end;
end
$$;
revoke execute on function private.billing_rank(text, jsonb) from public;

-- Whether an event changed what the other one shows: its previous values are the other's.
create function private.billing_follows(event jsonb, other jsonb) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  before constant jsonb := event #> '{data,previous_attributes}';
begin
  return coalesce(jsonb_typeof(before) = 'object' and before <> '{}' and other #> '{data,object}' @> before, false);
end
$$;
revoke execute on function private.billing_follows(jsonb, jsonb) from public;

-- Notifies a user of what an event says, once for an event and its thin twin.
create function private.notify_of_billing(event private.billing_events, type text, object jsonb, user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  url constant text := object ->> 'hosted_invoice_url';
  title text;
  message text;
begin
  case type
    when 'customer.subscription.trial_will_end' then
      title := 'Your trial ends soon';
      message := coalesce(
        format('It ends on %s (UTC).', to_char(private.stripe_time(object -> 'trial_end') at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
        'It ends in about three days.'
      );
    when 'customer.subscription.deleted' then
      title := 'Your subscription has ended';
      message := 'Your account has the limits of the free tier again, unless you have another subscription.';
    when 'customer.subscription.paused' then
      title := 'Your subscription is paused';
      message := 'Until it is resumed, your account has the limits of the free tier.';
    when 'invoice.payment_failed' then
      title := 'A payment failed';
      message := 'Please check your payment method. The payment is tried again.';
    when 'invoice.payment_action_required' then
      title := 'A payment needs your confirmation';
      message := 'Your bank asks you to confirm it.';
    else
      return;
  end case;
  perform private.notify(
    notify_of_billing.user_id, 'billing', 'stripe ' || coalesce(private.stripe_id(event.payload -> 'snapshot_event'), event.event_id),
    title, message, case when url ~ '^https://' and char_length(url) <= 2000 then url end,
    jsonb_strip_nulls(jsonb_build_object(
      'event', type, 'subscription_id', case when type like 'invoice.%' then private.stripe_subscription_of(object) else private.stripe_id(object -> 'id') end
    ))
  );
end
$$;
revoke execute on function private.notify_of_billing(private.billing_events, text, jsonb, uuid) from public;

-- Applies an event with a subscription: its row shows the latest state in any order of arrival.
create function private.apply_subscription(event private.billing_events, type text, object jsonb) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  subscription constant text := private.stripe_id(object -> 'id');
  customer constant text := private.stripe_id(object -> 'customer');
  rank_ constant bigint := private.billing_rank(type, object);
  status_ constant text := case when type like '%.deleted' then 'canceled' else left(object ->> 'status', 60) end;
  owner uuid;
  clock private.subscription_clocks;
  is_new boolean;
  shown jsonb;
  items jsonb[];
  best jsonb;
  plan text;
  ends timestamptz;
  one text;
begin
  if subscription is null or customer is null or coalesce(status_, '') = '' then
    return 'odd shape';
  end if;
  select c.user_id into owner from private.billing_customers as c where c.stripe_customer_id = customer;
  if not found then
    return 'unknown customer';
  end if;
  perform private.lock_flashfusion_user(owner);
  perform private.notify_of_billing(event, type, object, owner);

  select * into clock from private.subscription_clocks as k where k.subscription_id = subscription;
  if found then
    if event.kind = 'thin' then
      -- What was fetched is the state of that time. If anything has been applied since, fetch it again.
      if clock.applied_at > event.fetching_since then
        return 'not fetched';
      end if;
    elsif (event.created, rank_) < (clock.at, clock.rank) then
      return 'outdated';
    elsif (event.created, rank_) = (clock.at, clock.rank) then
      select e.payload into shown from private.billing_events as e where e.event_id = clock.event_id;
      -- Of two updates within one second, the one that changed the other's values is the later one.
      if private.billing_follows(shown, event.payload) and not private.billing_follows(event.payload, shown) then
        return 'outdated';
      end if;
    end if;
  end if;

  -- Two checkouts that were open at the same time make two customers: whoever completes both pays twice.
  is_new := status_ = any (private.entitling_statuses()) and not exists (
    select from flashfusion.billing as b where b.subscription_id = subscription and b.status = any (private.entitling_statuses())
  );
  if is_new and exists (
    select from flashfusion.billing as b
    where b.user_id = owner and b.subscription_id <> subscription and b.status = any (private.entitling_statuses())
  ) then
    perform private.notify(
      owner, 'billing', 'second_subscription ' || subscription, 'You have more than one subscription',
      'Each of them is billed. Cancel the one that you do not want in the customer portal; opened again, it leads to the other one.', null,
      jsonb_build_object('event', 'second_subscription', 'subscription_id', subscription)
    );
  end if;

  items := array(select private.stripe_items(object));
  select i.item, p.plan_name into best, plan
  from unnest(items) with ordinality as i (item, place)
  left join private.price_tiers as p on p.price_id = i.item ->> 'price'
  left join private.tiers as t on t.tier = p.tier
  order by t.rank desc nulls last, i.place
  limit 1;
  select max((i ->> 'ends')::timestamptz) into ends from unnest(items) as i;

  insert into flashfusion.billing as b (
    user_id, subscription_id, stripe_customer_id, status, price_id, plan_name, billing_cycle, amount, currency, current_period_start,
    current_period_end, cancel_at_period_end, last_event_at, created_at, metadata
  )
  select
    owner, subscription, customer, status_, best ->> 'price',
    left(coalesce(plan, nullif(btrim(best ->> 'name'), ''), best ->> 'price', 'Subscription'), 250),
    case (best ->> 'interval_count')::bigint when 1 then left(best ->> 'interval', 30)
      else left(format('%s %ss', best ->> 'interval_count', best ->> 'interval'), 60) end,
    -- Without an amount of every item there is no amount of all.
    case when count(*) = count(i ->> 'unit_amount') then
      case when sum((i ->> 'unit_amount')::numeric * (i ->> 'quantity')::numeric) between -1e15 and 1e15
        then sum((i ->> 'unit_amount')::numeric * (i ->> 'quantity')::numeric)::bigint end end,
    substring(best ->> 'currency' from '^[a-z]{3}$'),
    min((i ->> 'starts')::timestamptz), ends,
    -- With flexible billing the customer's cancellation sets cancel_at only.
    coalesce(object -> 'cancel_at_period_end' = 'true', false) or coalesce(private.stripe_time(object -> 'cancel_at') <= ends, false),
    greatest(clock.at, event.created), coalesce(private.stripe_time(object -> 'created'), event.created),
    jsonb_strip_nulls(jsonb_build_object(
      'prices', coalesce(jsonb_agg(i -> 'price') filter (where i ->> 'price' is not null), '[]'),
      'cancel_at', private.stripe_time(object -> 'cancel_at'),
      'trial_end', private.stripe_time(object -> 'trial_end'),
      'ended_at', private.stripe_time(object -> 'ended_at'),
      'pause_collection', case when jsonb_typeof(object -> 'pause_collection') = 'object' then jsonb_build_object(
        'behavior', left(object #>> '{pause_collection,behavior}', 60), 'resumes_at', private.stripe_time(object #> '{pause_collection,resumes_at}')
      ) end,
      'paused', case when octet_length((object #> '{status_details,paused}')::text) <= 2000 then object #> '{status_details,paused}' end
    ))
  from unnest(items) as i
  on conflict (subscription_id) do update set
    status = excluded.status, price_id = excluded.price_id, plan_name = excluded.plan_name, billing_cycle = excluded.billing_cycle,
    amount = excluded.amount, currency = excluded.currency, current_period_start = excluded.current_period_start,
    current_period_end = excluded.current_period_end, cancel_at_period_end = excluded.cancel_at_period_end,
    last_event_at = excluded.last_event_at, created_at = excluded.created_at,
    metadata = excluded.metadata || jsonb_strip_nulls(jsonb_build_object('invoice', b.metadata -> 'invoice'));

  insert into private.subscription_clocks as k (subscription_id, at, rank, event_id, applied_at)
  values (subscription, greatest(clock.at, event.created), rank_, event.event_id, clock_timestamp())
  on conflict (subscription_id) do update
    set at = excluded.at, rank = excluded.rank, event_id = excluded.event_id, applied_at = excluded.applied_at;

  -- Invoices that came before their subscription.
  if clock.subscription_id is null then
    for one in
      select e.event_id from private.billing_events as e
      where e.customer_id = customer and e.subscription_id = subscription and e.processed_at is null and e.outcome = 'unknown subscription'
      order by e.created, e.event_id
    loop
      perform private.process_billing_event(one);
    end loop;
  end if;
  return 'applied';
end
$$;
revoke execute on function private.apply_subscription(private.billing_events, text, jsonb) from public;

-- Applies an event with an invoice: the row of its subscription shows the latest outcome. What it means for the subscription, Stripe says
-- with the subscription's own events.
create function private.apply_invoice(event private.billing_events, type text, object jsonb) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- The outcomes within one second: a payment ends what was tried before.
  ranks constant jsonb := '{"paid": 2, "voided": 2, "marked_uncollectible": 2, "payment_failed": 1, "payment_action_required": 1, "overdue": 1, "finalization_failed": 1}';
  word constant text := substring(type from '^invoice[.](.*)$');
  subscription constant text := private.stripe_subscription_of(object);
  customer constant text := private.stripe_id(object -> 'customer');
  url constant text := object ->> 'hosted_invoice_url';
  owner uuid;
  found_ flashfusion.billing;
  last jsonb;
begin
  if subscription is null or customer is null or not ranks ? word then
    return 'ignored';
  end if;
  select c.user_id into owner from private.billing_customers as c where c.stripe_customer_id = customer;
  if not found then
    return 'unknown customer';
  end if;
  perform private.lock_flashfusion_user(owner);
  select * into found_ from flashfusion.billing as b where b.subscription_id = subscription and b.user_id = owner for update;
  if not found then
    return 'unknown subscription';
  end if;
  perform private.notify_of_billing(event, type, object, owner);
  last := found_.metadata -> 'invoice';
  if (event.created, (ranks ->> word)::bigint) < ((last ->> 'at')::timestamptz, (ranks ->> (last ->> 'event'))::bigint) then
    return 'outdated';
  end if;
  update flashfusion.billing as b
  set metadata = b.metadata || jsonb_build_object('invoice', jsonb_strip_nulls(jsonb_build_object(
    'id', private.stripe_id(object -> 'id'), 'event', word, 'at', event.created,
    'amount_due', private.stripe_number(object -> 'amount_due'), 'currency', substring(object ->> 'currency' from '^[a-z]{3}$'),
    'hosted_invoice_url', case when url ~ '^https://' and char_length(url) <= 2000 then url end
  )))
  where b.id = found_.id;
  return 'applied';
end
$$;
revoke execute on function private.apply_invoice(private.billing_events, text, jsonb) from public;

-- Learns from a completed checkout session which user a customer is, and applies what has waited for that. Only a session that this system
-- has opened counts: anybody may put any client_reference_id into the address of a payment link, but nobody metadata. The customer of a user
-- who was erased meanwhile is remembered, too: so its events are emptied, and operators see the subscription.
create function private.bind_customer(event private.billing_events, object jsonb) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  customer constant text := private.stripe_id(object -> 'customer');
  reference constant text := object ->> 'client_reference_id';
  owner uuid;
  is_erased boolean;
  one record;
begin
  if customer is null or reference !~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
    or object #>> '{metadata,rg_user}' is distinct from reference or object ->> 'status' is distinct from 'complete' then
    return 'ignored';
  end if;
  is_erased := exists (select from private.erased_users as e where e.id = reference::uuid);
  insert into private.billing_customers (stripe_customer_id, user_id) values (customer, reference::uuid) on conflict do nothing;
  select c.user_id into strict owner from private.billing_customers as c where c.stripe_customer_id = customer;
  if owner <> reference::uuid then
    return case when is_erased then 'erased user' else 'customer of another user' end;
  end if;
  if is_erased then
    -- Those that wait are applied below, and emptied then.
    update private.billing_events as e set payload = '{}'
    where e.customer_id = customer and e.processed_at is not null and e.payload <> '{}';
  end if;
  for one in
    select e.event_id, e.kind from private.billing_events as e
    where e.customer_id = customer and e.processed_at is null and e.outcome = 'unknown customer'
    order by e.created, e.event_id
  loop
    if one.kind = 'thin' then
      update private.billing_events as e set due_at = now(), outcome = 'not fetched' where e.event_id = one.event_id;
    else
      perform private.process_billing_event(one.event_id);
    end if;
  end loop;
  return case when is_erased then 'erased user' else 'applied' end;
end
$$;
revoke execute on function private.bind_customer(private.billing_events, jsonb) from public;

-- Applies an event, and gives the outcome.
create function private.apply_billing_event(event private.billing_events) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  type constant text := regexp_replace(event.type, '^v1[.]', '');
  object constant jsonb := case event.kind when 'thin' then event.fetched else event.payload #> '{data,object}' end;
begin
  if event.kind = 'thin' and event.fetched is null then
    return case when event.path is null then 'ignored' else 'not fetched' end;
  elsif jsonb_typeof(object) is distinct from 'object' then
    return 'odd shape';
  elsif type in ('checkout.session.completed', 'checkout.session.async_payment_succeeded') then
    return private.bind_customer(event, object);
  elsif type like 'customer.subscription.%' then
    return private.apply_subscription(event, type, object);
  elsif type like 'invoice.%' then
    return private.apply_invoice(event, type, object);
  end if;
  return 'ignored';
end
$$;
revoke execute on function private.apply_billing_event(private.billing_events) from public;

-- migrate:down
drop function private.apply_billing_event(private.billing_events);
drop function private.bind_customer(private.billing_events, jsonb);
drop function private.apply_invoice(private.billing_events, text, jsonb);
drop function private.apply_subscription(private.billing_events, text, jsonb);
drop function private.notify_of_billing(private.billing_events, text, jsonb, uuid);
drop function private.billing_follows(jsonb, jsonb);
drop function private.billing_rank(text, jsonb);
