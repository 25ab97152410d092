"""The scripts by which several processes count together in Redis or Valkey; each is one stroke, by the server's clock.

    narthex:use:holds            what is reserved: by the ID of its reservation, what is to be given back if it lapses
    narthex:use:lapses           when each lapses; settled ones stand there empty until their process knows that they
                                 were heard, so that none counts twice, however late it is told again
    narthex:use:born             limits whose counts were read from the ledger, and which are just being read
    narthex:use:LIMIT:…:START    `u` used and `h` held of it, in one period of the calendar
    narthex:use:LIMIT:…          the same of all slots of a rolling period (`t`, `h`, `sN`, `hN`, from the oldest `o`),
                                 when a bucket is full again (`d`), or what is under way (`h`)

They count as the counters in memory do: `tests/ledger/limits/test_redis_table.py` holds the two against each other.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = """
local P = KEYS[1]
local HOLDS, LAPSES, BORN = P .. ':holds', P .. ':lapses', P .. ':born'
local DAY = 86400000
local call, floor = redis.call, math.floor
local function num(n) return n > -0.5 and n < 0.5 and '0' or string.format('%.0f', n) end
local function int(key, field) return tonumber(call('HGET', key, field) or '0') end
-- Adds, up to what 64 bits hold: an error would end the script in the middle, and the questions of all others with it.
local function add(key, field, n)
  local sum = redis.pcall('HINCRBY', key, field, num(n))
  if type(sum) == 'table' then call('HSET', key, field, n > 0 and '9000000000000000000' or '0') end
end
local now_us = tonumber(ARGV[1])
if not now_us then
  local time = call('TIME')
  now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local now = now_us / 1000

local function month(days)
  local z = days + 719468
  local doe = z - floor(z / 146097) * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  return days - (doy - floor((153 * mp + 2) / 5))
end
local function span(period)
  if period == 'total' then return 0, now + 400 * DAY end
  if period == 'month' then
    local start = month(floor(now / DAY))
    return start * DAY, month(start + 32) * DAY
  end
  local offset = period == 'week' and 3 * DAY or 0
  local length = period == 'week' and 7 * DAY or tonumber(period)
  local start = floor((now + offset) / length) * length - offset
  return start, start + length
end

-- Puts what was used in the place of what was reserved, in the slot where it was.
local function apply(kind, key, slot, need, used, each)
  local delta = used - need
  if kind == 'g' then
    if call('EXISTS', key) == 1 then add(key, 'h', -need) end
  elseif kind == 'b' then
    local due = call('HGET', key, 'd')
    if due then
      call('HSET', key, 'd', string.format('%.3f', tonumber(due) + (used - need) * each))
      add(key, 'h', -need)
    end
  elseif kind == 'c' then
    if need == 0 or call('EXISTS', key) == 1 then
      add(key, 'u', delta)
      add(key, 'h', -need)
      if need == 0 then call('PEXPIRE', key, num(45 * DAY)) end
    end
  elseif call('HEXISTS', key, 's' .. slot) == 1 then
    add(key, 's' .. slot, delta)
    add(key, 't', delta)
    add(key, 'h', -need)
    add(key, 'h' .. slot, -need)
  end
end

local function sweep()
  for _, id in ipairs(call('ZRANGEBYSCORE', LAPSES, '-inf', num(now), 'LIMIT', 0, 50)) do
    local record = call('HGET', HOLDS, id)
    if record and record ~= '' then
      for line in string.gmatch(record, '[^\\n]+') do
        local kind, key, slot, need, each = string.match(line, '^(.-)\\t(.-)\\t(.-)\\t(.-)\\t(.*)$')
        apply(kind, key, slot, tonumber(need), 0, tonumber(each))
      end
    end
    call('HDEL', HOLDS, id)
    call('ZREM', LAPSES, id)
  end
end

local function drop(key, width, many)
  local oldest, first = floor(now / width) - many, tonumber(call('HGET', key, 'o'))
  if not first or first >= oldest then return end
  if oldest - first > 2 * many then
    -- Longer ago than the whole of a period: no slot between can be counted any more.
    local newest = tonumber(call('HGET', key, 'n') or '0')
    if newest < oldest then
      call('DEL', key)
      return
    end
  end
  for slot = first, oldest - 1 do
    local used = call('HGET', key, 's' .. num(slot))
    if used then
      add(key, 't', -tonumber(used))
      add(key, 'h', -int(key, 'h' .. num(slot)))
      call('HDEL', key, 's' .. num(slot), 'h' .. num(slot))
    end
  end
  call('HSET', key, 'o', num(oldest))
end

