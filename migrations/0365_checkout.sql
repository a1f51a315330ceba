-- 0365: checkout. What the edge needs to open Stripe's checkout and portal for a user.
-- migrate:up
-- What the edge needs to open a checkout session for the caller: {user_id, price, customer, email, key}.
create function flashfusion.checkout_reference(price text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  operation constant text := 'flashfusion.checkout_reference';
  caller constant flashfusion.users := private.flashfusion_caller();
  answer jsonb;
begin
  perform private.refuse_erased(caller.id);
  if not exists (select from private.price_tiers as p where p.price_id = checkout_reference.price and p.is_offered) then
    perform private.refuse(422, 'RG620', 'There is no such price', null, 'Send a price that this site offers.');
  end if;
  if exists (select from flashfusion.billing as b where b.user_id = caller.id and b.status = any (private.entitling_statuses())) then
    perform private.refuse(409, 'RG623', 'You have a subscription', null, 'Change it in the portal: POST /v1/billing/portal.');
  end if;
  answer := private.idempotency_begin(operation, jsonb_build_object('price', checkout_reference.price));
  if answer is not null then
    return answer;
  end if;
  answer := jsonb_build_object(
    'user_id', caller.id, 'price', checkout_reference.price, 'email', caller.email,
    'customer', (
      select c.stripe_customer_id from private.billing_customers as c where c.user_id = caller.id order by c.created_at desc limit 1
    ),
    -- Stripe's keys are one set for the whole account, those of callers one for each.
    'key', encode(sha256(convert_to(format(
      '%s checkout %s', caller.id, coalesce(private.request_header('idempotency-key'), pg_catalog.gen_random_uuid()::text)
    ), 'UTF8')), 'hex')
  );
  perform private.idempotency_end(operation, answer);
  return answer;
end
$$;
comment on function flashfusion.checkout_reference(text) is
  'What the edge needs to open a checkout session for the caller. Definer: the edge has no right on any table.';
revoke execute on function flashfusion.checkout_reference(text) from public;
grant execute on function flashfusion.checkout_reference(text) to edge;

-- What the edge needs to open the customer portal for the caller: {customer}. Two checkouts that were open at the same time make two
-- customers. First comes one with a subscription that is still active, then one whose subscription ends with its period, then the newest.
create function flashfusion.portal_reference() returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant flashfusion.users := private.flashfusion_caller();
  customer text;
begin
  perform private.refuse_erased(caller.id);
  select c.stripe_customer_id into customer
  from private.billing_customers as c
  left join flashfusion.billing as b
    on b.stripe_customer_id = c.stripe_customer_id and b.user_id = caller.id and b.status = any (private.entitling_statuses())
  where c.user_id = caller.id
  order by b.id is null, b.cancel_at_period_end, c.created_at desc
  limit 1;
  if customer is null then
    perform private.refuse(409, 'RG621', 'You have bought nothing yet', null, 'Open a checkout first: POST /v1/billing/checkout.');
  end if;
  return jsonb_build_object('customer', customer);
end
$$;
comment on function flashfusion.portal_reference() is
  'What the edge needs to open the customer portal for the caller. Definer: the edge has no right on any table.';
revoke execute on function flashfusion.portal_reference() from public;
grant execute on function flashfusion.portal_reference() to edge;

-- migrate:down
drop function flashfusion.portal_reference();
drop function flashfusion.checkout_reference(text);
