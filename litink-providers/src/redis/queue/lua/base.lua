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
--   fin     zset  time -> place             final jobs
--   rk      set   kinds that have a lane; paused: kinds that are paused
--   l:KIND  zset  -priority -> lane         lanes that have jobs
--   r:KIND LANE zset time -> place          available jobs of one priority, tenant and set of limits
--   lim, run hash limit's key -> limit, running jobs; lo: zset when a limit opens -> key
--   w       hash  tenant -> weight; v:KIND: zset turn -> tenant; floor: hash kind -> turn
--   sx      zset  end -> session; s:SESSION: hash; h:SESSION: zset turn -> place; c:SESSION: set
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
local gathered = {ZREM = {}, ZADD = {}, HSET = {}, HDEL = {}}
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

local function zadd(key, score, member) gather('ZADD', P .. key, int(score), member) end
local function zrem(key, member) gather('ZREM', P .. key, member) end
local function hset(key, field, value) gather('HSET', P .. key, field, value) end
local function hdel(key, field) gather('HDEL', P .. key, field) end

local function count(kind, state, by)
  local field = state .. kind
  counted[field] = (counted[field] or 0) + by
end

local function write()
  for _, command in ipairs({'ZREM', 'HDEL', 'ZADD', 'HSET'}) do
    for key, list in pairs(gathered[command]) do
      in_pieces(command, key, list)
    end
    gathered[command] = {}
  end
  for field, by in pairs(counted) do
    if by ~= 0 and call('HINCRBY', P .. 'counts', field, by) <= 0 then
      call('HDEL', P .. 'counts', field)
    end
  end
  counted = {}
end

-- state, priority, age, token, attempt, max_attempts, crashes, max_crashes, due, created, finished,
-- turn, cancel, error?, settled token, settled as, session, settled by
local HEAD = '>BhI6I6I4I4I4I4I8I8I8I6BBI6Bc16c16'
local HEAD_SIZE = 102
local NOBODY = string.rep('\0', 16)

local function load(id, text)
  local r = {id = id, text = text, tail = sub(text, HEAD_SIZE + 1)}
  r.state, r.priority, r.seq, r.token, r.attempt, r.max_attempts, r.crashes, r.max_crashes, r.due,
    r.created, r.finished, r.turn, r.cancel, r.failed, r.settled_token, r.settled_as, r.session,
    r.settled_by = unpack_(HEAD, text)
  r.kind, r.tenant, r.group, r.key, r.limits = unpack_('>I4c0I1c0I1c0I4c0I4c0', r.tail)
  r.place = pack('>I6', r.seq) .. id
  return r
end

local function head(r)
  return pack(HEAD, r.state, r.priority, r.seq, r.token, r.attempt, r.max_attempts, r.crashes,
    r.max_crashes, r.due, r.created, r.finished, r.turn, r.cancel, r.failed, r.settled_token,
    r.settled_as, r.session, r.settled_by)
end

local function save(r)
  r.text = head(r) .. r.tail
  hset('st', r.id, r.text)
end

-- Records by their places; what is gone is left out.
local function load_places(places)
  local ids, found = {}, {}
  for i = 1, #places do
    ids[i] = sub(places[i], 7)
  end
  local texts = read_all('HMGET', P .. 'st', ids)
  for i = 1, #ids do
    if texts[i] then
      found[#found + 1] = load(ids[i], texts[i])
    end
  end
  return found
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
