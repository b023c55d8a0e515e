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

-- What a reply says of jobs: id, record, body and why it failed last, for each.
local function told(ids, texts, failed)
  local reply, n = {}, 0
  local bodies = read_all('HMGET', P .. 'body', ids)
  for i, id in ipairs(ids) do
    reply[n + 1] = id
    reply[n + 2] = texts[i]
    reply[n + 3] = bodies[i] or ''
    reply[n + 4] = failed[i] == 1 and call('HGET', P .. 'err', id) or false
    n = n + 4
  end
  return reply
end

-- What was leased by turns that the worker has not heard of, and forgets what it has heard of.
local turns = call('HMGET', P .. 's:' .. session, 'turn', 'heard')
local last, heard = tonumber(turns[1]), tonumber(turns[2])
local lost = {}
for turn = heard + 1, last do
  if turn <= received then
    hdel('s:' .. session, 't' .. int(turn))
  else
    local held = call('HGET', P .. 's:' .. session, 't' .. int(turn)) or ''
    for at = 1, #held, 16 do
      lost[#lost + 1] = sub(held, at, at + 15)
    end
  end
end

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

local number = last + 1

local leased, texts, failed, open = {}, {}, {}, {}
if want > 0 then
  open = open_kinds(kinds)
  local ids = ids_of(best(open, want))
  for i, text in ipairs(read_all('HMGET', P .. 'st', ids)) do
    -- What is gone is left out.
    if text then
      local n = #leased + 1
      leased[n] = ids[i]
      texts[n], failed[n] = leased_by(text, session, number)
      hset('st', ids[i], texts[n])
    end
  end
  gathered.SADD['h:' .. session] = leased
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
-- Without those that were settled since.
local still, still_texts, still_failed = {}, {}, {}
for _, r in ipairs(load_all(lost)) do
  if r.state == RUNNING and r.session == session and r.turn > received and r.turn < number then
    still[#still + 1] = r.id
    still_texts[#still], still_failed[#still] = r.text, r.failed
  end
end
write()

local nothing = #settled == 0 and #leased == 0 and #still == 0 and not unheard
if nothing and patience > 0 then
  local sleep = wait(waiter, session, want, kinds, patience)
  announce()
  return {1, int(sleep)}
end
call('HSET', P .. 's:' .. session, 'turn', int(number), 'heard', int(math.min(received, last)))
if #leased > 0 then
  call('HSET', P .. 's:' .. session, 't' .. int(number), table.concat(leased))
end
-- What is left over is for the next one that waits, should a message to it have been lost.
if #leased > 0 and call('EXISTS', P .. 'wi') == 1 then
  for _, kind in ipairs(open) do
    if call('SISMEMBER', P .. 'rk', kind) == 1 and not news[kind] then
      wake_for(kind, 1)
    end
  end
end
announce()
return {2, number, settled, told(leased, texts, failed), cancel, told(still, still_texts, still_failed)}
