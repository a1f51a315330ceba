-- 0161: what Meta's webhook says of WhatsApp accounts. Every message, status and change is kept once in an inbox and applied to the
-- accounts that staff have verified. What cannot be applied is kept with the reason: Meta repeats whatever is not answered with 200.
-- migrate:up
create table private.webhook_inbox (
  id                  bigint generated always as identity constraint webhook_inbox_pkey primary key,
  source              text not null,
  dedupe_key          text not null,
  received_at         timestamptz not null default now(),
  happened_at         timestamptz not null,
  field               text,
  event               text,
  business_account_id text,
  phone_number_id     text,
  people              text[] not null default '{}',
  payload             jsonb not null,
  applied_at          timestamptz,
  outcome             text,
  attempts            bigint not null default 0,
  constraint webhook_inbox_source check (source in ('whatsapp')),
  -- Two deliveries of the same at once: the second waits here for the first.
  constraint webhook_inbox_source_dedupe_key unique (source, dedupe_key),
  constraint webhook_inbox_dedupe_key check (char_length(dedupe_key) between 1 and 500),
  constraint webhook_inbox_outcome check (char_length(outcome) <= 500)
);
comment on table private.webhook_inbox is
  'What webhooks said, whole, whatever we make of it. Messages are personal data: private.clean_webhook_inbox deletes them, after 30 days.';
comment on column private.webhook_inbox.happened_at is 'When the sender says it happened, never later than it came.';
comment on column private.webhook_inbox.people is
  'Phone numbers, in digits, and WhatsApp user ids in the payload: how a person''s rows are found again to be erased.';
comment on column private.webhook_inbox.outcome is
  'applied; outdated (something newer had come); or why nothing came of it. Null: not tried.';
create index webhook_inbox_received_at on private.webhook_inbox (received_at);
-- Without a pending list, whose emptying would make one delivery in thousands slow.
create index webhook_inbox_people on private.webhook_inbox using gin (people) with (fastupdate = off);
-- What is applied to an account that is verified later.
create index webhook_inbox_business on private.webhook_inbox (business_account_id, id) where field <> 'messages';
alter table private.webhook_inbox enable row level security;
alter table private.webhook_inbox force row level security;

-- Events may come late and out of order: an older one must not undo a newer one of its kind, but says something new if the newer
-- one was of another kind.
create table private.whatsapp_clocks (
  account_id  uuid not null constraint whatsapp_clocks_account references whatsapp.accounts on delete cascade,
  subject     uuid not null, -- the account, or one of its templates
  kind        text not null,
  happened_at timestamptz not null,
  constraint whatsapp_clocks_pkey primary key (account_id, subject, kind)
);
comment on table private.whatsapp_clocks is 'When the latest event of each kind happened that was applied to an account or a template.';
alter table private.whatsapp_clocks enable row level security;
alter table private.whatsapp_clocks force row level security;

-- Whether an event of this kind is no older than what was applied before; notes it if so. Of two in one second the later one to
-- come counts.
create function private.whatsapp_is_news(account_id uuid, subject uuid, kind text, happened_at timestamptz) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into private.whatsapp_clocks as c (account_id, subject, kind, happened_at)
  values (whatsapp_is_news.account_id, whatsapp_is_news.subject, whatsapp_is_news.kind, whatsapp_is_news.happened_at)
  on conflict on constraint whatsapp_clocks_pkey do update
    set happened_at = excluded.happened_at
    where c.happened_at <= excluded.happened_at;
  return found;
end
$$;

-- A time in seconds (or milliseconds) since 1970, as number or text; null where it is none.
create function private.webhook_time(said jsonb) returns timestamptz
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when said #>> '{}' ~ '^[0-9]{9,10}$' then to_timestamp((said #>> '{}')::float8)
    when said #>> '{}' ~ '^[0-9]{12,13}$' then to_timestamp((said #>> '{}')::float8 / 1000)
  end;
end
$$;

