-- Users who read: each request is another user's and asks for the next thing on the list.
-- Arguments: file of tokens (one a line), file of what is read (a line each: a path and, behind a tab, a header or nothing), milliseconds
-- that a connection waits, on an average, before a request.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function lines(name)
  local found = {}
  for line in io.lines(name) do table.insert(found, line) end
  return found
end

function init(args)
  tokens = lines(args[1])
  reads = {}
  for _, line in ipairs(lines(args[2])) do
    local path, header = line:match("^([^\t]*)\t(.*)$")
    table.insert(reads, { path = path, header = header == "" and "" or header .. "\r\n" })
  end
  pause = tonumber(args[3])
  host = wrk.headers["Host"]
  made = 0
  if pause == 0 then delay = nil end
end

-- At random: users do not read in step.
function delay()
  return math.random(0, 2 * pause)
end

function request()
  local user = made % #tokens
  -- What the users read at one time differs.
  local read = reads[(math.floor(made / #tokens) + user * 7) % #reads + 1]
  made = made + 1
  return "GET " .. read.path .. " HTTP/1.1\r\nHost: " .. host .. "\r\nAuthorization: Bearer " .. tokens[user + 1] .. "\r\n"
    .. read.header .. "\r\n"
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests":%d,"bytes":%d,"perSecond":%.3f,"p50":%.3f,"p95":%.3f,"p99":%.3f,"refused":%d,"failed":%d}\n',
    summary.requests, summary.bytes, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(95) / 1000, latency:percentile(99) / 1000, errors.status, failed))
end
