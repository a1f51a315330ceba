-- 0026: secret patterns. The shapes of secrets, for redaction. src/secret_patterns/mod.rs is the list; a test compares the rows with it.
-- migrate:up
-- A regular expression for secrets with a prefix: at least three quarters of the usual characters. Before it stands no letter or digit,
-- but for an escape of JSON, of an address or of a terminal's colour. A group instead of constraints (?<=...): those take fifty times
-- as long. Signs of base64 may be escaped, too.
create function private.secret_pattern(prefix text, charset text, usual_min int) returns text
  language sql immutable
  set search_path = ''
  as $$
select '(^|[^A-Za-z0-9]|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|\[[0-9;]*m)'
  || regexp_replace(prefix, '([.])', '[\1]', 'g')
  || case charset
    when 'alphanumeric' then '[A-Za-z0-9]' when 'url' then '[A-Za-z0-9_-]' when 'dotted' then '[A-Za-z0-9_.-]'
    when 'base64' then '(?:[A-Za-z0-9+/=]|%2[BbFf]|%3[Dd]|\\+(?:/|u00(?:2[BbFf]|3[Dd])))'
    when 'encoded' then '(?:[A-Za-z0-9_.%+/=-]|\\+(?:/|u00(?:2[BbFf]|3[Dd])))'
    when 'hex' then '[0-9a-f]' when 'base32' then '[A-Z2-7]'
  end
  || '{' || least(greatest(usual_min * 3 / 4, 10), 255) || ',}'
$$;
revoke execute on function private.secret_pattern(text, text, int) from public;

create table private.secret_patterns (
  -- squawk-ignore prefer-bigint-over-smallint
  place     smallint constraint secret_patterns_pkey primary key,
  provider  text not null,
  prefix    text not null,
  charset   text,
  -- squawk-ignore prefer-bigint-over-int
  usual_min int,
  -- squawk-ignore prefer-bigint-over-int
  usual_max int,
  mark      text,
  pattern   text not null,
  is_named  boolean not null default false,
  constraint secret_patterns_prefix check (prefix <> ''),
  constraint secret_patterns_shape check ((charset is null) = (usual_min is null) and (charset is null) = (usual_max is null))
);
comment on table private.secret_patterns is
  'Shapes of secrets. Rows with a charset are those of src/secret_patterns/mod.rs, from which the edge makes hints; the others are for redaction alone.';
comment on column private.secret_patterns.prefix is 'What a text must contain before the pattern is tried.';
comment on column private.secret_patterns.pattern is 'The regular expression. What its group has stays in the text.';
comment on column private.secret_patterns.is_named is 'Whether the secret has no prefix, and what stands beside it is in the pattern''s group. The case of letters does not count then.';

alter table private.secret_patterns enable row level security;
alter table private.secret_patterns force row level security;

insert into private.secret_patterns (place, provider, prefix, charset, usual_min, usual_max, mark, pattern)
select row_number() over (), s.provider, s.prefix, s.charset, s.usual_min, s.usual_max, s.mark,
  private.secret_pattern(s.prefix, s.charset, s.usual_min)
