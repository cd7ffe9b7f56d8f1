-- Load for wrk: POSTs with a request_id of their own each. Arguments: prefix, token.
local prefix, token, head, tail, headers
local count = 0

function init(args)
  prefix, token = args[1], args[2]
  local file = assert(io.open(args[3]))
  local body = file:read("*a")
  file:close()
  head, tail = body:match("^(.*)REQUEST_ID(.*)$")
  headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. token,
  }
end

function request()
  count = count + 1
  return wrk.format("POST", nil, headers, head .. prefix .. count .. tail)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "duration_us": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
