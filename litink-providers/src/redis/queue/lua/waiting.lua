-- Who waits, and whom to wake.
--
-- A waiter is a turn that found nothing. It is woken by a message to its process, and is off every
-- list from then on; it looks, and waits anew if there is nothing. One of them is the keeper: it
-- sleeps until the next moment at which the queue changes by itself (a job is due, a session ends,
-- a limit opens), the others until they are woken.
--
--   wi      hash  waiter -> session, want and kinds
--   wx      zset  until when it can be believed to be there -> waiter
--   wk:KIND zset  order -> waiter, of a kind; wa: of any kind
--   ws:SESSION set of its waiters
--   m       hash  seq, waiters: counters; keeper, timer: who keeps the time, and until when
--
-- A waiter's name is its process' (32 digits) and a number.
local function forget(waiter)
  local text = call('HGET', P .. 'wi', waiter)
  if not text then
    return false
  end
  call('HDEL', P .. 'wi', waiter)
  call('ZREM', P .. 'wx', waiter)
  local session, want, kinds = unpack_('>c16I4I4', text)
  call('SREM', P .. 'ws:' .. session, waiter)
  local at = 25
  if kinds == 0 then
    call('ZREM', P .. 'wa', waiter)
  end
  for _ = 1, kinds do
    local kind
    kind, at = unpack_('>I4c0', text, at)
    call('ZREM', P .. 'wk:' .. kind, waiter)
  end
  if call('HGET', P .. 'm', 'keeper') == waiter then
    call('HDEL', P .. 'm', 'keeper', 'timer')
  end
  return want
end

-- Wakes a waiter; says how many jobs it wants, or nil if nobody was there.
local function wake(waiter)
  local want = forget(waiter)
  if not want then
    return nil
  end
  local heard = call('PUBLISH', P .. 'w:' .. sub(waiter, 1, 32), sub(waiter, 33))
  if heard == 0 then
    return nil
  end
  return want
end

-- Wakes as many as there are jobs of a kind for, the one that waited longest first.
local function wake_for(kind, jobs)
  for _, list in ipairs({P .. 'wk:' .. kind, P .. 'wa'}) do
    while jobs > 0 do
      local first = call('ZRANGE', list, 0, 0)[1]
      if not first then
        break
      end
      jobs = jobs - (wake(first) or 0)
      call('ZREM', list, first)
    end
  end
end

local function wake_session(session)
  for _, waiter in ipairs(call('SMEMBERS', P .. 'ws:' .. session)) do
    wake(waiter)
  end
end

local function next_event()
  local next
  for _, key in ipairs({'due', 'sx'}) do
    local at = tonumber(call('ZRANGE', P .. key, 0, 0, 'WITHSCORES')[2])
    if at and (not next or at < next) then
      next = at
    end
  end
  local opens = call('ZRANGEBYSCORE', P .. 'lo', '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local at = tonumber(opens[2])
  if at and (not next or at < next) then
    next = at
  end
  return next
end

-- The keeper looks again if the queue changes before its time; where there is none, somebody
-- becomes it.
local function keep_time()
  if call('HLEN', P .. 'wi') == 0 then
    return
  end
  local m = call('HMGET', P .. 'm', 'keeper', 'timer')
  if m[1] then
    local there = tonumber(call('ZSCORE', P .. 'wx', m[1]))
    if there and there >= now then
      local next = next_event()
      if not next or not m[2] or next >= tonumber(m[2]) or wake(m[1]) then
        return
      end
    else
      forget(m[1])
    end
  end
  -- Bounded: whoever is not there is forgotten, and the next one is asked.
  for _ = 1, 64 do
    local first = call('ZREVRANGE', P .. 'wx', 0, 0)[1]
    if not first or wake(first) then
      return
    end
  end
end

-- Puts a turn on the lists; says how long it may sleep.
local function wait(waiter, session, want, kinds, patience)
  forget(waiter)
  local text = {pack('>c16I4I4', session, want, #kinds)}
  local order = call('HINCRBY', P .. 'm', 'waiters', 1)
  for i, kind in ipairs(kinds) do
    text[i + 1] = pack('>I4c0', #kind, kind)
    if want > 0 then
      call('ZADD', P .. 'wk:' .. kind, order, waiter)
    end
  end
  if #kinds == 0 and want > 0 then
    call('ZADD', P .. 'wa', order, waiter)
  end
  call('HSET', P .. 'wi', waiter, table.concat(text))
  call('SADD', P .. 'ws:' .. session, waiter)
  call('ZADD', P .. 'wx', int(now + patience + 1000000), waiter)
  local keeper = call('HGET', P .. 'm', 'keeper')
  local there = keeper and tonumber(call('ZSCORE', P .. 'wx', keeper) or 0)
  if keeper and there >= now then
    return patience
  end
  local next = next_event()
  local sleep = math.min(patience, next and math.max(next - now, 0) or patience)
  call('HSET', P .. 'm', 'keeper', waiter, 'timer', int(now + sleep))
  return sleep
end

-- Waiters whose processes are gone.
local function sweep_waiters()
  for _, waiter in ipairs(call('ZRANGEBYSCORE', P .. 'wx', '-inf', '(' .. int(now), 'LIMIT', 0, 16)) do
    forget(waiter)
  end
end
