"""Hold the Lua scripts that run inside Redis, so that nothing happens between what they read and what they write."""

CHANGE = """
local job = redis.call('HGET', KEYS[1], 'state')
if not job then return 0 end
local allowed = cjson.decode(ARGV[1])
local found = #allowed == 0
for _, state in ipairs(allowed) do if state == job then found = true end end
if not found then return 0 end
for field, value in pairs(cjson.decode(ARGV[2])) do redis.call('HSET', KEYS[1], field, value) end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then redis.call('SREM', KEYS[3], ARGV[4]) end
local flat = redis.call('HGETALL', KEYS[1])
local snapshot = {}
for i = 1, #flat, 2 do snapshot[flat[i]] = flat[i + 1] end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'job', cjson.encode(snapshot))
return 1
"""
"""KEYS: job, events, active. ARGV: allowed states (JSON list, empty = any), fields (JSON object), events kept, id."""
KEEP_LEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""KEYS: lease or claim. ARGV: owner, milliseconds (0 releases). Only the owner may renew or release."""
PAGE = """
local limit, offset, score, last = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local total, found = 0, {}
for _, key in ipairs(KEYS) do
  total = total + redis.call('ZCARD', key)
  local want, start = limit + offset + 1, 0
  while want > 0 do
    local batch = redis.call('ZREVRANGEBYSCORE', key, score, '-inf', 'WITHSCORES', 'LIMIT', start, want)
    if #batch == 0 then break end
    start = start + #batch / 2
    for i = 1, #batch, 2 do
      if last == '' or tonumber(batch[i + 1]) < tonumber(score) or batch[i] < last then
        found[#found + 1] = {batch[i], tonumber(batch[i + 1])}
        want = want - 1
      end
    end
  end
end
table.sort(found, function(a, b) if a[2] == b[2] then return a[1] > b[1] end return a[2] > b[2] end)
local page = {total, #found > offset + limit and 1 or 0}
for i = offset + 1, math.min(offset + limit, #found) do
  local job = redis.call('HGETALL', ARGV[5] .. found[i][1])
  if #job > 0 then page[#page + 1] = job end
end
return page
"""
"""KEYS: indexes by kind. ARGV: limit, offset, the score and id that a page before ended with, prefix of a job's key.
Answers how many jobs there are in all, whether more follow, and the page's jobs as flat hashes, the newest first."""
STATES = """
local counts = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3])) do
  local state = redis.call('HGET', ARGV[1] .. id, 'state')
  if state then counts[state] = (counts[state] or 0) + 1 end
end
local flat = {}
for state, count in pairs(counts) do flat[#flat + 1] = state; flat[#flat + 1] = count end
return flat
"""
"""KEYS: index. ARGV: prefix of a job's key, first and last of the jobs to look at. Their states, each with its
count."""
UNFINISHED = """
local count = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('HGET', ARGV[1] .. id, 'client') == ARGV[2] then count = count + 1 end
end
return count
"""
"""KEYS: active. ARGV: prefix of a job's key, client as JSON. How many of the client's jobs are not finished."""
STORED = """
local bytes = 0
for _, key in ipairs(KEYS) do
  for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    bytes = bytes + tonumber(redis.call('HGET', ARGV[1] .. id, 'size') or 0)
  end
end
return bytes
"""
"""KEYS: a client's indexes by kind. ARGV: prefix of a job's key. The bytes of the files of the client's jobs."""
SAVE_PAYLOAD = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'payload', ARGV[1])
return 1
"""
"""KEYS: job. ARGV: payload. A job that was deleted meanwhile is not made again."""
CLAIM = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('EXISTS', ARGV[3] .. holder .. ARGV[4]) == 1 then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""
"""KEYS: claim. ARGV: job, seconds, lease of a job before its id, and after it. Who holds it after all."""