-- A text, cut to a length; null where it is no text or blank.
create function private.webhook_text(said jsonb, most int) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) = 'string' then nullif(left(btrim(said #>> '{}'), most), '') end;
end
$$;

-- One of Meta's words, such as APPROVED; null where it is none.
create function private.webhook_word(said jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) = 'string' and said #>> '{}' ~ '^[A-Za-z0-9_]{1,64}$' then upper(said #>> '{}') end;
end
$$;

-- An id of Meta's: digits, as text or number.
create function private.webhook_id(said jsonb) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case when jsonb_typeof(said) in ('string', 'number') and said #>> '{}' ~ '^[0-9]{1,32}$' then said #>> '{}' end;
end
$$;

-- Who is named in a payload: by phone number, as digits, or by a WhatsApp user id, such as DE.1502576394655843. It reads the text,
-- in which a quote within a value is never bare; a path through every object took three times as long.
create function private.webhook_people(payload jsonb) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return array(
    select named.who[1]
    from regexp_matches(
      payload::text,
      '"(?:from|to|wa_id|recipient_id|recipient_participant_id|phone_number|user_id|from_user_id|to_user_id|recipient_user_id)"'
        || ': "[+]?([0-9]+|[A-Z][A-Z][.][A-Za-z0-9.]+)"',
      'g'
    ) as named (who)
    where char_length(named.who[1]) between 5 and 150
    union
    -- A chat's thread has the number of whom it is with as its id.
    select thread.id #>> '{}'
    from jsonb_path_query(payload, '$.value.history[*].threads[*].id', silent => true) as thread (id)
    where thread.id #>> '{}' ~ '^[0-9]{5,20}$'
  );
end
$$;

-- Every message, status and other change of a delivery as a draft of the inbox, at most one more than may be stored. Messages and
-- statuses are one row each, since each may come again in other company; what else their change says is kept with the first.
create function private.whatsapp_items(payload jsonb) returns setof private.webhook_inbox
  language plpgsql stable
  set search_path = ''
  -- The planner takes every array for a long one, and would compile.
  set jit = off
  as $$
begin
  return query
  with changes as (
    select
      entry.ordinality as entry_number, change.ordinality as change_number,
      entry.value -> 'id' as entry_id, entry.value -> 'time' as entry_time, change.value as change,
      coalesce(change.value ->> 'field', change.value #>> '{value,field}', entry.value ->> 'field') as field,
      change.value -> 'value' as value,
      case when jsonb_typeof(change.value #> '{value,messages}') = 'array' then change.value #> '{value,messages}' else '[]' end
        as messages,
      case when jsonb_typeof(change.value #> '{value,statuses}') = 'array' then change.value #> '{value,statuses}' else '[]' end
        as statuses
    from jsonb_array_elements(payload -> 'entry') with ordinality as entry,
      -- An entry of another shape is kept as if it were a change.
      jsonb_array_elements(
        case when jsonb_typeof(entry.value -> 'changes') = 'array' then entry.value -> 'changes'
          else jsonb_build_array(entry.value) end
      ) with ordinality as change
  ),
  items as (
    select c.*, item.kind, item.value as item,
      item.ordinality = 1 and (item.kind = 'messages' or c.messages = '[]') as is_first
    from changes as c, lateral (
      select 'messages' as kind, m.value, m.ordinality
      from jsonb_array_elements(c.messages) with ordinality as m
      union all
      select 'statuses', s.value, s.ordinality
      from jsonb_array_elements(c.statuses) with ordinality as s
    ) as item
    where c.field = 'messages'
    union all
    select c.*, null, null, true
    from changes as c
    where c.field is distinct from 'messages' or (c.messages = '[]' and c.statuses = '[]')
  ),
  named as (
    select i.*,
      case when i.kind is not null and char_length(i.item ->> 'id') between 1 and 200 then i.item ->> 'id' end as message_id,
      case
        when i.kind is null then i.change
        when i.is_first then i.change || jsonb_build_object(
          'value', (i.value - 'messages' - 'statuses') || jsonb_build_object(i.kind, jsonb_build_array(i.item))
        )
        else jsonb_build_object('field', i.field, 'value', jsonb_build_object(
          'metadata', jsonb_build_object('phone_number_id', left(i.value #>> '{metadata,phone_number_id}', 100)),
          i.kind, jsonb_build_array(i.item)
        ))
      end as kept
    from items as i
  )
  select
    null::bigint, 'whatsapp',
    case
      -- A message that goes to a group has a status for each who is in it.
      when n.message_id is not null and n.kind = 'statuses' then concat_ws(
        ' ', n.message_id, left(n.item ->> 'status', 64), left(n.item ->> 'recipient_participant_id', 150)
      )
      when n.message_id is not null then n.message_id
      else encode(sha256(convert_to(
        jsonb_build_array(n.entry_id, n.entry_time, coalesce(n.item, n.change))::text, 'UTF8'
      )), 'hex')
    end,
    now(),
    least(now(), coalesce(
      private.webhook_time(n.item -> 'timestamp'), private.webhook_time(n.entry_time), now()
    )),
    left(n.field, 100),
    left(case
      when n.kind = 'messages' then 'message'
      when n.kind = 'statuses' then n.item ->> 'status'
      else coalesce(n.value ->> 'event', n.value ->> 'decision')
    end, 100),
    -- What is told to a partner has the partner's id in the entry.
    private.webhook_id(coalesce(n.value #> '{waba_info,waba_id}', n.entry_id)),
    private.webhook_id(n.value #> '{metadata,phone_number_id}'),
    private.webhook_people(n.kept),
    n.kept,
    null::timestamptz, null::text, 0::bigint
  from named as n
  limit 1001;
end
$$;

-- What a tier allows a day: TIER_250 is 250, TIER_2K is 2000; null where it is unlimited, not set, or none.
create function private.whatsapp_tier_limit(tier text) returns bigint
  language sql immutable
  set search_path = ''
  as $$
select number[1]::bigint * case number[2] when 'K' then 1000 when 'M' then 1000000 else 1 end
from regexp_match(tier, '^TIER_([0-9]{1,9})([KM]?)$') as number
$$;

-- A tier, which Meta says as such (TIER_2K) or as its number (2000, -1 for none); null where it is neither.
create function private.whatsapp_tier(said jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
    when text ~ '^TIER_[A-Z0-9_]{1,58}$' then text
    when text = '-1' then 'TIER_UNLIMITED'
    when text ~ '^[1-9][0-9]{0,5}000$' then 'TIER_' || left(text, -3) || 'K'
    when text ~ '^[0-9]{1,9}$' then 'TIER_' || text
  end
from (select upper(said #>> '{}') as text where jsonb_typeof(said) in ('string', 'number')) as given
$$;

-- Buttons as Meta's API writes them, of those in its webhook: message_template_button_url is url.
create function private.whatsapp_buttons(said jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_agg(button.fields order by button.position)
from (
  select b.ordinality as position, (
    select jsonb_object_agg(replace(f.key, 'message_template_button_', ''), f.value) from jsonb_each(b.value) as f
  ) as fields
  from jsonb_array_elements(said) with ordinality as b
  where jsonb_typeof(b.value) = 'object'
) as button
where button.fields is not null
$$;

-- A template's components after an edit: new texts, and of the old ones what a webhook does not tell.
create function private.whatsapp_components(template whatsapp.templates) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_agg(part.value order by part.position), '[]')
from (
  select 1 as position, jsonb_build_object('type', 'HEADER', 'format', 'TEXT', 'text', template.header_content) as value
  where template.header_type = 'TEXT'
  union all
  select 2, jsonb_build_object('type', 'BODY', 'text', template.body_text) where template.body_text is not null
  union all
  select 3, jsonb_build_object('type', 'FOOTER', 'text', template.footer_text) where template.footer_text is not null
  union all
  select 4, jsonb_build_object('type', 'BUTTONS', 'buttons', template.buttons) where template.buttons <> '[]'
  union all
  select case when old.value ->> 'type' = 'HEADER' then 0 else 5 end, old.value
  from jsonb_array_elements(template.components) as old
  where coalesce(old.value ->> 'type', '') <> all (array['BODY', 'FOOTER', 'BUTTONS'])
    and not (old.value ->> 'type' = 'HEADER' and (template.header_type = 'TEXT' or old.value ->> 'format' = 'TEXT'))
) as part
$$;

-- Applies what a change says of a template to that template of each verified account of the business: its status, category, quality,
-- texts, whichever it has, and whatever field it came in. One made in Meta's own manager is not known here, and is added.
create function private.apply_template_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  said constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  said_id constant text := private.webhook_id(said -> 'message_template_id');
  said_name constant text := substring(left(said ->> 'message_template_name', 513) from '^[a-z0-9_]+$');
  said_language constant text := substring(
    replace(said ->> 'message_template_language', '-', '_') from '^[A-Za-z]{2,3}(?:_[A-Za-z0-9]{2,8}){0,2}$'
  );
  said_status constant text := private.webhook_word(said -> 'event');
  said_category constant text := coalesce(
    private.webhook_word(said -> 'new_category'), private.webhook_word(said -> 'message_template_category')
  );
  said_quality constant text := private.webhook_word(said -> 'new_quality_score');
  says_texts constant boolean := said ? 'message_template_element';
  is_gone constant boolean := coalesce(said_status in ('DELETED', 'PENDING_DELETION'), false);
  account uuid;
  template whatsapp.templates;
  now_ whatsapp.templates;
  outcome text := 'unknown account';
begin
  if (said_id is null and (said_name is null or said_language is null)) or char_length(said_name) > 512
    or (coalesce(said_status, said_category, said_quality) is null and not says_texts) then
    return 'odd shape';
  end if;

  for account in
    select a.id from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = change.business_account_id and a.id = coalesce(only_account, a.id)
    order by a.id
  loop
    select t.* into template from whatsapp.templates as t where t.account_id = account and t.whatsapp_template_id = said_id;
    if template.id is null then
      select t.* into template
      from whatsapp.templates as t
      where t.account_id = account and t.template_name = said_name and t.language = said_language;
      -- A name can be used again when its template is gone: what is still said of the old one is not the new one's.
      if (template.whatsapp_template_id <> said_id and (is_gone or at <= template.last_event_at))
        or (is_gone and template.status = 'DRAFT') then
        outcome := case outcome when 'applied' then outcome else 'outdated' end;
        continue;
      end if;
    end if;
    if template.id is null and (is_gone or said_name is null or said_language is null) then
      outcome := case outcome when 'unknown account' then 'unknown template' else outcome end;
      continue;
    end if;
    if template.id is null then
      insert into whatsapp.templates as t (account_id, template_name, language, status, whatsapp_template_id)
      values (account, said_name, said_language, 'UNKNOWN', said_id)
      -- The owner has drafted it this moment.
      on conflict on constraint templates_account_name_language do update set whatsapp_template_id = said_id
      returning t.* into template;
    end if;

    now_ := template;
    now_.whatsapp_template_id := coalesce(said_id, template.whatsapp_template_id);
    if said_status is not null and private.whatsapp_is_news(account, template.id, 'status', at) then
      now_.status := said_status;
      now_.rejected_reason := nullif(private.webhook_text(said -> 'reason', 500), 'NONE');
    end if;
    if said_category is not null and private.whatsapp_is_news(account, template.id, 'category', at) then
      now_.category := said_category;
      now_.previous_category := coalesce(private.webhook_word(said -> 'previous_category'), template.previous_category);
    end if;
    if said_quality is not null and private.whatsapp_is_news(account, template.id, 'quality', at) then
      now_.quality_score := said_quality;
    end if;
    if says_texts and private.whatsapp_is_news(account, template.id, 'texts', at) then
      now_.body_text := private.webhook_text(said -> 'message_template_element', 4096);
      now_.footer_text := private.webhook_text(said -> 'message_template_footer', 1000);
      -- Only a header of text is told, and only buttons that lead somewhere.
      if said ? 'message_template_title' then
        now_.header_type := 'TEXT';
        now_.header_content := private.webhook_text(said -> 'message_template_title', 2000);
      elsif template.header_type = 'TEXT' then
        now_.header_type := null;
        now_.header_content := null;
      end if;
      now_.buttons := coalesce(
        case when jsonb_typeof(said -> 'message_template_buttons') = 'array' then
          private.whatsapp_buttons(said -> 'message_template_buttons') end,
        (
          select jsonb_agg(b.value order by b.ordinality)
          from jsonb_array_elements(template.buttons) with ordinality as b
          where coalesce(b.value ->> 'type', '') <> all (array['URL', 'PHONE_NUMBER'])
        ),
        '[]'
      );
      now_.components := private.whatsapp_components(now_);
    end if;

    if now_ is not distinct from template and at <= template.last_event_at then
      outcome := case outcome when 'applied' then outcome else 'outdated' end;
      continue;
    end if;
    update whatsapp.templates as t set
      whatsapp_template_id = now_.whatsapp_template_id, status = now_.status, rejected_reason = now_.rejected_reason,
      category = now_.category, previous_category = now_.previous_category, quality_score = now_.quality_score,
      body_text = now_.body_text, footer_text = now_.footer_text, header_type = now_.header_type,
      header_content = now_.header_content, buttons = now_.buttons, components = now_.components,
      last_event_at = greatest(template.last_event_at, at)
    where t.id = template.id;
    outcome := 'applied';
  end loop;
  return outcome;
end
$$;

-- Applies what a change says of a business account, or of one number of it, to its verified accounts.
create function private.apply_account_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  said constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  event constant text := private.webhook_word(said -> 'event');
  decision constant text := private.webhook_word(said -> 'decision');
  -- The number it is about; null where it is about all of the business's.
  number constant text := regexp_replace(
    left(coalesce(said ->> 'display_phone_number', said ->> 'phone_number'), 100), '[^0-9]', '', 'g'
  );
  -- Since February 2026 the limit is the business's; before, the number's.
  tier constant text := coalesce(
    private.whatsapp_tier(said -> 'max_daily_conversations_per_business'),
    private.whatsapp_tier(said -> 'max_daily_conversation_per_phone'),
    private.whatsapp_tier(said -> 'current_limit')
  );
  tier_of_all constant boolean := private.whatsapp_tier(said -> 'max_daily_conversations_per_business') is not null;
  standing text;
  quality text;
  throughput text;
  name_status text;
  account whatsapp.accounts;
  now_ whatsapp.accounts;
  is_meant boolean;
  outcome text := 'unknown account';
begin
  case change.field
    when 'phone_number_quality_update' then
      throughput := case event when 'THROUGHPUT_UPGRADE' then 'HIGH' end;
      -- No longer low; which of the others it is now is not said.
      quality := case event when 'FLAGGED' then 'RED' when 'UNFLAGGED' then 'UNKNOWN' end;
    when 'phone_number_name_update' then
      name_status := decision;
    when 'account_review_update' then
      standing := decision;
    when 'account_update' then
      standing := case
        when event = 'DISABLED_UPDATE' then coalesce(private.webhook_word(said #> '{ban_info,waba_ban_state}'), event)
        when event = 'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE' then
          private.webhook_word(said #> '{partner_client_certification_info,status}')
        when event in (
          'VERIFIED_ACCOUNT', 'ACCOUNT_VIOLATION', 'ACCOUNT_RESTRICTION', 'ACCOUNT_DELETED', 'ACCOUNT_OFFBOARDED',
          'ACCOUNT_RECONNECTED'
        ) then event
      end;
    else
      null;
  end case;
  if number = '' then
    return 'odd shape';
  end if;
  if coalesce(standing, quality, throughput, name_status, tier) is null then
    return 'nothing to apply';
  end if;

  for account in
    select a.* from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = change.business_account_id and a.id = coalesce(only_account, a.id)
    order by a.id
  loop
    is_meant := number is null or number = regexp_replace(account.phone_number, '[^0-9]', '', 'g');
    continue when not (is_meant or tier_of_all);
    outcome := case outcome when 'applied' then outcome else 'outdated' end;
    now_ := account;
    if tier is not null and private.whatsapp_is_news(account.id, account.id, 'tier', at) then
      now_.messaging_limit_tier := tier;
      now_.messages_limit_daily := private.whatsapp_tier_limit(tier);
      outcome := 'applied';
    end if;
    if is_meant and throughput is not null and private.whatsapp_is_news(account.id, account.id, 'throughput', at) then
      now_.throughput_level := throughput;
      outcome := 'applied';
    end if;
    if is_meant and quality is not null and private.whatsapp_is_news(account.id, account.id, 'quality', at) then
      now_.quality_rating := quality;
      outcome := 'applied';
    end if;
    if is_meant and standing is not null and private.whatsapp_is_news(account.id, account.id, 'standing', at) then
      now_.verification_status := standing;
      outcome := 'applied';
    end if;
    if is_meant and name_status is not null and private.whatsapp_is_news(account.id, account.id, 'name', at) then
      now_.name_status := name_status;
      -- What people now see in WhatsApp.
      if name_status = 'APPROVED' then
        now_.display_name := coalesce(private.webhook_text(said -> 'requested_verified_name', 200), account.display_name);
      end if;
      outcome := 'applied';
    end if;
    if now_ is distinct from account then
      update whatsapp.accounts as a set
        messaging_limit_tier = now_.messaging_limit_tier, messages_limit_daily = now_.messages_limit_daily,
        throughput_level = now_.throughput_level, quality_rating = now_.quality_rating,
        verification_status = now_.verification_status, name_status = now_.name_status, display_name = now_.display_name
      where a.id = account.id;
    end if;
  end loop;
  return outcome;
end
$$;

-- Applies changes of the inbox to the verified accounts that they are about, or to one of them only: in the order in which they
-- happened, and those of one second in the order given.
-- One that fails is kept with its error, and the others are applied.
create function private.apply_webhooks(ids bigint[], only_account uuid default null) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  change private.webhook_inbox;
  result text;
begin
  -- Whoever has these has the accounts' templates and clocks, too: in one order, so that nobody waits for each other.
  perform a.id
  from whatsapp.accounts as a
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id in (
    select i.business_account_id from private.webhook_inbox as i where i.id = any (ids)
  )
  order by a.id
  for no key update;

  update whatsapp.accounts as a
  set last_webhook_at = greatest(a.last_webhook_at, heard.at)
  from (
    select i.business_account_id, max(i.received_at) as at from private.webhook_inbox as i where i.id = any (ids) group by 1
  ) as heard
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id = heard.business_account_id;

  for change in
    select i.* from private.webhook_inbox as i where i.id = any (ids) order by i.happened_at, array_position(ids, i.id)
  loop
    begin
      result := case
        when jsonb_typeof(change.payload -> 'value') is distinct from 'object' or change.business_account_id is null
          then 'odd shape'
        when change.field in (
          'message_template_status_update', 'message_template_quality_update', 'message_template_components_update',
          'template_category_update'
        ) then private.apply_template_change(change, only_account)
        when change.field in (
          'phone_number_quality_update', 'phone_number_name_update', 'account_update', 'account_review_update',
          'business_capability_update'
        ) then private.apply_account_change(change, only_account)
        else 'unknown field'
      end;
    exception
      -- What the data is to blame for. Anything else may go well the next time, and Meta comes again.
      when data_exception or integrity_constraint_violation or program_limit_exceeded then
        result := left('failed: ' || sqlstate || ' ' || sqlerrm, 500);
    end;
    update private.webhook_inbox as i set
      outcome = result, attempts = i.attempts + 1, applied_at = case when result = 'applied' then now() end
    where i.id = change.id;
  end loop;
end
$$;

-- Trigger: what came for an account before staff had verified it, as far as it is still there, and but for messages.
create function private.catch_up_account() returns trigger
  language plpgsql
  -- Definer: staff may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
declare
  waiting bigint[];
begin
  if tg_op = 'UPDATE' and old.is_verified then
    return null;
  end if;
  select array_agg(w.id order by w.id) into waiting
  from (
    select i.id from private.webhook_inbox as i
    where i.business_account_id = new.business_account_id and i.field <> 'messages'
    order by i.id desc
    limit 1000
  ) as w;
  if waiting is not null then
    perform private.apply_webhooks(waiting, new.id);
  end if;
  return null;
end
$$;
create trigger accounts_catch_up after insert or update of is_verified on whatsapp.accounts
  for each row when (new.is_verified) execute function private.catch_up_account();

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
  -- Meta sends 3 MB at most; as PostgreSQL writes it there are more spaces.
  if octet_length(payload::text) > 4194304 then
    perform private.refuse(413, 'RG561', 'The webhook is too large', 'At most 3 MB', 'Send less at once.');
  end if;
  select array_agg(i), array_agg(i.dedupe_key) into items, keys from private.whatsapp_items(payload) as i;
  if cardinality(items) > 1000 then
    perform private.refuse(413, 'RG562', 'The webhook has too many changes', 'At most 1000', 'Send fewer at once.');
  end if;

  -- In the order of the keys: of two deliveries that share some, one waits for the other, never both.
  with new_items as (
    insert into private.webhook_inbox as w (
      source, dedupe_key, happened_at, field, event, business_account_id, phone_number_id, people, payload, outcome, applied_at,
      attempts
    )
    select i.source, i.dedupe_key, i.happened_at, i.field, i.event, i.business_account_id, i.phone_number_id, i.people, i.payload,
      case
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
    array_agg(n.id order by array_position(keys, n.dedupe_key)) filter (where n.outcome is null)
  into stored, applied, touched, sent_by, sent_at, waiting
  from new_items as n;

  if touched is not null then
    perform a.id from whatsapp.accounts as a
    where a.is_verified and a.phone_number_id = any (touched)
    order by a.id
    for no key update;
    -- Of the days on which messages were sent the last one counts, and an earlier one never brings back its own.
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
  'Takes one delivery of Meta''s webhook: keeps each change once, applies it, and tells how many. Definer: the edge, which has checked Meta''s signature, has no right on any table.';
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
  'Whether Meta''s verify token is that of an active account. Definer: the edge has no right on the table, and is told nothing else.';
revoke execute on function whatsapp.verify_token_fits(text) from public;
grant execute on function whatsapp.verify_token_fits(text) to edge;

-- Deletes what came before a time, 100,000 rows at most, and gives how many: a job calls it again until there are none.
create function private.clean_webhook_inbox(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from private.webhook_inbox as i
  where i.id in (
    select old.id from private.webhook_inbox as old
    where old.received_at < clean_webhook_inbox.before
    order by old.received_at
    limit 100000
    for update skip locked
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;

-- Ids of what the inbox has of somebody, by phone number in any writing or WhatsApp user id: for whoever erases a person. Messages
-- may name a person by either; who has written under both is found by both.
create function private.webhook_inbox_of_phone(phone text) returns setof bigint
  language sql stable
  set search_path = ''
  as $$
with known as (
  select case
    when phone ~ '^[A-Z]{2}[.][A-Za-z0-9.]{1,140}$' then phone
    when char_length(regexp_replace(phone, '[^0-9]', '', 'g')) between 5 and 20
      -- As people write a foreign number.
      then regexp_replace(regexp_replace(phone, '[^0-9]', '', 'g'), '^00', '')
  end as name
),
names as (
  select k.name from known as k where k.name is not null
  union
  select other.name
  from known as k
  -- Not of a message that shows somebody else's card.
  join private.webhook_inbox as i on i.people @> array[k.name] and i.field = 'messages' and cardinality(i.people) <= 3
    and (i.payload #>> '{value,messages,0,type}') is distinct from 'contacts',
    unnest(i.people) as other (name)
  where other.name ~ '^[A-Z]{2}[.]' or k.name ~ '^[A-Z]{2}[.]'
)
select i.id from private.webhook_inbox as i where i.people && (select coalesce(array_agg(n.name), '{}') from names as n)
$$;

-- migrate:down
drop function private.webhook_inbox_of_phone(text);
drop function private.clean_webhook_inbox(timestamptz);
drop function whatsapp.verify_token_fits(text);
drop function whatsapp.receive_webhook(jsonb);
drop trigger accounts_catch_up on whatsapp.accounts;
drop function private.catch_up_account();
drop function private.apply_webhooks(bigint[], uuid);
drop function private.apply_account_change(private.webhook_inbox, uuid);
drop function private.apply_template_change(private.webhook_inbox, uuid);
drop function private.whatsapp_components(whatsapp.templates);
drop function private.whatsapp_buttons(jsonb);
drop function private.whatsapp_tier(jsonb);
drop function private.whatsapp_tier_limit(text);
drop function private.whatsapp_items(jsonb);
drop function private.webhook_people(jsonb);
drop function private.webhook_id(jsonb);
drop function private.webhook_word(jsonb);
drop function private.webhook_text(jsonb, int);
drop function private.webhook_time(jsonb);
drop function private.whatsapp_is_news(uuid, uuid, text, timestamptz);
drop table private.whatsapp_clocks;
drop table private.webhook_inbox;
