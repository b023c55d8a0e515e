-- replace KEY VALUE TTL [EXPECTED] | increment KEY BY TTL
local key = KEYS[1] .. 'c:' .. ARGV[2]
if ARGV[1] == 'replace' then
  if redis.call('GET', key) ~= (ARGV[5] or false) then
    return 0
  end
  redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
  return 1
end
local new = redis.call('EXISTS', key) == 0
local sum = redis.call('INCRBY', key, ARGV[3])
if new then
  redis.call('PEXPIRE', key, ARGV[4])
end
-- As text: a script's numbers are not exact above 2^53.
return redis.call('GET', key)
