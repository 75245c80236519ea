-- Sends a cycle of requests, each order with a key of its own; ends with one line of figures.
local paths = {}
for path in os.getenv("PATHS"):gmatch("%S+") do paths[#paths + 1] = path end
local order_every = tonumber(os.getenv("ORDER_EVERY")) -- 1: orders alone; 0: none
local bodies = {}
for body in os.getenv("ORDER_BODIES"):gmatch("[^\n]+") do bodies[#bodies + 1] = body end
local run, token = os.getenv("RUN"), os.getenv("TOKEN")
local ready, sent, placed = {}, 0, 0

function init()
  if token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
  for i, path in ipairs(paths) do ready[i] = wrk.format("GET", path) end
end

local function order()
  placed = placed + 1
  local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = run .. placed }
  for name, value in pairs(wrk.headers) do headers[name] = value end
  return wrk.format("POST", "/orders", headers, bodies[placed % #bodies + 1])
end

function request()
  sent = sent + 1
  if order_every > 0 and sent % order_every == 0 then return order() end
  return ready[sent % #ready + 1]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'FIGURES {"requests": %d, "seconds": %.3f, "p50": %.3f, "p99": %.3f, "errors": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
