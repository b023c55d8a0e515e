-- How a job goes from state to state, and every index with it.

-- What became available in this script, by kind: for whom to wake.
local news = {}
-- The keys of limits under which fewer run now.
local freed = false

local now_packed = pack('>I8', now)

local function lane_of(r)
  return pack('>hI1c0', r.priority, #r.tenant, r.tenant) .. r.limits
end

local function lane_key(kind, lane)
  return 'r:' .. #kind .. ':' .. kind .. lane
end

local function enter_lane(r)
  local lane = lane_of(r)
  zadd(lane_key(r.kind, lane), r.due, place_of(r))
  local known = news[r.kind]
  if not known then
    known = {lanes = {}, jobs = 0}
    news[r.kind] = known
    call('SADD', P .. 'rk', r.kind)
  end
  known.jobs = known.jobs + 1
  if not known.lanes[lane] then
    known.lanes[lane] = true
    call('ZADD', P .. 'l:' .. r.kind, -r.priority, lane)
  end
end

-- After jobs were taken from a lane: an empty one is forgotten.
local function tidy(kind, lane)
  if call('EXISTS', P .. lane_key(kind, lane)) == 0 then
    call('ZREM', P .. 'l:' .. kind, lane)
    if call('EXISTS', P .. 'l:' .. kind) == 0 then
      call('SREM', P .. 'rk', kind)
    end
  end
end

-- So many jobs of a kind were taken off its lanes, to run.
local function took(kind, jobs)
  count(kind, AVAILABLE, -jobs)
  count(kind, RUNNING, jobs)
  local known = news[kind]
  if known then
    -- Nobody need be woken for them.
    known.jobs = known.jobs - jobs
  end
end

local function run_fewer(r)
  for _, key in ipairs(split(r.limits)) do
    if call('HINCRBY', P .. 'run', key, -1) <= 0 then
      call('HDEL', P .. 'run', key)
    end
    freed = true
  end
end

local function leave(r)
  local state = r.state
  if state == RUNNING then
    gather('SREM', 'h:' .. r.session, r.id)
    if r.cancel > 0 then
      call('SREM', P .. 'c:' .. r.session, r.id)
    end
    if r.limits ~= '' then
      run_fewer(r)
    end
  elseif state == AVAILABLE then
    local lane = lane_of(r)
    call('ZREM', P .. lane_key(r.kind, lane), place_of(r))
    tidy(r.kind, lane)
  elseif state == SCHEDULED or state == RETRYABLE then
    zrem('due', place_of(r))
  elseif state == DISCARDED then
    zrem('d:' .. r.kind, place_of(r))
  end
  count(r.kind, state, -1)
end

local function enter(r)
  local state = r.state
  if state == AVAILABLE then
    enter_lane(r)
  elseif state == SCHEDULED or state == RETRYABLE then
    zadd('due', r.due, place_of(r))
  elseif state ~= RUNNING then
    gather('RPUSH', 'fin', now_packed .. r.id)
    if state == DISCARDED then
      zadd('d:' .. r.kind, r.seq, place_of(r))
    end
  end
  count(r.kind, state, 1)
end

-- Moves a job that nobody holds afterwards, and stores it.
local function move(r, state)
  leave(r)
  r.state = state
  r.session = NOBODY
  r.cancel = 0
  if state >= COMPLETED then
    r.finished = now
    local field = unique(r)
    if field then
      call('HDEL', P .. 'uq', field)
    end
  end
  enter(r)
  save(r)
end

local function fail(r, why)
  if why then
    r.failed = 1
    hset('err', r.id, why)
  end
end

-- Takes a job from its holder; one that somebody cancelled is not executed again.
local function put_back(r, state)
  move(r, r.cancel > 0 and CANCELLED or state)
end

local function give_back(r)
  r.attempt = math.max(r.attempt - 1, 0)
  put_back(r, AVAILABLE)
end

local function postpone(r, after)
  r.due = now + after
  put_back(r, after > 0 and RETRYABLE or AVAILABLE)
end

local function rescue_job(r)
  r.attempt = math.max(r.attempt - 1, 0)
  r.crashes = r.crashes + 1
  if r.crashes >= r.max_crashes then
    fail(r, 'its workers died under it')
    move(r, DISCARDED)
  else
    r.due = now
    put_back(r, AVAILABLE)
  end
end

-- What is due is available, a bounded number at a time.
local function promote(most)
  local places = call('ZRANGEBYSCORE', P .. 'due', '-inf', int(now), 'LIMIT', 0, most)
  if #places == 0 then
    return
  end
  for _, r in ipairs(load_all(ids_of(places))) do
    move(r, AVAILABLE)
  end
  -- Places without a job, if there ever were any.
  in_pieces('ZREM', P .. 'due', places)
  write()
end

-- What a session holds and is to stop, oldest first.
local function cancelled(session)
  local found = load_all(call('SMEMBERS', P .. 'c:' .. session))
  table.sort(found, function(a, b) return a.seq < b.seq end)
  return found
end

local function end_session(session)
  call('ZREM', P .. 'sx', session)
  call('DEL', P .. 's:' .. session, P .. 'h:' .. session, P .. 'c:' .. session)
end

-- Brings back what sessions held that ended without closing, a bounded number of jobs at a time.
local function rescue(most)
  local ended = call('ZRANGEBYSCORE', P .. 'sx', '-inf', int(now), 'LIMIT', 0, 16)
  for _, session in ipairs(ended) do
    local held = call('SRANDMEMBER', P .. 'h:' .. session, most)
    for _, r in ipairs(load_all(held)) do
      rescue_job(r)
    end
    write()
    most = most - #held
    if most <= 0 then
      return
    end
    end_session(session)
    wake_session(session)
  end
end

-- Wakes for what became available.
local function announce()
  for kind, known in pairs(news) do
    if call('SISMEMBER', P .. 'paused', kind) == 0 then
      wake_for(kind, known.jobs)
    end
  end
  news = {}
  if freed and call('HLEN', P .. 'wi') > 0 then
    for _, kind in ipairs(call('SRANDMEMBER', P .. 'rk', 64)) do
      wake_for(kind, 1)
    end
  end
  freed = false
  keep_time()
end
