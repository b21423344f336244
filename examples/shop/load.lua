-- The shop's customers, for wrk: mostly looking, sometimes buying. Deterministic per thread.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  math.randomseed(4711 + number)
end

function request()
  local dice = math.random(100)
  if dice <= 40 then
    return wrk.format("GET", "/products/" .. math.random(1000))
  elseif dice <= 75 then
    return wrk.format("GET", "/products?page=" .. math.random(0, 49))
  elseif dice <= 85 then
    return wrk.format("GET", "/orders")
  elseif dice <= 99 then
    local body = string.format('{"customer":"customer-%d","lines":[{"product":%d,"quantity":%d},{"product":%d,"quantity":1}]}',
                               math.random(500), math.random(1000), math.random(3), math.random(1000))
    return wrk.format("POST", "/orders", {["Content-Type"] = "application/json"}, body)
  else
    return wrk.format("GET", "/products/nothing")
  end
end
