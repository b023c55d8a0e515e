-- What every script of the queue begins with: the clock, records, and writes that are gathered and
-- sent in pieces. KEYS[1] is what all keys begin with: one hash tag, so one slot.
--
--   st      hash  job -> record (its head changes, its tail never does)
--   body    hash  job -> trace and arguments
--   err     hash  job -> why it failed last
--   uq      hash  idempotency key -> job
--   counts  hash  kind and state -> jobs
--   k:KIND  zset  age -> place              all jobs of a kind
--   d:KIND  zset  age -> place              the discarded ones
--   g:GROUP zset  age -> place
--   due     zset  time -> place             scheduled and retryable jobs
--   fin     list  time (8 bytes) and job    final jobs, the first first; some began again since
--   rk      set   kinds that have a lane; paused: kinds that are paused
--   l:KIND  zset  -priority -> lane         lanes that have jobs
--   r:KIND LANE zset time -> place          available jobs of one priority, tenant and set of limits
--   lim, run hash limit's key -> limit, running jobs; lo: zset when a limit opens -> key
--   w       hash  tenant -> weight; v:KIND: zset turn -> tenant; floor: hash kind -> turn
--   sx      zset  end -> session; h:SESSION: set of held jobs; c:SESSION: of those, the cancelled
--   s:SESSION hash turn, heard, lease, worker, opened, and tN: what turn N leased, not heard of yet
--   wx, wi, wk:KIND, wa, ws:SESSION, m      who waits, see waiting.lua
--
-- A place is a job's age (6 bytes) and its id (16): places sort by age.
local P = KEYS[1]
local call, pack, unpack_, sub = redis.call, struct.pack, struct.unpack, string.sub
local time = call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local AVAILABLE, SCHEDULED, RUNNING, RETRYABLE, COMPLETED, CANCELLED, DISCARDED = 1, 2, 3, 4, 5, 6, 7

-- Lua writes large numbers as 1.8e+15 unless told otherwise.
local function int(n)
  return string.format('%.0f', n)
end

-- unpack() fails above 8,000 values; 2,000 also keeps single commands short.
local PIECE = 2000

local function in_pieces(command, key, list)
  for i = 1, #list, PIECE do
    call(command, key, unpack(list, i, math.min(i + PIECE - 1, #list)))
  end
end

local function read_all(command, key, fields)
  local found = {}
  for i = 1, #fields, PIECE do
    local piece = call(command, key, unpack(fields, i, math.min(i + PIECE - 1, #fields)))
    for j = 1, #piece do
      found[i + j - 1] = piece[j]
    end
  end
  return found
end

-- Writes are gathered by key, so that a batch of jobs is a few commands.
local COMMANDS = {'ZREM', 'HDEL', 'SREM', 'ZADD', 'HSET', 'SADD', 'RPUSH'}
local gathered = {}
for _, command in ipairs(COMMANDS) do
  gathered[command] = {}
end
local counted = {}

local function gather(command, key, a, b)
  local keys = gathered[command]
  local list = keys[key]
  if not list then
    list = {}
    keys[key] = list
  end
  list[#list + 1] = a
  if b then
    list[#list + 1] = b
  end
end

-- Scores may be numbers: Redis writes those whole.
local function zadd(key, score, member) gather('ZADD', key, score, member) end
local function zrem(key, member) gather('ZREM', key, member) end
local function hset(key, field, value) gather('HSET', key, field, value) end
local function hdel(key, field) gather('HDEL', key, field) end

local function count(kind, state, by)
  local states = counted[kind]
  if not states then
    states = {}
    counted[kind] = states
  end
  states[state] = (states[state] or 0) + by
end

local function write()
  for _, command in ipairs(COMMANDS) do
    for key, list in pairs(gathered[command]) do
      in_pieces(command, P .. key, list)
      gathered[command][key] = nil
    end
  end
  for kind, states in pairs(counted) do
    for state, by in pairs(states) do
      local field = state .. kind
      if by ~= 0 and call('HINCRBY', P .. 'counts', field, by) <= 0 then
        call('HDEL', P .. 'counts', field)
      end
    end
  end
  counted = {}
end

-- What a lease writes: state, cancel, error?, token, attempt, turn, session
local HELD = '>BBBI6I4I6c16'
local HELD_SIZE = 35
-- And then: finished, settled token, settled as, settled by; priority, age, max_attempts, crashes,
-- max_crashes, due, created
local HEAD = HELD .. 'I8I6Bc16hI6I4I4I4I8I8'
local HEAD_SIZE = 102
-- Kind, tenant, group, idempotency key, limits
local TAIL = '>I4c0I1c0I1c0I4c0I4c0'
local NOBODY = string.rep('\0', 16)

local WITH_HEAD, WITH_HELD = HEAD .. 'c0', HELD .. 'c0'

-- One table at once: Lua is slow in making tables grow.
local function load(id, text)
  local state, cancel, failed, token, attempt, turn, session, finished, settled_token, settled_as,
    settled_by, priority, seq, max_attempts, crashes, max_crashes, due, created = unpack_(HEAD, text)
  local kind, tenant, group, key, limits = unpack_(TAIL, text, HEAD_SIZE + 1)
  return {id = id, text = text, tail = sub(text, HEAD_SIZE + 1), state = state, cancel = cancel,
    failed = failed, token = token, attempt = attempt, turn = turn, session = session,
    finished = finished, settled_token = settled_token, settled_as = settled_as,
    settled_by = settled_by, priority = priority, seq = seq, max_attempts = max_attempts,
    crashes = crashes, max_crashes = max_crashes, due = due, created = created, kind = kind,
    tenant = tenant, group = group, key = key, limits = limits}
end

local function save(r)
  r.text = pack(WITH_HEAD, r.state, r.cancel, r.failed, r.token, r.attempt, r.turn, r.session,
    r.finished, r.settled_token, r.settled_as, r.settled_by, r.priority, r.seq, r.max_attempts,
    r.crashes, r.max_crashes, r.due, r.created, r.tail)
  hset('st', r.id, r.text)
end

-- The record of a job that a turn leases, and whether it failed before.
local function leased_by(text, session, turn)
  local failed, token, attempt = unpack_('>BI6I4', text, 3)
  return pack(WITH_HELD, RUNNING, 0, failed, token + 1, attempt + 1, turn, session,
    sub(text, HELD_SIZE + 1)), failed
end

local function place_of(r)
  return pack('>I6', r.seq) .. r.id
end

-- Records by their ids; what is gone is left out.
local function load_all(ids)
  local found = {}
  local texts = read_all('HMGET', P .. 'st', ids)
  for i = 1, #ids do
    if texts[i] then
      found[#found + 1] = load(ids[i], texts[i])
    end
  end
  return found
end

local function ids_of(places)
  local ids = {}
  for i = 1, #places do
    ids[i] = sub(places[i], 7)
  end
  return ids
end

-- The keys of a job's limits, out of one string.
local function split(text)
  local keys, at = {}, 1
  while at <= #text do
    local key
    key, at = unpack_('>I4c0', text, at)
    keys[#keys + 1] = key
  end
  return keys
end

-- The field of a job's idempotency key, or nil.
local function unique(r)
  if r.key == '' then
    return nil
  end
  -- The key's first byte only says that there is one.
  return pack('>I4c0I1c0', #r.kind, r.kind, #r.tenant, r.tenant) .. sub(r.key, 2)
end