from (values
  ('openai', 'sk-proj-', 'url', 40, 200, ''),
  ('openai', 'sk-svcacct-', 'url', 40, 200, ''),
  ('openai', 'sk-admin-', 'url', 40, 200, ''),
  ('anthropic', 'sk-ant-api03-', 'url', 95, 95, ''),
  ('anthropic', 'sk-ant-admin01-', 'url', 95, 95, ''),
  ('anthropic', 'sk-ant-', 'url', 80, 120, ''),
  ('openrouter', 'sk-or-v1-', 'hex', 64, 64, ''),
  ('openai', 'sk-', 'alphanumeric', 48, 48, 'T3BlbkFJ'),
  ('google', 'AIza', 'url', 35, 35, ''),
  ('google', 'AQ.Ab8RN6', 'dotted', 44, 44, ''),
  ('groq', 'gsk_', 'alphanumeric', 52, 52, ''),
  ('xai', 'xai-', 'alphanumeric', 70, 120, ''),
  ('perplexity', 'pplx-', 'alphanumeric', 48, 48, ''),
  ('cerebras', 'csk-', 'alphanumeric', 48, 48, ''),
  ('together', 'tgp_v1_', 'url', 43, 43, ''),
  ('replicate', 'r8_', 'alphanumeric', 37, 37, ''),
  ('huggingface', 'hf_', 'alphanumeric', 34, 34, ''),
  ('github', 'github_pat_', 'url', 82, 82, ''),
  ('github', 'ghp_', 'alphanumeric', 36, 36, ''),
  ('github', 'gho_', 'alphanumeric', 36, 36, ''),
  ('github', 'ghu_', 'alphanumeric', 36, 36, ''),
  ('github', 'ghr_', 'alphanumeric', 36, 76, ''),
  ('github', 'ghs_', 'dotted', 36, 600, ''),
  ('gitlab', 'glpat-', 'dotted', 20, 60, ''),
  ('npm', 'npm_', 'alphanumeric', 36, 36, ''),
  ('pypi', 'pypi-AgEI', 'url', 150, 250, ''),
  ('digitalocean', 'dop_v1_', 'hex', 64, 64, ''),
  ('rowgate', 'rgt_', 'url', 50, 50, ''),
  ('stripe', 'sk_live_', 'alphanumeric', 10, 247, ''),
  ('stripe', 'sk_test_', 'alphanumeric', 10, 247, ''),
  ('stripe', 'rk_live_', 'alphanumeric', 10, 247, ''),
  ('stripe', 'rk_test_', 'alphanumeric', 10, 247, ''),
  ('webhook', 'whsec_', 'base64', 24, 88, ''),
  ('aws', 'AKIA', 'base32', 16, 16, ''),
  ('aws', 'ASIA', 'base32', 16, 16, ''),
  ('aws', 'ABIA', 'base32', 16, 16, ''),
  ('aws', 'ACCA', 'base32', 16, 16, ''),
  ('bedrock', 'ABSK', 'base64', 100, 280, ''),
  ('slack', 'xoxb-', 'encoded', 20, 400, ''),
  ('slack', 'xoxp-', 'encoded', 20, 400, ''),
  ('slack', 'xoxc-', 'encoded', 20, 400, ''),
  ('slack', 'xoxd-', 'encoded', 20, 400, ''),
  ('slack', 'xoxe-', 'encoded', 20, 400, ''),
  ('slack', 'xoxr-', 'encoded', 20, 400, ''),
  ('slack', 'xoxa-', 'encoded', 20, 400, ''),
  ('slack', 'xoxs-', 'encoded', 20, 400, ''),
  ('slack', 'xapp-', 'encoded', 20, 400, ''),
  ('supabase', 'sb_secret_', 'url', 31, 31, ''),
  ('supabase', 'sbp_', 'hex', 40, 40, ''),
  ('vercel', 'vck_', 'alphanumeric', 56, 56, ''),
  ('vercel', 'vcp_', 'alphanumeric', 56, 56, ''),
  ('1password', 'ops_', 'base64', 100, 2000, ''),
  ('age', 'AGE-SECRET-KEY-1', 'alphanumeric', 58, 58, '')
) as s (provider, prefix, charset, usual_min, usual_max, mark);

insert into private.secret_patterns (place, provider, prefix, is_named, pattern) values
-- DeepSeek's, older ones of OpenAI's, and those of many services that copy its API.
(101, 'secret', 'sk-', false, private.secret_pattern('sk-', 'alphanumeric', 32)),
(102, 'jwt', 'eyJ', false, '()eyJ[A-Za-z0-9_-]{8,}[.]eyJ[A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]{8,}'),
-- No end of a JSON string is passed over, and no beginning of another key.
(103, 'pem', 'PRIVATE KEY', false,
  '()-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^"\\-]|-(?!----(?:BEGIN|END) )|\\+(?!["\\]))*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----'),
-- A key without its end goes up to where it cannot go on.
(104, 'pem', 'PRIVATE KEY', false,
  '()-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=[:space:]:,]|-(?!-)|\\+(?!["\\]))*'),
