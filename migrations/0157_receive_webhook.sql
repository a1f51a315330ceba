-- 0157: receive webhook. Takes a delivery of Meta's webhook from the edge, which has checked its signature.
-- migrate:up
-- Takes one delivery of Meta's webhook.
create function whatsapp.receive_webhook(payload jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  items private.webhook_inbox[];
  keys text[];
  stored bigint;
  applied bigint;
  outdated bigint := 0;
  touched text[];
  sent_by text[];
  sent_at timestamptz[];
  waiting bigint[];
begin
  if jsonb_typeof(payload) is distinct from 'object' or jsonb_typeof(payload -> 'entry') is distinct from 'array'
    or coalesce(payload ->> 'object', 'whatsapp_business_account') <> 'whatsapp_business_account' then
    perform private.refuse(
      400, 'RG560', 'This is no webhook of a WhatsApp business account', null,
      'Send what Meta sends: {"object": "whatsapp_business_account", "entry": [...]}.'
    );
  end if;
  -- Meta sends at most 3 MB and 1000 changes, and repeats a delivery until it is accepted: these limits are for what it never
  -- sends. As text of jsonb a delivery is longer.
  if octet_length(payload::text) > 16777216 then
    perform private.refuse(413, 'RG561', 'The webhook is too large', 'At most 3 MB', 'Send less at once.');
  end if;
  select array_agg(i), array_agg(i.dedupe_key) into items, keys from private.whatsapp_items(payload) as i;
  if cardinality(items) > 5000 then
    perform private.refuse(413, 'RG562', 'The webhook has too many changes', 'At most 5000', 'Send fewer at once.');
  end if;

  -- In the order of the keys: of two deliveries with common changes one waits for the other, and they cannot deadlock.
  with new_items as (
    insert into private.webhook_inbox as w (
      source, dedupe_key, happened_at, field, event, business_account_id, phone_number_id, people, payload, outcome, applied_at,
      attempts
    )
    select i.source, i.dedupe_key, i.happened_at, i.field, i.event, i.business_account_id, i.phone_number_id, i.people, i.payload,
      case
        when i.outcome is not null then i.outcome
        when i.field is distinct from 'messages' then null
        when a.id is not null then 'applied'
        when i.phone_number_id is not null then 'unknown account'
        else 'odd shape'
      end,
      case when a.id is not null then now() end,
      case when i.field = 'messages' then 1 else 0 end
    from unnest(items) as i
    left join whatsapp.accounts as a on a.is_verified and a.phone_number_id = i.phone_number_id and i.field = 'messages'
    order by i.dedupe_key
    on conflict on constraint webhook_inbox_source_dedupe_key do nothing
    returning w.id, w.dedupe_key, w.event, w.phone_number_id, w.happened_at, w.outcome
  )
  select
    count(*), count(*) filter (where n.outcome = 'applied'),
    array_agg(distinct n.phone_number_id) filter (where n.outcome = 'applied'),
    array_agg(n.phone_number_id order by n.id) filter (where n.outcome = 'applied' and n.event = 'sent'),
    array_agg(n.happened_at order by n.id) filter (where n.outcome = 'applied' and n.event = 'sent'),
    array_agg(n.id order by k.position) filter (where n.outcome is null)
  into stored, applied, touched, sent_by, sent_at, waiting
  from new_items as n
  inner join (
    select given.key, min(given.position) as position from unnest(keys) with ordinality as given (key, position) group by given.key
  ) as k on k.key = n.dedupe_key;

  if touched is not null then
    perform a.id from whatsapp.accounts as a
    where a.is_verified and a.phone_number_id = any (touched)
    order by a.id
    for no key update;
    -- The counter is for the latest day on which messages were sent; a late status of an earlier day does not bring that day
    -- back.
    update whatsapp.accounts as a set
      last_webhook_at = greatest(a.last_webhook_at, now()),
      messages_sent_today = case
        when day.sent_on > (a.last_message_sent_at at time zone 'UTC')::date
          or (day.sent_on is not null and a.last_message_sent_at is null) then day.messages
        when day.sent_on = (a.last_message_sent_at at time zone 'UTC')::date then a.messages_sent_today + day.messages
        else a.messages_sent_today
      end,
      last_message_sent_at = greatest(a.last_message_sent_at, day.last_at)
    from unnest(touched) as t (phone_number_id)
    left join (
      select distinct on (s.phone_number_id)
        s.phone_number_id, (s.at at time zone 'UTC')::date as sent_on, count(*) as messages, max(s.at) as last_at
      from unnest(sent_by, sent_at) as s (phone_number_id, at)
      group by 1, 2
      order by 1, 2 desc
    ) as day on day.phone_number_id = t.phone_number_id
    where a.is_verified and a.phone_number_id = t.phone_number_id;
  end if;

  if waiting is not null then
    perform private.apply_webhooks(waiting);
    select applied + count(*) filter (where i.outcome = 'applied'), count(*) filter (where i.outcome = 'outdated')
    into applied, outdated
    from private.webhook_inbox as i
    where i.id = any (waiting);
  end if;

  return jsonb_build_object(
    'stored', stored, 'repeated', coalesce(cardinality(items), 0) - stored, 'applied', applied, 'outdated', outdated,
    'unknown', stored - applied - outdated
  );
end
$$;
comment on function whatsapp.receive_webhook(jsonb) is
  'Takes one delivery of Meta''s webhook: stores each change once, applies it, and returns the counts. Definer: the edge, which has checked Meta''s signature, has no right on any table.';
revoke execute on function whatsapp.receive_webhook(jsonb) from public;
grant execute on function whatsapp.receive_webhook(jsonb) to edge;

-- Whether a verify token is that of an active account. Only staff can have set its hash.
create function whatsapp.verify_token_fits(token text) returns boolean
  language sql stable security definer
  set search_path = ''
  as $$
select coalesce(octet_length(token) between 1 and 1024, false) and exists (
  select from whatsapp.accounts as a
  where a.is_active and a.webhook_verify_token_hash = (select sha256(convert_to(token, 'UTF8')))
)
$$;
comment on function whatsapp.verify_token_fits(text) is
  'Whether Meta''s verify token is that of an active account. Definer: the edge has no right on the table, and learns nothing else.';
revoke execute on function whatsapp.verify_token_fits(text) from public;
grant execute on function whatsapp.verify_token_fits(text) to edge;

-- migrate:down
drop function whatsapp.verify_token_fits(text);
drop function whatsapp.receive_webhook(jsonb);
