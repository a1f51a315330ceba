-- 0156: webhook changes. Applies changes of the inbox to the verified accounts and their templates.
-- migrate:up
-- Events may be late and out of order: an older one must not undo a newer one of its kind, but still applies if the newer one was
-- of another kind.
create table private.whatsapp_clocks (
  account_id  uuid not null constraint whatsapp_clocks_account references whatsapp.accounts on delete cascade,
  subject     uuid not null, -- the account, or one of its templates
  kind        text not null,
  happened_at timestamptz not null,
  constraint whatsapp_clocks_pkey primary key (account_id, subject, kind)
);
comment on table private.whatsapp_clocks is 'The time of the latest event of each kind that was applied to an account or a template.';

alter table private.whatsapp_clocks enable row level security;
alter table private.whatsapp_clocks force row level security;

-- Whether an event is at least as new as the latest one of its kind; records it if so. Of two events in one second the later
-- arrival counts.
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

-- What a tier allows per day: TIER_250 is 250, TIER_2K is 2000; null if it is unlimited, not set, or unknown.
create function private.whatsapp_tier_limit(tier text) returns bigint
  language sql immutable
  set search_path = ''
  as $$
select number[1]::bigint * case number[2] when 'K' then 1000 when 'M' then 1000000 else 1 end
from regexp_match(tier, '^TIER_([0-9]{1,9})([KM]?)$') as number
$$;