-- The password in scheme://user:password@host, but no variable of a shell.
(105, 'password', '@', true,
  '([a-z0-9+.-]:\\*/\\*/(?:\[redacted:[a-z0-9]+\])?[^[:space:]"''`<>\\()\[\]{}#?/@:]{0,100}:)(?!\$[a-z0-9_]*@)[^[:space:]"''`<>\\()\[\]{}#?/@]{1,200}(?=@)');

-- Parameters of addresses.
insert into private.secret_patterns (place, provider, prefix, is_named, pattern)
select p.place, p.provider, p.name, true,
  '((?:(?:^|[^&])[?&]|&amp;|\\u0026)[a-z0-9_.-]{0,40}' || p.name || '=)[^[:space:]"''`<>\\()\[\]{}#?&$|;]{4,}'
from (values
  (111, 'password', 'password'), (112, 'password', 'passwd'), (113, 'password', 'pwd'), (114, 'secret', 'token'),
  (115, 'secret', 'api_key'), (116, 'secret', 'api-key'), (117, 'secret', 'apikey'), (118, 'secret', 'secret')
) as p (place, provider, name);

-- Without a shape of their own: only beside their name. JSON in JSON doubles its backslashes with each level, so they are not counted.
insert into private.secret_patterns (place, provider, prefix, is_named, pattern)
select n.place, n.provider, n.name, true,
  '(' || n.name || '(?:(?:\\*[^a-z0-9\\]){0,12}\\*(?:api|key|token|secret|access|ai)){0,5}(?:\\*[^a-z0-9\\]){1,12}\\*)' || n.shape
from (values
  (121, 'mistral', 'mistral', '[a-z0-9]{32}(?![a-z0-9])'),
  (122, 'cohere', 'cohere', '[a-z0-9]{40}(?![a-z0-9])'),
  (123, 'aws', 'secret_access_key', '(?:[a-z0-9+/=]|%2[bf]|%3d|\\+(?:/|u00(?:2[bf]|3d))){40}(?![a-z0-9+/=])'),
  (124, 'aws', 'secretaccesskey', '(?:[a-z0-9+/=]|%2[bf]|%3d|\\+(?:/|u00(?:2[bf]|3d))){40}(?![a-z0-9+/=])'),
  (125, 'secret', 'token', '[0-9a-f]{32,}(?![a-z0-9])'),
  (126, 'secret', 'api_key', '[0-9a-f]{32,}(?![a-z0-9])'),
  (127, 'secret', 'api-key', '[0-9a-f]{32,}(?![a-z0-9])'),
  (128, 'secret', 'apikey', '[0-9a-f]{32,}(?![a-z0-9])'),
  (129, 'secret', 'secret', '[0-9a-f]{32,}(?![a-z0-9])')
) as n (place, provider, name, shape);

-- Passwords in fields of JSON, by the end of the field's name: texts without white space that are no placeholders; pwd also names a
-- directory. Quotes inside a password are understood in JSON, and in JSON that is a text of JSON; deeper it ends at the first one.
insert into private.secret_patterns (place, provider, prefix, is_named, pattern)
select n.place + l.level, 'password', n.prefix, true,
  '(' || n.name || l.quote || '[[:space:]]*:[[:space:]]*' || l.quote || ')(?![$<{%*\[(]|(?:string|password|required|optional)\\*")' || n.unlike
  || '(?:[^"\\[:space:]]|' || l.escape || '){4,}(?=\\*")'
from (values
  (131, 'pass', 'pass(?:word|wd|phrase)', ''), (134, 'pwd', 'pwd', '(?![^"]*/|[^"\\]*\\+[^"\\])')
) as n (place, prefix, name, unlike)
cross join (values
  (0, '"', '\\[^[:space:]]'), (1, '\\"', '\\(?:\\(?:[^"\\[:space:]]|\\["\\])|[^"\\[:space:]])'), (2, '\\{3,}"', '\\+[^"\\[:space:]]')
) as l (level, quote, escape);

