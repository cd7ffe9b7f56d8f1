-- Load for wrk: GETs of many existing paths, in turn. Arguments: file of ids, token.
local paths, count = {}, 0
local headers

function init(args)
  for id in io.lines(args[1]) do paths[#paths + 1] = "/processes/" .. id end
  headers = { ["Authorization"] = "Bearer " .. args[2] }
end

function request()
  count = count % #paths + 1
  return wrk.format("GET", paths[count], headers)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "duration_us": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
