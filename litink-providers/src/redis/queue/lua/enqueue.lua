-- Adds jobs, all or none.
-- ARGV: for each job its id, delay, priority, max_attempts, max_crashes, tail, body.
-- Gives for each: '' if it was added, else the id of the one that is there.
local jobs = #ARGV / 7
local seq = call('HINCRBY', P .. 'm', 'seq', jobs) - jobs
local answers, here = {}, {}
for i = 1, jobs do
  local at = (i - 1) * 7
  local id, delay = ARGV[at + 1], tonumber(ARGV[at + 2])
  local r = {id = id, tail = ARGV[at + 6], state = delay > 0 and SCHEDULED or AVAILABLE,
    priority = tonumber(ARGV[at + 3]), seq = seq + i, token = 0, attempt = 0,
    max_attempts = tonumber(ARGV[at + 4]), crashes = 0, max_crashes = tonumber(ARGV[at + 5]),
    due = now + delay, created = now, finished = 0, turn = 0, cancel = 0, failed = 0,
    settled_token = 0, settled_as = 0, session = NOBODY, settled_by = NOBODY}
  r.kind, r.tenant, r.group, r.key, r.limits = unpack_(TAIL, r.tail)
  local field = unique(r)
  local known = field and call('HGET', P .. 'uq', field)
  if known then
    -- A job with this id is named before one with this key.
    answers[i] = (here[id] or call('HEXISTS', P .. 'st', id) == 1) and id or known
  elseif here[id] or call('HEXISTS', P .. 'st', id) == 1 then
    answers[i] = id
  else
    answers[i] = ''
    here[id] = true
    save(r)
    if field then
      call('HSET', P .. 'uq', field, id)
    end
    hset('body', id, ARGV[at + 7])
    local place = place_of(r)
    zadd('k:' .. r.kind, r.seq, place)
    if r.group ~= '' then
      zadd('g:' .. r.group, r.seq, place)
    end
    enter(r)
  end
end
write()
announce()
return answers
