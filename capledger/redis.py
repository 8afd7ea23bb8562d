"""A lease book in Redis (extra ``redis``), for services and jobs of any engine that share an organisation's limit.

::

    leases = RedisLeases("rediss://redis.example:6379", name="org-1007", requests_per_minute=600)
    session = LedgerSession(url, auth, rate_limiter=LeasedRateLimiter(leases))

The arithmetic is that of :class:`~capledger.LeaseBook`, in one script that Redis runs at once, by the clock of Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from capledger._transport.arguments import to_positive_int, to_seconds
from capledger._transport.lease_book import HORIZON, RETRY, block_size, burst_size, unknown_for
from capledger._transport.rate_limit import DRIFT, MINUTE
from capledger.errors import ConfigurationError
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from capledger._transport.lease_book import Lease

#: Seconds after which Redis counts as away.
_TIMEOUT: Final = 5.0

#: What Redis has forgotten or may have is found by the id of its run, which a restart and a replica change, and by the
#: numbers of places, which eviction changes.
_SCRIPT: Final = """
local book, places, unsettled = KEYS[1], KEYS[2], KEYS[3]
local limit, want, unknown_for, minute = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local block, burst, horizon, retry = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local now, settled_until = tonumber(ARGV[9]), 10 + 2 * tonumber(ARGV[10])
if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
end
local interval = 60 / limit
local function exact(number) return string.format('%.17g', number) end

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local known = redis.call('HMGET', book, 'run', 'taken', 'open', 'opens_at', 'turn', 'next')
if known[1] ~= run or tonumber(known[2]) ~= redis.call('ZCARD', places)
        or tonumber(known[3]) ~= redis.call('SCARD', unsettled) then
    redis.call('DEL', places, unsettled)
    known = {run, 0, 0, now + unknown_for, -1e18, math.max(tonumber(known[6]) or 0, math.floor(now * 1000000))}
end
local opens_at, turn, next_number = tonumber(known[4]), tonumber(known[5]), tonumber(known[6])

for index = 11, settled_until, 2 do
    local number, age = ARGV[index], math.max(0, tonumber(ARGV[index + 1]))
    if redis.call('SREM', unsettled, number) == 1 then
        local bound = tonumber(redis.call('ZSCORE', places, number))
        redis.call('ZADD', places, exact(math.min(bound, now - age + minute)), number)
    end
end
for index = settled_until + 1, #ARGV do
    if redis.call('SREM', unsettled, ARGV[index]) == 1 then
        redis.call('ZREM', places, ARGV[index])
        turn = turn - interval
    end
end
for _, number in ipairs(redis.call('ZRANGEBYSCORE', places, '-inf', exact(now))) do
    redis.call('SREM', unsettled, number)
    redis.call('ZREM', places, number)
end

local taken = redis.call('ZCARD', places)
local function paced(count)
    return math.max(turn, now - (burst - 1) * interval) + (count - 1) * interval - now
end
local function start_of(count)
    local start, missing = now + math.max(0, paced(count)), taken + count - limit
    if missing <= 0 then return start end
    local last = redis.call('ZRANGE', places, missing - 1, missing - 1, 'WITHSCORES')
    local free_at = tonumber(last[2])
    if free_at > now + retry and redis.call('SISMEMBER', unsettled, last[1]) == 1 then return nil end
    return math.max(start, free_at)
end
local function grant(start, count)
    local first = next_number
    next_number = next_number + count
    for number = first, next_number - 1 do
        turn = math.max(turn, start - (burst - 1) * interval) + interval
        redis.call('ZADD', places, exact(now + unknown_for), string.format('%.0f', number))
        redis.call('SADD', unsettled, string.format('%.0f', number))
    end
    return {string.format('%.0f', first), count, exact(start - now)}
end
local function lease()
    if want < 1 then return {'0', 0, '0'} end
    if now < opens_at then return {'0', 0, exact(opens_at - now)} end
    local most = math.min(want, burst)
    local counts = {math.min(most, block), 1}
    for count = math.min(most, limit - taken), 1, -1 do
        if paced(count) <= 0 then
            counts = {count}
            break
        end
    end
    for _, count in ipairs(counts) do
        local start = start_of(count)
        if start and start - now > horizon then return {'0', 0, exact(start - now - horizon)} end
        if start then return grant(start, count) end
    end
    return {'0', 0, exact(retry)}
end

local result = lease()
redis.call('HSET', book, 'run', run, 'taken', redis.call('ZCARD', places), 'open', redis.call('SCARD', unsettled),
    'opens_at', exact(opens_at), 'turn', exact(turn), 'next', string.format('%.0f', next_number))
return result
"""


class RedisLeases:
    """A :class:`~capledger.LeaseSource` whose book is in Redis, one for each name.

    The first time, and whenever Redis was restarted, has failed over or has lost keys, nothing is leased until requests
    of an unknown past cannot matter any more, 140 seconds unless ``grace`` is another.

    Args:
        url: of Redis 7 or newer, with its credentials: ``redis://``, ``rediss://`` (TLS) or ``unix://``.
        name: of the book, such as the organisation; all that share its limit use the same.
        requests_per_minute: the organisation's limit, the same for all that share it.
        grace: seconds that a request may take; at least the ``timeout`` of each session.

    Raises:
        ConfigurationError: an argument cannot work, or redis is not installed.
    """

    def __init__(self, url: str, *, name: str, requests_per_minute: int, grace: float = 60.0) -> None:
        self.grace: float = to_seconds(grace)
        self._limit = to_positive_int("requests_per_minute", requests_per_minute)
        if not name:
            raise ConfigurationError("name must name the organisation, such as org-1007")
        self._keys = [f"capledger:leases:{{{name}}}:{part}" for part in ("book", "places", "unsettled")]
        self._client = _client_of(url)
        self._script = self._client.register_script(_SCRIPT)
        self._now: Callable[[], float] | None = None  # for tests

    async def lease(self, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        """Lease places of the book in Redis.

        Raises:
            redis.RedisError: Redis cannot be reached, or refuses the script.
        """
        numbers = [value for pair in settled for value in pair]
        first, count, wait = await self._script(self._keys, [*self._settings(want), len(settled), *numbers, *unused])
        return int(first), int(count), float(wait)

    def _settings(self, want: int) -> tuple[float | str, ...]:
        sizes = block_size(self._limit), burst_size(self._limit)
        now = "" if self._now is None else self._now()
        return self._limit, want, unknown_for(self.grace), MINUTE + DRIFT, *sizes, HORIZON, RETRY, now

    async def close(self) -> None:
        """Close the connections that are idle; the next lease opens one again."""
        await self._client.connection_pool.disconnect(inuse_connections=False)


def _client_of(url: str) -> Any:  # noqa: ANN401 - of an extra
    import_extra("redis", "redis")
    from redis import asyncio as redis  # noqa: PLC0415 - an extra

    try:
        return redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError("url must look like redis://host:6379, rediss://host:6379 or unix:///path") from None
