-- wrk's side of bench/wrk.js: requests with one token or with many, and the numbers as one line of JSON.
-- Arguments: method, file of tokens (one a line), file of the body (may be empty).

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = io.open(args[3], "rb")
  local body = file:read("*a")
  file:close()
  if body == "" then body = nil end
  -- Formatted once: only the token differs from request to request.
  wrk.headers["Authorization"] = "Bearer @TOKEN@"
  before, after = wrk.format(args[1], nil, nil, body):match("^(.-)@TOKEN@(.*)$")
  tokens = {}
  for line in io.lines(args[2]) do table.insert(tokens, line) end
  if #tokens == 1 then same = before .. tokens[1] .. after end
  used = 0
  exhausted = false
end

function request()
  if same then return same end
  used = used + 1
  if used > #tokens then
    exhausted = true
    wrk.thread:stop()
    used = #tokens
  end
  return before .. tokens[used] .. after
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests":%d,"bytes":%d,"perSecond":%.3f,"p50":%.3f,"p99":%.3f,"refused":%d,"failed":%d,"exhausted":%s}\n',
    summary.requests, summary.bytes, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, errors.status, failed, tostring(threads[1]:get("exhausted"))))
end
