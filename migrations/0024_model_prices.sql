-- 0024: model prices. What tokens of language models cost, by date, and what a call costs; which model a name means.
-- migrate:up
create table private.model_prices (
  provider             text not null,
  model                text not null,
  effective_from       timestamptz not null,
  speed                text not null default 'standard',
  geo                  text not null default 'global',
  above_tokens         bigint not null default 0,
  input_micro          bigint not null,
  output_micro         bigint not null,
  cache_read_micro     bigint,
  cache_write_micro    bigint,
  cache_write_1h_micro bigint,
  web_search_micro     bigint,
  list                 text not null default 'own',
  constraint model_prices_pkey primary key (provider, model, speed, geo, effective_from, above_tokens),
  constraint model_prices_provider check (provider ~ '^[a-z0-9][a-z0-9._-]{0,59}$'),
  constraint model_prices_model check (char_length(model) between 1 and 200),
  constraint model_prices_speed check (speed ~ '^[a-z][a-z0-9_-]{0,39}$'),
  constraint model_prices_geo check (geo ~ '^[a-z][a-z0-9_-]{0,39}$'),
  constraint model_prices_above_tokens check (above_tokens >= 0),
  -- A million dollars per million tokens: a price in another unit is a mistake.
  constraint model_prices_range check (
    input_micro between 0 and 1000000000000 and output_micro between 0 and 1000000000000
    and cache_read_micro between 0 and 1000000000000 and cache_write_micro between 0 and 1000000000000
    and cache_write_1h_micro between 0 and 1000000000000 and web_search_micro between 0 and 1000000000000
  ),
  constraint model_prices_list check (char_length(list) between 1 and 100)
);
comment on table private.model_prices is
  'Prices in micro-USD per million tokens. Every price is stored and none is derived: multipliers for caches, speeds and places differ between models. `npm run prices` loads them; the operator may insert further ones. A new price is a new row, so that earlier calls keep theirs.';
comment on column private.model_prices.effective_from is
  'Rows of one model, speed and geo with the same time belong together: they replace all earlier ones.';
comment on column private.model_prices.speed is 'standard, or the provider''s name for another service, such as fast, batch, flex, priority.';
comment on column private.model_prices.geo is 'global, or where the provider must compute, such as us.';
comment on column private.model_prices.above_tokens is
  'The price of calls whose whole input is longer than this many tokens; 0: of all others. It applies to all tokens of the call.';
comment on column private.model_prices.cache_read_micro is 'Null where the price is not known: a call that read from the cache is then unpriced.';
comment on column private.model_prices.cache_write_micro is 'Writes to a cache of the usual lifetime, five minutes.';
comment on column private.model_prices.cache_write_1h_micro is 'Writes to a cache that lives an hour.';
comment on column private.model_prices.web_search_micro is 'Micro-USD per thousand web searches that the provider runs for the model.';
comment on column private.model_prices.list is 'The list that the row was loaded from, and its version; own: the operator''s row, which no list overwrites.';

alter table private.model_prices enable row level security;
alter table private.model_prices force row level security;

-- The price of a call at a time; null where there is none for exactly this model, speed and geo. `input_tokens` is the whole input,
-- cached tokens included.
create function private.price_of(
  provider text, model text, at timestamptz default now(), input_tokens bigint default 0, speed text default 'standard',
  geo text default 'global'
) returns private.model_prices
  language plpgsql stable
  set search_path = ''
  as $$
declare
  price private.model_prices;
begin
  select p.* into price
  from private.model_prices as p
  where p.provider = price_of.provider and p.model = price_of.model and p.speed = price_of.speed and p.geo = price_of.geo
    and p.effective_from <= price_of.at
    and (p.above_tokens = 0 or p.above_tokens < price_of.input_tokens)
    and p.effective_from = (
      select max(latest.effective_from) from private.model_prices as latest
      where latest.provider = price_of.provider and latest.model = price_of.model and latest.speed = price_of.speed
        and latest.geo = price_of.geo and latest.effective_from <= price_of.at
    )
  order by p.above_tokens desc
  limit 1;
  return price;
