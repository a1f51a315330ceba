-- 0156: webhook changes. Applies changes of the inbox to the verified accounts and their templates.
-- migrate:up
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
from (select upper((said #>> '{}') collate "C") as text where jsonb_typeof(said) in ('string', 'number')) as given
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
