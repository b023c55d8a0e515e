-- ARGV: an action, and what it is about. Gives {touched, more}.
local action = ARGV[1]
-- The most final jobs that one call forgets; it is called again for the rest.
local PRUNED = 500
-- The most due jobs that one call makes available.
local ADVANCED = 500

local function cancel(r)
  if r.state == RUNNING then
    if r.cancel > 0 then
      return false
    end
    r.cancel = 1
    call('SADD', P .. 'c:' .. r.session, r.id)
    save(r)
    wake_session(r.session)
    return true
  elseif r.state >= COMPLETED then
    return false
  end
  move(r, CANCELLED)
  return true
end

-- A final job whose key another live job has stays as it is.
local function replay(r)
  if r.state < COMPLETED then
    return false
  end
  local field = unique(r)
  if field and call('HSETNX', P .. 'uq', field, r.id) == 0 then
    return false
  end
  r.attempt, r.crashes, r.due = 0, 0, now
  if r.failed == 1 then
    r.failed = 0
    hdel('err', r.id)
  end
  leave(r)
  r.state, r.finished = AVAILABLE, 0
  enter(r)
  save(r)
  return true
end

if action == 'cancel' or action == 'replay' then
  -- Then ids.
  local touched, seen, ids = 0, {}, {}
  for i = 2, #ARGV do
    if not seen[ARGV[i]] then
      seen[ARGV[i]] = true
      ids[#ids + 1] = ARGV[i]
    end
  end
  for _, r in ipairs(load_all(ids)) do
    if (action == 'cancel' and cancel or replay)(r) then
      touched = touched + 1
    end
  end
  write()
  announce()
  return {touched, 0}
elseif action == 'advance' then
  -- What is due, and what dead workers held, where no worker looks.
  promote(ADVANCED)
  rescue(ADVANCED)
  announce()
  local next = tonumber(call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')[2])
  return {0, next and next <= now and 1 or 0}
elseif action == 'pause' then
  return {call('SADD', P .. 'paused', ARGV[2]), 0}
elseif action == 'resume' then
  local touched = call('SREM', P .. 'paused', ARGV[2])
  local jobs = tonumber(call('HGET', P .. 'counts', AVAILABLE .. ARGV[2]) or 0)
  wake_for(ARGV[2], jobs)
  return {touched, 0}
elseif action == 'prune' then
  local until_, ids, finished = now - tonumber(ARGV[2]), {}, {}
  for _, entry in ipairs(call('LRANGE', P .. 'fin', 0, PRUNED - 1)) do
    local at = unpack_('>I8', entry)
    if at > until_ then
      break
    end
    ids[#ids + 1] = sub(entry, 9)
    finished[sub(entry, 9)] = at
  end
  local touched = 0
  for _, r in ipairs(load_all(ids)) do
    -- What began again since is not meant, nor what is twice in the list.
    if r.state >= COMPLETED and r.finished == finished[r.id] then
      finished[r.id] = nil
      touched = touched + 1
      leave(r)
      for _, key in ipairs({'st', 'body', 'err'}) do
        hdel(key, r.id)
      end
      zrem('k:' .. r.kind, place_of(r))
      if r.group ~= '' then
        zrem('g:' .. r.group, place_of(r))
      end
    end
  end
  call('LTRIM', P .. 'fin', #ids, -1)
  write()
  return {touched, #ids == PRUNED and 1 or 0}
elseif action == 'limit' then
  -- Then key, concurrency, jobs, per.
  local it = limit(ARGV[2])
  it.concurrency, it.jobs, it.per = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  store_limit(ARGV[2], it)
  freed = true
  announce()
  return {1, 0}
elseif action == 'throttle' then
  local it, pause = limit(ARGV[2]), tonumber(ARGV[3])
  it.throttled = pause > 0 and math.max(it.throttled, now + pause) or 0
  store_limit(ARGV[2], it)
  freed = true
  announce()
  return {1, 0}
else
  -- weigh TENANT WEIGHT
  if ARGV[3] == '1' then
    call('HDEL', P .. 'w', ARGV[2])
  else
    call('HSET', P .. 'w', ARGV[2], ARGV[3])
  end
  return {1, 0}
end
