-- 0362: Stripe's objects. Reads ids, times, amounts and the items of subscriptions, in the forms of Stripe's API versions up to
-- 2026-10-28.endive.
-- migrate:up
-- One of Stripe's ids, given as a text or as the object itself; null if it is neither.
create function private.stripe_id(value jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  id constant text := case jsonb_typeof(value)
    when 'string' then value #>> '{}'
    when 'object' then case when jsonb_typeof(value -> 'id') = 'string' then value ->> 'id' end
  end;
begin
  return case when id ~ '^[A-Za-z0-9_.-]{1,200}$' then id end;
end
$$;
revoke execute on function private.stripe_id(jsonb) from public;

-- A time: seconds since 1970, or ISO 8601 as thin events have it; null if it is neither.
create function private.stripe_time(value jsonb) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case
    when value #>> '{}' ~ '^[0-9]{1,11}$' then to_timestamp((value #>> '{}')::float8)
    when jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}(Z|[+-][0-9]{2}:[0-9]{2})$'
      then (value #>> '{}')::timestamptz
  end;
exception
  when data_exception then
    return null;
end
$$;
revoke execute on function private.stripe_time(jsonb) from public;

-- A whole number of a size that money has; null if it is not one.
create function private.stripe_number(value jsonb) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when jsonb_typeof(value) = 'number' then
      case when value::numeric between -1e15 and 1e15 and value::numeric = trunc(value::numeric) then value::numeric::bigint end
  end;
end
$$;
revoke execute on function private.stripe_number(jsonb) from public;

-- The items of a subscription, one row each: {price, unit_amount, quantity, currency, interval, interval_count, name, starts, ends}. Until
-- March 2025 the subscription had the period; before there were items, it had one plan.
create function private.stripe_items(subscription jsonb) returns setof jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return query
  select jsonb_build_object(
    'price', private.stripe_id(p.price),
    'unit_amount', case when p.price #>> '{recurring,usage_type}' = 'metered' or p.price ->> 'usage_type' = 'metered' then null
      else private.stripe_number(coalesce(p.price -> 'unit_amount', p.price -> 'amount')) end,
    'quantity', coalesce(private.stripe_number(i.item -> 'quantity'), 1),
    'currency', coalesce(p.price ->> 'currency', subscription ->> 'currency'),
    'interval', coalesce(p.price #>> '{recurring,interval}', p.price ->> 'interval'),
    'interval_count', coalesce(private.stripe_number(p.price #> '{recurring,interval_count}'), private.stripe_number(p.price -> 'interval_count'), 1),
    'name', coalesce(p.price ->> 'nickname', p.price #>> '{product,name}'),
    'starts', coalesce(private.stripe_time(i.item -> 'current_period_start'), private.stripe_time(subscription -> 'current_period_start')),
    'ends', coalesce(private.stripe_time(i.item -> 'current_period_end'), private.stripe_time(subscription -> 'current_period_end'))
  )
  from jsonb_array_elements(case
    when jsonb_typeof(subscription #> '{items,data}') = 'array' and subscription #> '{items,data}' <> '[]' then subscription #> '{items,data}'
    else jsonb_build_array(jsonb_build_object('plan', subscription -> 'plan', 'quantity', subscription -> 'quantity'))
  end) with ordinality as i (item, place)
  cross join lateral (select coalesce(nullif(i.item -> 'price', 'null'), i.item -> 'plan') as price) as p
  where jsonb_typeof(i.item) = 'object'
  order by i.place;
end
$$;
revoke execute on function private.stripe_items(jsonb) from public;

-- The subscription of an invoice; in older versions it stands in the invoice itself. Null if the invoice is for none.
create function private.stripe_subscription_of(invoice jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return coalesce(
    private.stripe_id(invoice #> '{parent,subscription_details,subscription}'),
    private.stripe_id(invoice -> 'subscription'),
    private.stripe_id(invoice #> '{lines,data,0,parent,subscription_item_details,subscription}'),
    private.stripe_id(invoice #> '{lines,data,0,subscription}')
  );
end
$$;
revoke execute on function private.stripe_subscription_of(jsonb) from public;

-- migrate:down
drop function private.stripe_subscription_of(jsonb);
drop function private.stripe_items(jsonb);
drop function private.stripe_number(jsonb);
drop function private.stripe_time(jsonb);
drop function private.stripe_id(jsonb);