end
$$;
revoke execute on function private.price_of(text, text, timestamptz, bigint, text, text) from public;

-- Which of a provider's models a name means: the first rule that fits.
create table private.model_rules (
  provider text not null,
  place    bigint not null,
  model    text,
  kind     text not null,
  words    text not null,
  constraint model_rules_pkey primary key (provider, place),
  constraint model_rules_model check (char_length(model) between 1 and 200),
  constraint model_rules_kind check (kind in ('equals', 'starts_with', 'ends_with', 'contains', 'regex')),
  constraint model_rules_words check (char_length(words) between 1 and 500)
);
comment on table private.model_rules is 'Names of models, as `npm run prices` loads them with the prices. Names are compared in lower case.';
comment on column private.model_rules.model is 'Null: a name that fits is of one of the provider''s models, whichever.';

alter table private.model_rules enable row level security;
alter table private.model_rules force row level security;

-- The provider and the model that a name means; no row if no rule fits. `maker` is the provider to which the call went, if that is
-- known. Ways to write a name are tried one after the other: as it is, without the size of its context ([1m]), Vertex's (@date),
-- Bedrock's (us.anthropic.name-v1:0) and OpenRouter's (vendor/name), with the date in another form, without the date. A name that the
-- maker does not have may tell another provider.
create function private.find_model(maker text, name text) returns table (provider text, model text)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  plain constant text := lower(btrim(left(find_model.name, 200)) collate "C");
  short constant text := regexp_replace(plain, '\[[^]]*\]$', '');
  bare constant text := regexp_replace(
    regexp_replace(short, '@.*$|^([a-z-]+[.])?(anthropic|openai|google|meta|mistral|amazon|cohere|deepseek)[.]|^.*/', '', 'g'), '-v[0-9]+(:[0-9]+)?$', ''
  );
  names constant text[] := array[
    plain, short, bare, regexp_replace(bare, '-(20[0-9]{2})([01][0-9])([0-3][0-9])$', '-\1-\2-\3'),
    regexp_replace(bare, '-20[0-9]{2}-?[01][0-9]-?[0-3][0-9]$', '')
  ];
  known text;
begin
  for known in
    select maker where maker is not null
    union all (
      select r.provider from private.model_rules as r
      where r.model is null and r.provider is distinct from maker and case r.kind
        when 'equals' then bare = r.words when 'starts_with' then starts_with(bare, r.words)
        when 'ends_with' then right(bare, length(r.words)) = r.words when 'contains' then strpos(bare, r.words) > 0
        else bare ~ r.words
      end
      group by r.provider order by min(r.place), r.provider
    )
  loop
    return query
      select r.provider, r.model
      from unnest(names) with ordinality as n (name, place)
      inner join private.model_rules as r on r.provider = known and r.model is not null and case r.kind
        when 'equals' then n.name = r.words when 'starts_with' then starts_with(n.name, r.words)
        when 'ends_with' then right(n.name, length(r.words)) = r.words when 'contains' then strpos(n.name, r.words) > 0
        else n.name ~ r.words
      end
      order by n.place, r.place
      limit 1;
    exit when found;
  end loop;
end
$$;
revoke execute on function private.find_model(text, text) from public;

