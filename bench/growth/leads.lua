-- Leads as a public form sends them: each of another person, from another address, with a key of its own.
-- Argument: the domain of their e-mail addresses. Headers of wrk's options are sent along.

local made = 0

function init(args)
  domain = args[1]
end

function request()
  made = made + 1
  local body = string.format(
    '{"email":"n%d@%s","first_name":"Zoë","utm_source":"bench","consent":"on","notes":"A message."}', made, domain)
  return wrk.format("POST", nil, {
    ["Accept"] = "application/json",
    ["Content-Type"] = "application/json",
    ["CF-Connecting-IP"] = string.format("10.%d.%d.%d", math.floor(made / 65536) % 256, math.floor(made / 256) % 256, made % 256),
    ["Idempotency-Key"] = string.format("%d-%s", made, domain),
    ["Host"] = wrk.headers["Host"],
    ["Authorization"] = wrk.headers["authorization"],
    ["Content-Profile"] = wrk.headers["content-profile"],
    ["Prefer"] = wrk.headers["prefer"],
  }, body)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"acknowledged":%d,"perSecond":%.3f,"p99":%.3f,"refused":%d,"failed":%d}\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(99) / 1000, errors.status, failed))
end
