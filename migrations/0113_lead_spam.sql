-- 0113: lead spam. Scores a submission by what the edge has seen of it: how fast the form was answered, and whether by a person.
-- migrate:up
-- How much a submission looks like a bot's, 0 to 100, and why. From 50 on it is stored as spam, where an admin finds it. `edge`
-- is what the edge has seen of it, as its signed token says.
create function marketing.spam_score(lead jsonb, edge jsonb, out score integer, out reason text) returns record
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if marketing.lead_text(lead, '_gotcha', 65536) is not null then
    score := 100;
    reason := 'honeypot';
  elsif edge ->> 'stamp' = 'forged' then
    score := 80;
    reason := 'forged-stamp';
  elsif edge ->> 'stamp' = 'fast' then
    score := 70;
    reason := 'too-fast';
  elsif edge ->> 'human' = 'held' then
    score := 50;
    reason := 'held';
  else
    score := 0;
  end if;
end
$$;
revoke execute on function marketing.spam_score(jsonb, jsonb) from public;

-- migrate:down
drop function marketing.spam_score(jsonb, jsonb);