-- Loads a list of prices and the rules for the names of its models, and gives {"added", "changed", "kept", "models"}. `prices` has the
-- columns of private.model_prices, `rules` those of private.model_rules. Prices that a new list has no more stay, for calls of their
-- time; the rules of its providers are replaced. No cost that has been computed changes.
create function private.load_prices(list text, prices jsonb, rules jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  added bigint;
  written bigint;
begin
  lock table private.model_prices in share row exclusive mode;
  -- Bands that a time of the new list has no more.
  with listed as (
    select * from jsonb_populate_recordset(null::private.model_prices, load_prices.prices)
  )
  delete from private.model_prices as p
  using (select distinct l.provider, l.model, l.speed, l.geo, l.effective_from from listed as l) as at
  where (p.provider, p.model, p.speed, p.geo, p.effective_from) = (at.provider, at.model, at.speed, at.geo, at.effective_from)
    and p.list <> 'own'
    and not exists (
      select from listed as l
      where (l.provider, l.model, l.speed, l.geo, l.effective_from, l.above_tokens)
        = (p.provider, p.model, p.speed, p.geo, p.effective_from, p.above_tokens)
    );
  with listed as (
    select * from jsonb_populate_recordset(null::private.model_prices, load_prices.prices)
  ), merged as (
    insert into private.model_prices as p (
      provider, model, effective_from, speed, geo, above_tokens, input_micro, output_micro, cache_read_micro, cache_write_micro,
      cache_write_1h_micro, web_search_micro, list
    )
    select l.provider, l.model, l.effective_from, l.speed, l.geo, l.above_tokens, l.input_micro, l.output_micro, l.cache_read_micro,
      l.cache_write_micro, l.cache_write_1h_micro, l.web_search_micro, load_prices.list
    from listed as l
    on conflict (provider, model, speed, geo, effective_from, above_tokens) do update set
      input_micro = excluded.input_micro, output_micro = excluded.output_micro, cache_read_micro = excluded.cache_read_micro,
      cache_write_micro = excluded.cache_write_micro, cache_write_1h_micro = excluded.cache_write_1h_micro,
      web_search_micro = excluded.web_search_micro, list = excluded.list
    where p.list <> 'own' and (
      p.input_micro, p.output_micro, p.cache_read_micro, p.cache_write_micro, p.cache_write_1h_micro, p.web_search_micro
    ) is distinct from (
      excluded.input_micro, excluded.output_micro, excluded.cache_read_micro, excluded.cache_write_micro, excluded.cache_write_1h_micro,
      excluded.web_search_micro
    )
    returning p.xmax = 0 as is_new
  )
  select count(*) filter (where m.is_new), count(*) into added, written from merged as m;

  delete from private.model_rules as r
  where r.provider in (select of.provider from jsonb_populate_recordset(null::private.model_rules, load_prices.rules) as of);
  insert into private.model_rules (provider, place, model, kind, words)
  select r.provider, r.place, r.model, r.kind, r.words from jsonb_populate_recordset(null::private.model_rules, load_prices.rules) as r;
  return jsonb_build_object(
    'added', added, 'changed', written - added, 'kept', jsonb_array_length(load_prices.prices) - written,
    'models', (select count(distinct (r.provider, r.model)) from private.model_rules as r where r.model is not null)
  );
end
$$;
revoke execute on function private.load_prices(text, jsonb, jsonb) from public;

-- What tokens and web searches cost at a price, in micro-USD, rounded up once, on the sum. Null, never 0, where a price or a number is
-- not known. `input` counts tokens that were neither read from nor written to a cache.
create function private.cost_micro(
  price private.model_prices, input bigint, output bigint, cache_read bigint default 0, cache_write bigint default 0,
  cache_write_1h bigint default 0, web_searches bigint default 0
) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if least(input, output, cache_read, cache_write, cache_write_1h, web_searches) < 0 then
    raise invalid_parameter_value using message = 'private.cost_micro: numbers of tokens and searches are not negative';
  end if;
  return ceil((
    input::numeric * (price).input_micro
    + output::numeric * (price).output_micro
    + case when cache_read = 0 then 0 else cache_read::numeric * (price).cache_read_micro end
    + case when cache_write = 0 then 0 else cache_write::numeric * (price).cache_write_micro end
    + case when cache_write_1h = 0 then 0 else cache_write_1h::numeric * (price).cache_write_1h_micro end
    + case when web_searches = 0 then 0 else 1000 * web_searches::numeric * (price).web_search_micro end
  ) / 1000000)::bigint;
end
$$;
revoke execute on function private.cost_micro(private.model_prices, bigint, bigint, bigint, bigint, bigint, bigint) from public;

-- migrate:down
drop function private.cost_micro(private.model_prices, bigint, bigint, bigint, bigint, bigint, bigint);
drop function private.load_prices(text, jsonb, jsonb);
drop function private.find_model(text, text);
drop table private.model_rules;
drop function private.price_of(text, text, timestamptz, bigint, text, text);
drop table private.model_prices;