-- Tokens in fields of JSON: letters and digits, both, and signs, but no UUID.
insert into private.secret_patterns (place, provider, prefix, is_named, pattern)
select n.place, 'secret', n.prefix, true,
  '(' || n.name || '\\*"[[:space:]]*:[[:space:]]*\\*")(?=[a-z_.+/=~-]*[0-9])(?=[0-9_.+/=~-]*[a-z])(?![0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\*")'
  || '[a-z0-9_.+/=~-]{16,}(?=\\*")'
from (values (141, 'token', 'token'), (142, 'secret', 'secret(?:_?key)?'), (143, 'api', 'api[_-]?key')) as n (place, prefix, name);

-- A text with its escapes of printable ASCII characters (\u0067) decoded, at each level of JSON in JSON, as without_escapes() in
-- src/secret_patterns/redact.rs does it. JSON stays JSON: quotes and backslashes get the escape that is usual at their level.
create function private.without_escapes(words text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  clean text := words;
begin
  -- An escaped backslash may begin another escape.
  for _ in 1..4 loop
    exit when clean !~ '\\u00[2-7][0-9A-Fa-f]';
    select string_agg(
      p.one[1] || case
        when p.one[3] is null then p.one[2]
        -- An escape at the nth level of JSON in JSON has 2^n backslashes. Further ones before it are backslashes of the text.
        else repeat('\', length(p.one[2]) - o.own + case when p.one[3] in ('22', '5c', '5C') then 2 * o.own - 1 else 0 end)
          || convert_from(decode(p.one[3], 'hex'), 'UTF8')
      end,
      '' order by p.n
    ) into clean
    from regexp_matches(clean, '([^\\]*)(\\*)(?:u00([2-7][0-9A-Fa-f]))?', 'g') with ordinality as p (one, n)
    cross join lateral (select length(p.one[2]) & -length(p.one[2]) as own) as o;
  end loop;
  return clean;
end
$$;
revoke execute on function private.without_escapes(text) from public;

-- A text without the secrets that stand in it as they are written.
create function private.redact_as_written(words text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  shape private.secret_patterns;
  clean text := words;
  lowered constant text := lower(words collate "C");
  before text;
begin
  -- Where one secret follows another without a character between them, the second begins no word before the first is out.
  for _ in 1..3 loop
    before := clean;
    for shape in select p.* from private.secret_patterns as p order by p.place loop
      if shape.is_named and strpos(lowered, shape.prefix) > 0 then
        clean := regexp_replace(clean, shape.pattern, '\1[redacted:' || shape.provider || ']', 'gi');
      elsif not shape.is_named and strpos(clean, shape.prefix) > 0 then
        clean := regexp_replace(clean, shape.pattern, '\1[redacted:' || shape.provider || ']', 'g');
      end if;
    end loop;
    exit when clean is not distinct from before;
  end loop;
  return clean;
end
$$;
revoke execute on function private.redact_as_written(text) from public;

-- A text without the secrets in it: "[redacted:<provider>]" stands in the place of each. Of a text that is JSON, JSON remains. Escapes hide
-- no secret; if one does, the text comes back with all of them decoded. A text of a megabyte takes tens of milliseconds.
create function private.redact_secrets(words text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  written constant text := private.redact_as_written(words);
  decoded text;
  found_ text;
begin
  if strpos(words, '\u00') > 0 then
    decoded := private.without_escapes(words);
    found_ := private.redact_as_written(decoded);
    if found_ <> decoded and found_ <> private.without_escapes(written) then
      return found_;
    end if;
  end if;
  return written;
end
$$;
revoke execute on function private.redact_secrets(text) from public;

-- How many secrets are in a text.
create function private.count_secrets(words text) returns int
  language sql stable
  set search_path = ''
  as $$
select (
  length(replace(r.clean, '[redacted:', '[redacted:*')) - length(r.clean)
  - length(replace(words, '[redacted:', '[redacted:*')) + length(words)
)::int
from private.redact_secrets(words) as r (clean)
$$;
revoke execute on function private.count_secrets(text) from public;

-- migrate:down
drop function private.count_secrets(text);
drop function private.redact_secrets(text);
drop function private.redact_as_written(text);
drop function private.without_escapes(text);
drop table private.secret_patterns;
drop function private.secret_pattern(text, text, int);
