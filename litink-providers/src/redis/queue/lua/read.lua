-- What operators see. ARGV: an action, and what it is about. Writes nothing.
local action = ARGV[1]

local function told(ids)
  local texts = read_all('HMGET', P .. 'st', ids)
  local bodies = read_all('HMGET', P .. 'body', ids)
  local errors = read_all('HMGET', P .. 'err', ids)
  local reply = {int(now)}
  for i, id in ipairs(ids) do
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, texts[i], bodies[i], errors[i]
  end
  return reply
end

local function kinds()
  local seen, found = {}, {}
  for _, field in ipairs(call('HKEYS', P .. 'counts')) do
    local kind = sub(field, 2)
    if not seen[kind] then
      seen[kind] = true
      found[#found + 1] = kind
    end
  end
  return found
end

-- A piece of an index of places, by age.
local function piece(key, down, from, most)
  if down then
    return call('ZREVRANGEBYSCORE', P .. key, '(' .. from, '-inf', 'WITHSCORES', 'LIMIT', 0, most)
  end
  return call('ZRANGEBYSCORE', P .. key, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
end

-- The first of several indexes merged by age: {age, id, ...}.
local function merged(keys, down, from, most)
  local found = {}
  for _, key in ipairs(keys) do
    local some = piece(key, down, from, most)
    for i = 1, #some, 2 do
      found[#found + 1] = {age = tonumber(some[i + 1]), id = sub(some[i], 7)}
    end
  end
  table.sort(found, function(a, b)
    if down then
      return a.age > b.age
    end
    return a.age < b.age
  end)
  local first = {}
  for i = 1, math.min(most, #found) do
    first[i] = found[i]
  end
  return first
end

local function keys_of(prefix, kind)
  if kind ~= '' then
    return {prefix .. sub(kind, 2)}
  end
  local keys = {}
  for _, kind_ in ipairs(kinds()) do
    keys[#keys + 1] = prefix .. kind_
  end
  return keys
end

if action == 'get' then
  local ids = {}
  for i = 2, #ARGV do
    ids[i - 1] = ARGV[i]
  end
  return told(ids)
elseif action == 'scan' then
  -- INDEX KIND FROM MOST STATES TENANT: {last age or '', ids that fit}. The kind has a byte before
  -- it, or is empty for any; states are digits, none for any; so is the tenant.
  local found = merged(keys_of(ARGV[2], ARGV[3]), true, ARGV[4], tonumber(ARGV[5]))
  local states, tenant = ARGV[6], ARGV[7]
  local ids, last = {}, ''
  for i, entry in ipairs(found) do
    ids[i] = entry.id
    last = int(entry.age)
  end
  local fits = {}
  for i, text in ipairs(read_all('HMGET', P .. 'st', ids)) do
    if text then
      local r = load(ids[i], text)
      local state = r.state
      if (state == SCHEDULED or state == RETRYABLE) and r.due <= now then
        state = AVAILABLE
      end
      if (states == '' or string.find(states, tostring(state), 1, true)) and
        (tenant == '' or r.tenant == tenant) then
        fits[#fits + 1] = r.id
        fits[#fits + 1] = int(r.seq)
      end
    end
  end
  return {last, #found, fits}
elseif action == 'members' then
  -- group GROUP | kind KIND, then FROM, MOST: {last age or '', ids}
  local keys = ARGV[2] == 'group' and {'g:' .. ARGV[3]} or keys_of('d:', ARGV[3])
  local ids, last = {}, ''
  for i, entry in ipairs(merged(keys, false, ARGV[4], tonumber(ARGV[5]))) do
    ids[i] = entry.id
    last = int(entry.age)
  end
  return {last, ids}
elseif action == 'unique' then
  return call('HGET', P .. 'uq', ARGV[2])
elseif action == 'workers' then
  -- Id, worker, when it was opened, lease, end and running jobs of each session that is alive.
  local found = {}
  local sessions = call('ZRANGEBYSCORE', P .. 'sx', '(' .. int(now), '+inf', 'WITHSCORES')
  for i = 1, #sessions, 2 do
    local id = sessions[i]
    local told = call('HMGET', P .. 's:' .. id, 'worker', 'opened', 'lease')
    local ends = int(tonumber(sessions[i + 1]))
    found[#found + 1] = {id, told[1], told[2], told[3], ends, call('SCARD', P .. 'h:' .. id)}
  end
  return found
else
  -- Counts, when the oldest available job of each kind became so, and the paused kinds.
  local counts, oldest = call('HGETALL', P .. 'counts'), {}
  for _, kind in ipairs(call('SMEMBERS', P .. 'rk')) do
    local first
    for _, lane in ipairs(call('ZRANGE', P .. 'l:' .. kind, 0, -1)) do
      local key = P .. 'r:' .. #kind .. ':' .. kind .. lane
      local at = tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
      if at and (not first or at < first) then
        first = at
      end
    end
    if first then
      oldest[#oldest + 1] = kind
      oldest[#oldest + 1] = int(first)
    end
  end
  return {int(now), counts, oldest, call('SMEMBERS', P .. 'paused')}
end