-- A tier, which Meta sends as a name (TIER_2K) or as a number (2000, -1 for unlimited); null if it is neither.
create function private.whatsapp_tier(value jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
    when text ~ '^TIER_[A-Z0-9_]{1,58}$' then text
    when text = '-1' then 'TIER_UNLIMITED'
    when text ~ '^[1-9][0-9]{0,5}000$' then 'TIER_' || left(text, -3) || 'K'
    when text ~ '^[0-9]{1,9}$' then 'TIER_' || text
  end
from (select upper((value #>> '{}') collate "C") as text where jsonb_typeof(value) in ('string', 'number')) as given
$$;

-- Buttons in the form of Meta's API, from those of its webhook: message_template_button_url is url.
create function private.whatsapp_buttons(value jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_agg(button.fields order by button.position)
from (
  select b.ordinality as position, (
    select jsonb_object_agg(replace(f.key, 'message_template_button_', ''), f.value) from jsonb_each(b.value) as f
  ) as fields
  from jsonb_array_elements(value) with ordinality as b
  where jsonb_typeof(b.value) = 'object'
) as button
where button.fields is not null
$$;

-- A template's components after an edit: the new texts, and the old components that a webhook does not contain.
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

-- Applies a change of a template to that template of each verified account of the business: status, category, quality and texts,
-- as far as the change has them, whatever field it came in. A template that was created in Meta's own manager is added.
create function private.apply_template_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  value constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  given_id constant text := private.webhook_id(value -> 'message_template_id');
  given_name constant text := substring(left(value ->> 'message_template_name', 513) from '^[a-z0-9_]+$');
  given_language constant text := substring(
    replace(value ->> 'message_template_language', '-', '_') from '^[A-Za-z]{2,3}(?:_[A-Za-z0-9]{2,8}){0,2}$'
  );
  given_status constant text := private.webhook_word(value -> 'event');
  given_category constant text := coalesce(
    private.webhook_word(value -> 'new_category'), private.webhook_word(value -> 'message_template_category')
  );
  given_quality constant text := private.webhook_word(value -> 'new_quality_score');
  has_texts constant boolean := value ? 'message_template_element';
  is_deleted constant boolean := coalesce(given_status in ('DELETED', 'PENDING_DELETION'), false);
  account uuid;
  template whatsapp.templates;
  now_ whatsapp.templates;
  outcome text := 'unknown account';
begin
  if (given_id is null and (given_name is null or given_language is null)) or char_length(given_name) > 512
    or (coalesce(given_status, given_category, given_quality) is null and not has_texts) then
    return 'odd shape';
  end if;

  for account in
    select a.id from whatsapp.accounts as a
    where a.is_verified and a.business_account_id = change.business_account_id and a.id = coalesce(only_account, a.id)
    order by a.id
  loop
    select t.* into template from whatsapp.templates as t where t.account_id = account and t.whatsapp_template_id = given_id;
    if template.id is null then
      select t.* into template
      from whatsapp.templates as t
      where t.account_id = account and t.template_name = given_name and t.language = given_language;
      -- A deleted template's name can be used again: late events of the old template do not apply to the new one.
      if (template.whatsapp_template_id <> given_id and (is_deleted or at <= template.last_event_at))
        or (is_deleted and template.status = 'DRAFT') then
        outcome := case outcome when 'applied' then outcome else 'outdated' end;
        continue;
      end if;
    end if;
    if template.id is null and (is_deleted or given_name is null or given_language is null) then
      outcome := case outcome when 'unknown account' then 'unknown template' else outcome end;
      continue;
    end if;
    if template.id is null then
      insert into whatsapp.templates as t (account_id, template_name, language, status, whatsapp_template_id)
      values (account, given_name, given_language, 'UNKNOWN', given_id)
      -- The owner may have drafted it meanwhile.
      on conflict on constraint templates_account_name_language do update set whatsapp_template_id = given_id
      returning t.* into template;
    end if;

    now_ := template;
    now_.whatsapp_template_id := coalesce(given_id, template.whatsapp_template_id);
    if given_status is not null and private.whatsapp_is_news(account, template.id, 'status', at) then
      now_.status := given_status;
      now_.rejected_reason := nullif(private.webhook_text(value -> 'reason', 500), 'NONE');
    end if;
    if given_category is not null and private.whatsapp_is_news(account, template.id, 'category', at) then
      now_.category := given_category;
      now_.previous_category := coalesce(private.webhook_word(value -> 'previous_category'), template.previous_category);
    end if;
    if given_quality is not null and private.whatsapp_is_news(account, template.id, 'quality', at) then
      now_.quality_score := given_quality;
    end if;
    if has_texts and private.whatsapp_is_news(account, template.id, 'texts', at) then
      now_.body_text := private.webhook_text(value -> 'message_template_element', 4096);
      now_.footer_text := private.webhook_text(value -> 'message_template_footer', 1000);
      -- The webhook sends only headers of text, and only buttons with a link or a number.
      if value ? 'message_template_title' then
        now_.header_type := 'TEXT';
        now_.header_content := private.webhook_text(value -> 'message_template_title', 2000);
      elsif template.header_type = 'TEXT' then
        now_.header_type := null;
        now_.header_content := null;
      end if;
      now_.buttons := coalesce(
        case when jsonb_typeof(value -> 'message_template_buttons') = 'array' then
          private.whatsapp_buttons(value -> 'message_template_buttons') end,
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

-- Applies a change of a business account, or of one of its numbers, to its verified accounts.
create function private.apply_account_change(change private.webhook_inbox, only_account uuid) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  value constant jsonb := change.payload -> 'value';
  at constant timestamptz := change.happened_at;
  event constant text := private.webhook_word(value -> 'event');
  decision constant text := private.webhook_word(value -> 'decision');
  -- The number that the change is about; null if it is about all numbers of the business.
  number constant text := regexp_replace(
    left(coalesce(value ->> 'display_phone_number', value ->> 'phone_number'), 100), '[^0-9]', '', 'g'
  );
  -- Since February 2026 Meta limits the business; before, each number.
  tier constant text := coalesce(
    private.whatsapp_tier(value -> 'max_daily_conversations_per_business'),
    private.whatsapp_tier(value -> 'max_daily_conversation_per_phone'),
    private.whatsapp_tier(value -> 'current_limit')
  );
  tier_of_all constant boolean := private.whatsapp_tier(value -> 'max_daily_conversations_per_business') is not null;
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
      -- The quality is no longer low; the webhook does not say which other one it is.
      quality := case event when 'FLAGGED' then 'RED' when 'UNFLAGGED' then 'UNKNOWN' end;
    when 'phone_number_name_update' then
      name_status := decision;
    when 'account_review_update' then
      standing := decision;
    when 'account_update' then
      standing := case
        when event = 'DISABLED_UPDATE' then coalesce(private.webhook_word(value #> '{ban_info,waba_ban_state}'), event)
        when event = 'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE' then
          private.webhook_word(value #> '{partner_client_certification_info,status}')
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
      -- The name that people now see in WhatsApp.
      if name_status = 'APPROVED' then
        now_.display_name := coalesce(private.webhook_text(value -> 'requested_verified_name', 200), account.display_name);
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

-- Applies changes of the inbox to the verified accounts that they are about, or to one account only, in the order of their times,
-- and within a second in the order given. A change that fails is stored with its error, and the others are applied.
create function private.apply_webhooks(ids bigint[], only_account uuid default null) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  change private.webhook_inbox;
  result text;
begin
  -- The account's row also guards its templates and clocks. All transactions lock accounts in one order, so they cannot deadlock.
  perform a.id
  from whatsapp.accounts as a
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id in (
    select i.business_account_id from private.webhook_inbox as i where i.id = any (ids)
  )
  order by a.id
  for no key update;

  update whatsapp.accounts as a
  set last_webhook_at = greatest(a.last_webhook_at, arrived.at)
  from (
    select i.business_account_id, max(i.received_at) as at from private.webhook_inbox as i where i.id = any (ids) group by 1
  ) as arrived
  where a.is_verified and a.id = coalesce(only_account, a.id) and a.business_account_id = arrived.business_account_id;

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
      -- Errors of the data. Any other error may be temporary: the delivery fails, and Meta repeats it.
      when data_exception or integrity_constraint_violation or program_limit_exceeded then
        result := left('failed: ' || sqlstate || ' ' || sqlerrm, 500);
    end;
    update private.webhook_inbox as i set
      outcome = result, attempts = i.attempts + 1, applied_at = case when result = 'applied' then now() end
    where i.id = change.id;
  end loop;
end
$$;

-- Trigger: applies what arrived for an account before staff had verified it, as far as it is still stored, except messages.
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

-- migrate:down
drop trigger accounts_catch_up on whatsapp.accounts;
drop function private.catch_up_account();
drop function private.apply_webhooks(bigint[], uuid);
drop function private.apply_account_change(private.webhook_inbox, uuid);
drop function private.apply_template_change(private.webhook_inbox, uuid);
drop function private.whatsapp_components(whatsapp.templates);
drop function private.whatsapp_buttons(jsonb);
drop function private.whatsapp_tier(jsonb);
drop function private.whatsapp_tier_limit(text);
drop function private.whatsapp_is_news(uuid, uuid, text, timestamptz);
drop table private.whatsapp_clocks;