-- What each of the limits is told by: its kind, its key, and how much it lets pass.
local function read(at)
  local kind, key, most, need, hard, free, p1, p2, born = unpack(ARGV, at, at + 8)
  return {kind = kind, key = P .. ':' .. key, most = tonumber(most), need = tonumber(need), hard = hard == '1',
          free = free == '1', p1 = p1, p2 = tonumber(p2), born = born, slot = ''}
end
local FIELDS = 9

local function room(m, used)
  return used + m.need <= m.most and (used < m.most or (m.need == 0 and m.free))
end

-- Finds how one stands: used, held, whether it fits, when it would, and when nothing is used any more.
local function look(m)
  local never = -1
  m.floor = m.need > 1 and m.need or 1
  if m.kind == 'g' then
    m.used, m.held = int(m.key, 'h'), int(m.key, 'h')
    m.fits = m.used + m.need <= m.most
    m.wait = m.need <= m.most and 1000 or never
    m.resets = m.held == 0 and 0 or never
  elseif m.kind == 'c' then
    local start, finish = span(m.p1)
    m.finish = finish
    m.slot = num(start)
    m.key = m.key .. ':' .. m.slot
    m.used, m.held = int(m.key, 'u'), int(m.key, 'h')
    m.fits = room(m, m.used)
    m.resets = m.p1 == 'total' and never or finish - now
    m.wait = m.floor <= m.most and m.resets or never
  elseif m.kind == 'r' then
    local width, many = tonumber(m.p1), m.p2
    drop(m.key, width, many)
    m.slot = num(floor(now / width))
    m.used, m.held = int(m.key, 't'), int(m.key, 'h')
    m.fits, m.wait, m.resets = room(m, m.used), never, 0
    local first, last = tonumber(call('HGET', m.key, 'o')), tonumber(call('HGET', m.key, 'n'))
    if last then m.resets = math.max(0, (last + many + 1) * width - now) end
    if not m.fits and m.floor <= m.most and first then
      local left = m.used
      for slot = first, last do
        left = left - int(m.key, 's' .. num(slot))
        if room(m, left) then
          m.wait = (slot + many + 1) * width - now
          break
        end
      end
    end
  else
    local each, saved = tonumber(m.p1), m.p2
    local due = math.max(tonumber(call('HGET', m.key, 'd') or '0'), now_us)
    m.due, m.each = due, each
    m.held = int(m.key, 'h')
    m.used = m.most > 0 and math.ceil((due - now_us) / each - 0.000001) or 0
    m.held = math.min(m.held, m.used)
    m.fits = m.most > 0 and ((m.need == 0 and m.free) or due + m.floor * each <= now_us + saved)
    m.resets = (due - now_us) / 1000
    m.wait = m.most > 0 and m.floor <= m.most and (due + m.floor * each - saved - now_us) / 1000 or never
  end
end

local function take(m)
  if m.kind == 'g' then
    add(m.key, 'h', m.need)
    call('PEXPIRE', m.key, num(DAY))
  elseif m.kind == 'c' then
    add(m.key, 'u', m.need)
    add(m.key, 'h', m.need)
    call('PEXPIRE', m.key, num(m.finish - now + 7 * DAY))
  elseif m.kind == 'r' then
    local slot, key = tonumber(m.slot), m.key
    for _, field in ipairs({'s' .. m.slot, 'h' .. m.slot, 't', 'h'}) do add(key, field, m.need) end
    local first, last = tonumber(call('HGET', key, 'o')), tonumber(call('HGET', key, 'n'))
    if not first or slot < first then call('HSET', key, 'o', m.slot) end
    if not last or slot > last then call('HSET', key, 'n', m.slot) end
    call('PEXPIRE', key, num(tonumber(m.p1) * (m.p2 + 2) + DAY))
  else
    if m.need > 0 then call('HSET', m.key, 'd', string.format('%.3f', m.due + m.need * m.each)) end
    add(m.key, 'h', m.need)
    call('PEXPIRE', m.key, num(math.min(400 * DAY, math.max(0, m.due - now_us + m.need * m.each) / 1000 + DAY)))
  end
end

