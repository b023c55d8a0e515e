-- replace KEY VALUE TTL [EXPECTED] | increment KEY BY TTL
-- rate KEY MAX_WAIT THROTTLE (NAME WINDOW ADD LEAST)* -> admitted, wait; times in microseconds
if ARGV[1] == 'rate' then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local key = KEYS[1] .. 'r:' .. ARGV[2]
  local function text(number) return string.format('%.0f', number) end
  local throttled = tonumber(redis.call('HGET', key, 't') or 0)
  if tonumber(ARGV[4]) > 0 then
    throttled = math.max(throttled, now + ARGV[4])
  end
  local before, after, ends = throttled - now, throttled - now, throttled
  local paid = {}
  for i = 5, #ARGV, 4 do
    local add = tonumber(ARGV[i + 2])
    local till = tonumber(redis.call('HGET', key, 'l' .. ARGV[i]) or now)
    till = math.max(till, now, now + ARGV[i + 3])
    paid[i] = { till, till + add }
    if add > 0 then
      before = math.max(before, till - ARGV[i + 1] - now)
      after = math.max(after, till + add - ARGV[i + 1] - now)
    end
  end
  local admitted = before <= tonumber(ARGV[3])
  for i, times in pairs(paid) do
    local till = times[1]
    if admitted or tonumber(ARGV[i + 2]) < 0 then
      till = times[2]
    end
    redis.call('HSET', key, 'l' .. ARGV[i], text(till))
    ends = math.max(ends, till)
  end
  redis.call('HSET', key, 't', text(throttled))
  -- The other limits of the key are not longer than what they were when this was last set.
  local left = math.ceil((ends - now) / 1000) + 1000
  if redis.call('PTTL', key) < left then
    redis.call('PEXPIRE', key, text(left))
  end
  return { admitted and 1 or 0, text(math.max(0, admitted and after or before)) }
end
local key = KEYS[1] .. 'c:' .. ARGV[2]
if ARGV[1] == 'replace' then
  if redis.call('GET', key) ~= (ARGV[5] or false) then
    return 0
  end
  redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
  return 1
end
local new = redis.call('EXISTS', key) == 0
local sum = redis.call('INCRBY', key, ARGV[3])
if new then
  redis.call('PEXPIRE', key, ARGV[4])
end
-- As text: a script's numbers are not exact above 2^53.
return redis.call('GET', key)
