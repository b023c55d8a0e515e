-- One turn of a worker: settle, promote, rescue, lease, or wait.
-- ARGV: session, received, want, waiter (or ''), patience (0 where it may not wait), number of
-- kinds, the kinds, then for each settle: id, token, outcome, pause, why.
-- Gives {0} session lost; {1, sleep}; or {2, number, settled, leased, cancel, lost}.
local session, received, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local waiter, patience = ARGV[4], tonumber(ARGV[5])

-- Bounds on what one turn does of what others left undone.
local PROMOTED, RESCUED = 500, 500

local kinds, at = {}, 7 + tonumber(ARGV[6])
for i = 7, at - 1 do
  kinds[#kinds + 1] = ARGV[i]
end

local ends = tonumber(call('ZSCORE', P .. 'sx', session))
if not ends or ends <= now then
  return {0}
end
if waiter ~= '' then
  forget(waiter)
end
sweep_waiters()
sweep_limits()
promote(math.max(PROMOTED, math.min(want, 1000)))
rescue(RESCUED)

-- What a reply says of jobs: place, record, body and why it failed last, for each.
local function told(records)
  local ids, reply = {}, {}
  for i, r in ipairs(records) do
    ids[i] = r.id
  end
  local bodies = read_all('HMGET', P .. 'body', ids)
  for i, r in ipairs(records) do
    local n = #reply
    reply[n + 1] = r.id
    reply[n + 2] = r.text
    reply[n + 3] = bodies[i] or ''
    reply[n + 4] = r.failed == 1 and call('HGET', P .. 'err', r.id) or false
  end
  return reply
end

-- Before leasing, since what this turn leases is not lost.
local lost = load_places(call('ZRANGEBYSCORE', P .. 'h:' .. session, '(' .. int(received), '+inf'))

local COMPLETE, RETRY, SNOOZE, RELEASE, DISCARD, CANCEL = 1, 2, 3, 4, 5, 6
local records = {}

local function settle_one(id, token, outcome, pause, why)
  local r = records[id]
  if not r then
    return 0
  end
  if r.state ~= RUNNING or r.session ~= session or r.token ~= token then
    local again = r.settled_by == session and r.settled_token == token and r.settled_as == outcome
    return again and 1 or 0
  end
  r.settled_by, r.settled_token, r.settled_as = session, token, outcome
  if outcome == COMPLETE then
    move(r, COMPLETED)
  elseif outcome == CANCEL then
    move(r, CANCELLED)
  elseif outcome == DISCARD then
    fail(r, why)
    move(r, DISCARDED)
  elseif outcome == RETRY then
    fail(r, why)
    if r.attempt >= r.max_attempts and r.cancel == 0 then
      move(r, DISCARDED)
    else
      postpone(r, pause)
    end
  elseif outcome == SNOOZE then
    r.attempt = math.max(r.attempt - 1, 0)
    postpone(r, pause)
  else
    give_back(r)
  end
  return 1
end

local ids, settled = {}, {}
for i = at, #ARGV, 5 do
  ids[#ids + 1] = ARGV[i]
end
local texts = read_all('HMGET', P .. 'st', ids)
for i, id in ipairs(ids) do
  if texts[i] and not records[id] then
    records[id] = load(id, texts[i])
  end
end
for i = at, #ARGV, 5 do
  settled[#settled + 1] =
    settle_one(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4])
end
write()

local number = tonumber(call('HGET', P .. 's:' .. session, 'turn')) + 1

local leased, open = {}, {}
if want > 0 then
  open = open_kinds(kinds)
  leased = load_places(best(open, want))
  for _, r in ipairs(leased) do
    count(r.kind, AVAILABLE, -1)
    count(r.kind, RUNNING, 1)
    r.state, r.session, r.turn, r.cancel = RUNNING, session, number, 0
    r.token, r.attempt = r.token + 1, r.attempt + 1
    zadd('h:' .. session, number, r.place)
    save(r)
    -- Nobody need be woken for it.
    local known = news[r.kind]
    if known then
      known.jobs = known.jobs - 1
    end
  end
  write()
end

local cancel, unheard = {}, false
for _, r in ipairs(cancelled(session)) do
  cancel[#cancel + 1] = r.id
  cancel[#cancel + 1] = r.token
  if r.cancel == 1 then
    unheard = true
    r.cancel = 2
    save(r)
  end
end
-- Those that were settled above are gone from the lists by now.
local still = {}
for _, r in ipairs(lost) do
  local known = records[r.id]
  if not known or known.state == RUNNING then
    still[#still + 1] = r
  end
end
write()

local nothing = #settled == 0 and #leased == 0 and #still == 0 and not unheard
if nothing and patience > 0 then
  local sleep = wait(waiter, session, want, kinds, patience)
  announce()
  return {1, int(sleep)}
end
call('HSET', P .. 's:' .. session, 'turn', int(number))
-- What is left over is for the next one that waits, should a message to it have been lost.
if #leased > 0 and call('EXISTS', P .. 'wi') == 1 then
  for _, kind in ipairs(open) do
    if call('SISMEMBER', P .. 'rk', kind) == 1 and not news[kind] then
      wake_for(kind, 1)
    end
  end
end
announce()
return {2, number, settled, told(leased), cancel, told(still)}
