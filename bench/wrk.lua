-- wrk's side of bench/wrk.js: requests with one token or with many, and the numbers as one line of JSON.
-- Arguments: method, file of tokens (one a line), file of the body (may be empty), `addresses` if each request is another client's.

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
  many = args[4] == "addresses"
  if #tokens == 1 then same = before .. tokens[1] .. after end
  used = 0
  exhausted = false
end

local function address()
  return string.format("\r\nCF-Connecting-IP: 10.%d.%d.%d", math.floor(used / 65536) % 256, math.floor(used / 256) % 256, used % 256)
end

function request()
  if same and not many then return same end
  used = used + 1
  if same then return before .. tokens[1] .. address() .. after end
  if used > #tokens then
    exhausted = true
    wrk.thread:stop()
    used = #tokens
  end
  return before .. tokens[used] .. (many and address() or "") .. after
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests":%d,"bytes":%d,"perSecond":%.3f,"p50":%.3f,"p99":%.3f,"refused":%d,"failed":%d,"exhausted":%s}\n',
    summary.requests, summary.bytes, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, errors.status, failed, tostring(threads[1]:get("exhausted"))))
end
