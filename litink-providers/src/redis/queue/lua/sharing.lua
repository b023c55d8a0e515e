-- Which available jobs may begin, and whose turn it is: limits, and start-time fair queueing.

-- What one job costs a tenant of weight 1.
local COST = 1048576

-- concurrency (-1: any), jobs of the rate (0: none), its time, paid until, throttled until
local LIMIT = '>i8I4I8I8I8'
local limits = {}

local function limit(key)
  local known = limits[key]
  if known then
    return known
  end
  known = {concurrency = -1, jobs = 0, per = 0, paid = 0, throttled = 0, running = 0}
  local text = call('HGET', P .. 'lim', key)
  if text then
    known.concurrency, known.jobs, known.per, known.paid, known.throttled = unpack_(LIMIT, text)
    known.running = tonumber(call('HGET', P .. 'run', key) or 0)
  end
  limits[key] = known
  return known
end

-- From when on the rate and the throttle let another one begin.
local function opens(it)
  local at = it.throttled
  if it.jobs > 0 and it.paid > 0 then
    at = math.max(at, it.paid + math.floor(it.per / it.jobs) - it.per)
  end
  return at
end

local function store_limit(key, it)
  local idle = it.concurrency < 0 and it.jobs == 0 and it.throttled <= now and it.paid <= now
  if idle then
    call('HDEL', P .. 'lim', key)
  else
    call('HSET', P .. 'lim', key, pack(LIMIT, it.concurrency, it.jobs, it.per, it.paid, it.throttled))
  end
  if opens(it) > now then
    call('ZADD', P .. 'lo', int(opens(it)), key)
  else
    call('ZREM', P .. 'lo', key)
  end
end

-- Limits that a rate or a throttle kept closed until now.
local function sweep_limits()
  for _, key in ipairs(call('ZRANGEBYSCORE', P .. 'lo', '-inf', int(now), 'LIMIT', 0, 64)) do
    store_limit(key, limit(key))
    freed = true
  end
end

local function admits(keys)
  for _, key in ipairs(keys) do
    local it = limit(key)
    if it.concurrency >= 0 and it.running >= it.concurrency then
      return false
    end
    if opens(it) > now then
      return false
    end
  end
  return true
end

local function begin(keys)
  for _, key in ipairs(keys) do
    local it = limit(key)
    it.running = it.running + 1
    if it.jobs > 0 then
      it.paid = math.max(it.paid, now) + math.floor(it.per / it.jobs)
      it.changed = true
    end
    it.began = (it.began or 0) + 1
  end
end

local function store_limits()
  for key, it in pairs(limits) do
    if it.began then
      call('HINCRBY', P .. 'run', key, it.began)
    end
    if it.changed then
      store_limit(key, it)
    end
  end
  limits = {}
end

-- The turns of a kind's tenants, read when more than one has jobs.
local function shares(kind)
  local it = {floor = tonumber(call('HGET', P .. 'floor', kind) or 0), next = {}, weights = {}}
  function it.place(tenant)
    local next = it.next[tenant]
    if not next then
      next = tonumber(call('ZSCORE', P .. 'v:' .. kind, tenant) or 0)
      it.next[tenant] = next
    end
    return math.max(next, it.floor)
  end
  function it.served(tenant)
    local weight = it.weights[tenant]
    if not weight then
      weight = tonumber(call('HGET', P .. 'w', tenant) or 1)
      it.weights[tenant] = weight
    end
    it.floor = it.place(tenant)
    it.next[tenant] = it.floor + math.floor(COST / weight)
    it.changed = it.changed or {}
    it.changed[tenant] = true
  end
  function it.store()
    if not it.changed then
      return
    end
    call('HSET', P .. 'floor', kind, int(it.floor))
    for tenant in pairs(it.changed) do
      call('ZADD', P .. 'v:' .. kind, int(it.next[tenant]), tenant)
    end
    -- Who is not ahead of the floor is as one who comes anew.
    call('ZREMRANGEBYSCORE', P .. 'v:' .. kind, '-inf', int(it.floor))
  end
  return it
end