local function told(meters, answer)
  for _, m in ipairs(meters) do
    for _, value in ipairs({m.fits and '1' or '0', m.slot, num(m.used), num(m.held), num(m.wait), num(m.resets)}) do
      answer[#answer + 1] = value
    end
  end
  return answer
end
"""

RESERVE: Final = (
    _COMMON
    + """
local id, hold_ms = ARGV[2], tonumber(ARGV[3])
sweep()
local meters, fit, known = {}, true, true
for at = 4, #ARGV, FIELDS do
  local m = read(at)
  if m.born ~= '' and call('HGET', BORN, m.born) ~= '1' then known = false end
  look(m)
  if m.hard and not m.fits then fit = false end
  meters[#meters + 1] = m
end
if not known then return {'unknown', num(now)} end
if not fit then return told(meters, {'refused', num(now)}) end
if id ~= '' then
  local lines = {}
  for _, m in ipairs(meters) do
    take(m)
    lines[#lines + 1] = table.concat({m.kind, m.key, m.slot, num(m.need), m.each or '0'}, '\\t')
  end
  call('HSET', HOLDS, id, table.concat(lines, '\\n'))
  call('ZADD', LAPSES, num(now + hold_ms), id)
end
return told(meters, {'taken', num(now)})
"""
)
"""Takes for all limits of a call or for none; without an ID it only looks."""

SETTLE: Final = (
    _COMMON
    + """
local id, keep_ms = ARGV[2], tonumber(ARGV[3])
local record = call('HGET', HOLDS, id)
if record == '' then return 0 end
for at = 4, #ARGV, 6 do
  local kind, key, slot, need, used, each = unpack(ARGV, at, at + 5)
  -- What has lapsed was given back already.
  apply(kind, P .. ':' .. key, slot, record and tonumber(need) or 0, tonumber(used), tonumber(each))
end
call('HSET', HOLDS, id, '')
call('ZADD', LAPSES, num(now + keep_ms), id)
return 1
"""
)
"""Charges what was used; told again, nothing happens."""

CHARGE: Final = (
    _COMMON
    + """
local id, keep_ms = ARGV[2], tonumber(ARGV[3])
if call('HEXISTS', HOLDS, id) == 1 then return 1 end
sweep()
local meters = {}
for at = 4, #ARGV, FIELDS do
  local m = read(at)
  if m.born ~= '' and call('HGET', BORN, m.born) ~= '1' then return 0 end
  meters[#meters + 1] = m
end
for _, m in ipairs(meters) do
  look(m)
  take(m)
  apply(m.kind, m.key, m.slot, m.need, m.kind == 'g' and 0 or m.need, m.each or 0)
end
call('HSET', HOLDS, id, '')
call('ZADD', LAPSES, num(now + keep_ms), id)
return 1
"""
)
"""Charges what was used without a reservation, whatever the limits say; told again, nothing happens.

Returns 0, and charges nothing, where the ledger was not read yet for one of the limits.
"""

FORGET: Final = (
    _COMMON
    + """
for at = 2, #ARGV do
  if call('HGET', HOLDS, ARGV[at]) == '' then
    call('HDEL', HOLDS, ARGV[at])
    call('ZREM', LAPSES, ARGV[at])
  end
end
return 1
"""
)
"""Lets go of what stands there so that nothing counts twice: whoever told it knows that it was heard."""

RENEW: Final = (
    _COMMON
    + """
for at = 3, #ARGV do call('ZADD', LAPSES, 'XX', num(now + tonumber(ARGV[2])), ARGV[at]) end
return 1
"""
)
"""Says of reservations that somebody is still there."""

CLAIM: Final = (
    _COMMON
    + """
local stands = call('HGET', BORN, ARGV[2])
if stands == '1' or (stands and tonumber(stands) > now) then return 0 end
call('HSET', BORN, ARGV[2], num(now + tonumber(ARGV[3])))
return 1
"""
)
"""Says who reads the use of a limit from the ledger: one of all processes."""

RESTORE: Final = (
    _COMMON
    + """
local born = ARGV[2]
for at = 3, #ARGV, FIELDS + 2 do
  local m, total, number = read(at), tonumber(ARGV[at + FIELDS]), ARGV[at + FIELDS + 1]
  look(m)
  local key = m.key
  if m.kind == 'c' then
    local more = total + int(key, 'h') - int(key, 'u')
    if more > 0 then add(key, 'u', more) end
    call('PEXPIRE', key, num(m.finish - now + 7 * DAY))
  elseif m.kind == 'r' and floor(now / tonumber(m.p1)) - tonumber(number) <= m.p2 then
    local more = total + int(key, 'h' .. number) - int(key, 's' .. number)
    if more > 0 then
      add(key, 's' .. number, more)
      add(key, 't', more)
      local first, last = tonumber(call('HGET', key, 'o')), tonumber(call('HGET', key, 'n'))
      if not first or tonumber(number) < first then call('HSET', key, 'o', number) end
      if not last or tonumber(number) > last then call('HSET', key, 'n', number) end
      call('PEXPIRE', key, num(tonumber(m.p1) * (m.p2 + 2) + DAY))
    end
  end
end
if born ~= '' then call('HSET', BORN, born, '1') end
return 1
"""
)
"""Raises what is counted to what the ledger has, where it has more; it may be told again."""
