-- ARGV: open SESSION LEASE WORKER | beat SESSION | close SESSION | leave WAITER
local action, id = ARGV[1], ARGV[2]
-- The most jobs that one call gives back; it is called again for the rest.
local GIVEN_BACK = 500

local function cancels(session)
  local told = {}
  for _, r in ipairs(cancelled(session)) do
    told[#told + 1] = r.id
    told[#told + 1] = r.token
  end
  return told
end

if action == 'open' then
  local lease = tonumber(ARGV[3])
  call('HSET', P .. 's:' .. id, 'turn', 0, 'heard', 0, 'lease', ARGV[3], 'worker', ARGV[4], 'opened', int(now))
  call('ZADD', P .. 'sx', int(now + lease), id)
  keep_time()
  return {}
elseif action == 'beat' then
  local ends = tonumber(call('ZSCORE', P .. 'sx', id))
  local lease = tonumber(call('HGET', P .. 's:' .. id, 'lease'))
  if not ends or not lease or ends <= now then
    return false
  end
  call('ZADD', P .. 'sx', int(now + lease), id)
  return cancels(id)
elseif action == 'close' then
  local held = call('SRANDMEMBER', P .. 'h:' .. id, GIVEN_BACK)
  for _, r in ipairs(load_all(held)) do
    give_back(r)
  end
  write()
  local more = #held == GIVEN_BACK
  if not more then
    end_session(id)
    wake_session(id)
  end
  announce()
  return {more and 1 or 0}
else
  -- A turn that waits no longer. If it was woken and did not look, another does.
  local was_there = forget(id)
  if not was_there then
    for _, kind in ipairs(call('SRANDMEMBER', P .. 'rk', 64)) do
      wake_for(kind, 1)
    end
  end
  keep_time()
  return {}
end