-- A lane's next job: reads a few ahead.
local function peek(lane, want)
  local job = lane.jobs[lane.at]
  if not job then
    if lane.ended then
      return nil
    end
    local ahead = lane.alone and want or math.min(want, lane.at == 1 and 1 or 64)
    local from = #lane.jobs
    local found = call('ZRANGE', lane.key, from, from + ahead - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      lane.jobs[#lane.jobs + 1] = {due = tonumber(found[i + 1]), place = found[i]}
    end
    lane.ended = #found < 2 * ahead
    job = lane.jobs[lane.at]
  end
  return job
end

-- Whether a goes before b: priority, turn, time of availability, age.
local function before(a, b)
  if a.priority ~= b.priority then
    return a.priority > b.priority
  end
  if a.turn ~= b.turn then
    return a.turn < b.turn
  end
  if a.due ~= b.due then
    return a.due < b.due
  end
  return a.place < b.place
end

local function sift_up(heap, i)
  while i > 1 do
    local parent = math.floor(i / 2)
    if not before(heap[i], heap[parent]) then
      return
    end
    heap[i], heap[parent] = heap[parent], heap[i]
    i = parent
  end
end

local function sift_down(heap, i)
  while true do
    local least, left = i, 2 * i
    if heap[left] and before(heap[left], heap[least]) then
      least = left
    end
    if heap[left + 1] and before(heap[left + 1], heap[least]) then
      least = left + 1
    end
    if least == i then
      return
    end
    heap[i], heap[least] = heap[least], heap[i]
    i = least
  end
end

-- Sets a lane's rank by its next job; false if none may begin.
local function rank(line, lane, want)
  local job = admits(lane.limits) and peek(lane, want)
  if not job then
    return false
  end
  lane.due, lane.place = job.due, job.place
  lane.turn = line.shares and line.shares.place(lane.tenant) or 0
  return true
end

local function open_line(kind, want)
  local line = {kind = kind, heap = {}, lanes = {}}
  local names = call('ZRANGE', P .. 'l:' .. kind, 0, -1)
  local tenants, first = 1, nil
  for i, name in ipairs(names) do
    local priority, tenant, at = unpack_('>hI1c0', name)
    first = first or tenant
    if tenant ~= first then
      tenants = 2
    end
    line.lanes[i] = {name = name, key = P .. lane_key(kind, name), priority = priority,
      tenant = tenant, limits = split(sub(name, at)), jobs = {}, at = 1, alone = #names == 1}
  end
  if tenants > 1 then
    line.shares = shares(kind)
  end
  for _, lane in ipairs(line.lanes) do
    if rank(line, lane, want) then
      line.heap[#line.heap + 1] = lane
      sift_up(line.heap, #line.heap)
    end
  end
  return line
end

-- The lane whose next job is the line's next. Ranks only get worse while jobs are taken, so a lane
-- is ranked anew when it comes to the top.
local function top(line, want)
  local heap = line.heap
  while heap[1] do
    local lane = heap[1]
    local due, place, turn = lane.due, lane.place, lane.turn
    if not rank(line, lane, want) then
      heap[1] = heap[#heap]
      heap[#heap] = nil
      sift_down(heap, 1)
    elseif lane.due == due and lane.place == place and lane.turn == turn then
      return lane
    else
      sift_down(heap, 1)
    end
  end
  return nil
end

-- The next jobs where there is one lane without limits, as there mostly is.
local function next_of(kind, lane, want)
  local popped, taken = call('ZPOPMIN', P .. lane_key(kind, lane), want), {}
  for i = 1, #popped, 2 do
    taken[#taken + 1] = popped[i]
  end
  tidy(kind, lane)
  took(kind, #taken)
  return taken
end

-- Takes the best jobs of these kinds off their lanes: their places, in order.
local function best(kinds, want)
  if #kinds == 1 then
    local lanes = call('ZRANGE', P .. 'l:' .. kinds[1], 0, 1)
    if #lanes == 1 then
      local _, _, at = unpack_('>hI1c0', lanes[1])
      if at > #lanes[1] then
        return next_of(kinds[1], lanes[1], want)
      end
    end
  end
  local lines, taken = {}, {}
  for _, kind in ipairs(kinds) do
    lines[#lines + 1] = open_line(kind, want)
  end
  while #taken < want do
    local chosen, by
    for _, line in ipairs(lines) do
      local lane = top(line, want - #taken)
      if lane then
        -- Tenants take turns within a kind; between kinds goes who waits longer.
        local this = {priority = lane.priority, turn = 0, due = lane.due, place = lane.place}
        if not chosen or before(this, chosen) then
          chosen, by = this, line
        end
      end
    end
    if not chosen then
      break
    end
    local lane = by.heap[1]
    taken[#taken + 1] = lane.place
    lane.at = lane.at + 1
    begin(lane.limits)
    if by.shares then
      by.shares.served(lane.tenant)
    end
  end
  for _, line in ipairs(lines) do
    for _, lane in ipairs(line.lanes) do
      if lane.at > 1 then
        call('ZREMRANGEBYRANK', lane.key, 0, lane.at - 2)
        tidy(line.kind, lane.name)
        took(line.kind, lane.at - 1)
      end
    end
    if line.shares then
      line.shares.store()
    end
  end
  store_limits()
  return taken
end

-- Of these kinds (none: of those that have jobs), the ones that are not paused; each once.
local function open_kinds(kinds)
  if #kinds == 0 then
    kinds = call('SMEMBERS', P .. 'rk')
  end
  local seen, open = {}, {}
  for _, kind in ipairs(kinds) do
    if not seen[kind] and call('SISMEMBER', P .. 'rk', kind) == 1
      and call('SISMEMBER', P .. 'paused', kind) == 0 then
      open[#open + 1] = kind
    end
    seen[kind] = true
  end
  return open
end
